from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from antiphon.model import MISSING
from antiphon.show.text import WIDTH, cut, paragraph, table, wrap
from antiphon.show.times import age, iso, length, span, stamp
from antiphon.show.values import change, in_words, quoted
from tests.show.world import MINUTE, START


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "(empty)"),
        ("", "(empty)"),
        ([], "(empty)"),
        (MISSING, "(unknown)"),
        (True, "true"),
        (7, "7"),
        (Decimal("1500.00"), "1500.00"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E+999"), "1E+999"),
        (Decimal("NaN"), "NaN"),
        (["a", None, Decimal("1.5")], "a, (empty), 1.5"),
        ({"b": 1, "a": [True]}, '{"a":[true],"b":1}'),
        (" padded", '" padded"'),
        ("(empty)", '"(empty)"'),
        ("two\nlines\x1b[31m\u202e", "two lines�[31m�"),
    ],
)
def test_a_value_in_words(value: Any, words: str) -> None:
    assert in_words(value) == words


def test_texts_are_quoted_where_they_stand_in_a_sentence() -> None:
    assert [quoted(value) for value in ("mql", "", 7, " x")] == ['"mql"', "(empty)", "7", '" x"']


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("Rome", "Paris", "Rome → Paris"),
        (None, "Paris", "(empty) → Paris"),
        (MISSING, "Paris", "(unknown) → Paris"),
        ("5", 5, '"5" → 5'),
        (None, "", "(empty) → (empty)"),
        ("•••", "•••", "••• → •••"),
        ("a long text that ends so", "a long text that ends otherwise", "…at ends so → …at ends other…"),
        ("a long text", "a long text and more of it", "a long text → a long text an…"),
    ],
)
def test_a_change_shows_where_long_texts_part(old: Any, new: Any, shown: str) -> None:
    assert change(old, new, 15) == shown


@given(st.text(), st.integers(1, 30))
def test_a_cut_text_fits(text: str, width: int) -> None:
    assert cell_len(cut(in_words(text), width)) <= width


@given(st.text(), st.integers(2, 40))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    words = in_words(text)
    lines = wrap(words, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(words.split())


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1, max_size=5), st.booleans())
def test_tables_fit_the_page(rows: list[tuple[str, str, str]], whole: bool) -> None:  # noqa: FBT001
    shown = [tuple(in_words(cell) for cell in row) for row in rows]
    assert all(cell_len(line) <= WIDTH for line in table(shown, most=(20, 30), whole=whole))


def test_a_paragraph_hangs() -> None:
    lines = paragraph("head  " + "word " * 40, indent=2, hanging=6)
    assert lines[0].startswith("  head  word")
    assert all(line.startswith("      word") for line in lines[1:])


def test_times() -> None:
    assert stamp(START) == "2026-11-20 09:00:00 UTC"
    assert (iso(START + 5), iso(0), iso(None)) == ("2026-11-20T09:00:00.000005Z", None, None)
    assert span(START, START + MINUTE) == "between 2026-11-20 09:00:00 and 09:01:00 UTC"
    assert span(START - 1440 * MINUTE, START) == "between 2026-11-19 09:00:00 and 2026-11-20 09:00:00 UTC"
    assert span(0, START) == "before 2026-11-20 09:00:00 UTC"
    assert [age(START, START + n) for n in (0, 3 * MINUTE, 2880 * MINUTE)] == ["just now", "3 min ago", "2 d ago"]
    assert age(START + 90 * MINUTE, START) == "in 1 h"
    assert (length(1), length(59_999_999)) == ("0 s", "59 s")
