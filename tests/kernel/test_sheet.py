"""Rows in files: nothing is lost on the way through a spreadsheet, and nothing in them is run."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import ConfigError
from antiphon.sheet import Form, dump, form_of, load

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ROWS = st.lists(st.tuples(CELLS, CELLS).filter(lambda row: "".join(row).strip()), max_size=6)
"""A line of nothing is no row of a CSV."""
FORMULAS = ("=1+1", "+39 040 111", "-2", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''")


@given(rows=ROWS, form=st.sampled_from(Form))
def test_what_is_written_is_read_back(*, rows: list[tuple[str, str]], form: Form) -> None:
    text = dump(form, ("a", "b"), [{"a": a, "b": b} for a, b in rows])
    found = [(row.cells["a"], row.cells["b"]) for row in load(form, text, "f", ("a", "b"))]
    assert found == rows


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_is_a_formula(cell: str) -> None:
    text = dump(Form.CSV, ("a",), [{"a": cell}])
    _, (shown,) = csv.reader(io.StringIO(text, newline=""))
    assert shown == f"'{cell}"
    assert load(Form.CSV, text, "f", ("a",))[0].cells["a"] == cell


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheet_of_any_country_is_understood(separator: str) -> None:
    text = "\ufeff" + separator.join(("a", "b")) + "\r\n" + separator.join(("1", '"x\r\ny"')) + "\r\n\r\n2\r\n"
    rows = load(Form.CSV, text, "f", ("a", "b"))
    assert [(row.where, row.text("a"), row.text("b")) for row in rows] == [
        ("line 2", "1", "x\r\ny"),
        ("line 5", "2", ""),
    ]


def test_values_of_json_keep_what_they_are() -> None:
    rows: list[dict[str, Any]] = [{"a": Decimal("1.50"), "b": None}, {"a": ["x", 1], "b": True}]
    found = load(Form.JSON, dump(Form.JSON, ("a", "b"), rows), "f", ("a",))
    assert [dict(row.cells) for row in found] == rows
    assert [row.where for row in found] == ["line 2", "line 3"]
    assert (found[0].text("a"), found[0].text("b"), found[1].text("a")) == ("1.50", "", '["x",1]')


MISTAKES = {
    "nothing": (Form.CSV, "", "is empty"),
    "no such column": (Form.CSV, "b\n1\n", "line 1: there is no column 'a'"),
    "a column twice": (Form.CSV, "a,a\n", "line 1: the column 'a' is there twice"),
    "a cell too many": (Form.CSV, "a\n1\n2,3\n", "line 3: there are 2 cells under 1 columns"),
    "a quote that is not closed": (Form.CSV, 'a\n"1\n', "line 2: this is no CSV"),
    "no list": (Form.JSON, '{"a": 1}', "line 1: this is no list"),
    "no object": (Form.JSON, '[\n{"a": 1},\n2]', "line 3: this row is no object"),
    "no JSON": (Form.JSON, '[{"a": 1},\n{"a" 2}]', "line 2: this is no JSON"),
    "no comma": (Form.JSON, '[{"a": 1}\n{"a": 2}]', "line 2: after a row stands no"),
    "an end that is missing": (Form.JSON, '[{"a": 1},', "line 1: this is no JSON"),
    "something behind": (Form.JSON, "[]\n\n1", "line 3: something stands after"),
    "a cell that is missing": (Form.JSON, '[{"b": 1}]', "line 1: there is no 'a'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line(mistake: str) -> None:
    form, text, says = MISTAKES[mistake]
    with pytest.raises(ConfigError) as error:
        load(form, text, "f.x", ("a",))
    assert says in error.value.message
    assert error.value.message.startswith("f.x")


def test_the_form_is_that_of_the_name_unless_it_is_said() -> None:
    assert (form_of("a.CSV"), form_of("a.json"), form_of("-"), form_of("a.txt", "json")) == (
        *(Form.CSV, Form.JSON, Form.CSV),
        Form.JSON,
    )
    with pytest.raises(ConfigError, match="which form"):
        form_of("a.txt")
