"""Two syncs in one folder that write the same column of the same system."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.config import Severity
from antiphon.config.neighbours import lint_neighbours
from tests.config.example import ENVIRON, EXAMPLE, loaded

SECOND = EXAMPLE.replace("name: crm-warehouse", "name: second")


def found(folder: Path, text: str, name: str = "second.yml") -> list[tuple[str, str]]:
    (folder / name).write_text(text, encoding="utf-8")
    return [(finding.severity, finding.where) for finding in lint_neighbours(loaded(folder), ENVIRON)]


def test_a_column_that_another_sync_of_the_folder_writes_is_an_error(tmp_path: Path) -> None:
    findings = found(tmp_path, SECOND)
    assert (Severity.ERROR, "entities.contact.fields.email.crm") in findings
    assert (Severity.ERROR, "entities.contact.fields.opened.warehouse") in findings
    assert (Severity.ERROR, "entities.contact.fields.opened.crm") not in findings  # it flows from there
    (first, *_) = lint_neighbours(loaded(tmp_path), ENVIRON)
    assert "is written by second.yml too (the sync second, its side crm)" in first.message


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("portal: 7", "portal: 9"),  # another account
        ("command: [target-hubspot]", "command: [target-other]"),
        ("stream: contacts", "stream: leads"),
    ],
)
def test_another_system_or_stream_is_no_matter(before: str, after: str, tmp_path: Path) -> None:
    text = SECOND.replace(before, after)
    assert "entities.contact.fields.email.crm" not in [where for _, where in found(tmp_path, text)]


@pytest.mark.parametrize("text", ["version: 1\nplugins: {}\n", "- a list", "\tno yaml", ""], ids=repr)
def test_what_is_no_sync_is_passed_over(text: str, tmp_path: Path) -> None:
    assert found(tmp_path, text, "meltano.yml") == []


def test_a_sync_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, SECOND.replace("policy: park}", "policy: newest}"))
    assert finding[0] is Severity.WARNING


def test_the_file_itself_is_no_neighbour(tmp_path: Path) -> None:
    assert list(lint_neighbours(loaded(tmp_path), ENVIRON)) == []
