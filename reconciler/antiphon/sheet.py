"""Rows that a person edits in a spreadsheet or a program makes: CSV and JSON, each row with the line it stands in.

A cell of a CSV that begins with `=`, `+`, `-`, `@`, a tab or a return would be run as a formula by a spreadsheet
(OWASP, "CSV Injection"). Such a cell is written with an apostrophe before it, and so is one that begins with an
apostrophe, so that the apostrophe can be taken away again when the file is read.
"""

from __future__ import annotations

import csv
import enum
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from antiphon.equivalence import canonical_json
from antiphon.errors import ConfigError

_RUN_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_GUARDED = (*_RUN_AS_FORMULA, "'")
_SEPARATORS = (",", ";", "\t")
"""What stands between cells: a spreadsheet writes a semicolon where the comma is the decimal sign."""

csv.field_size_limit(1 << 24)  # a cell may hold a long text of a CRM


class Form(enum.StrEnum):
    """How rows are written down."""

    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row. `where` names its line, for messages. A cell that is not there is empty."""

    where: str
    cells: Mapping[str, Any]

    def text(self, column: str) -> str:
        """A cell as text; what is no text in a JSON file is its JSON."""
        value = self.cells.get(column)
        if value is None:
            return ""
        return value.strip() if isinstance(value, str) else canonical_json(value)


def form_of(path: str, given: str | None = None) -> Form:
    """The form that is asked for, or else that of the file's name. Raises `ConfigError` if neither says it."""
    if given is not None:
        return Form(given)
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix in list(Form):
        return Form(suffix)
    if path == "-":
        return Form.CSV
    raise ConfigError(
        f"{path}: the name does not say which form the rows have", hint="name a file.csv or file.json, or say --format"
    )


def dump(form: Form, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as text. JSON has one row per line, so that versions of it can be compared."""
    if form is Form.JSON:
        lines = ",\n".join(canonical_json({name: row.get(name) for name in columns}) for row in rows)
        return f"[\n{lines}\n]\n" if lines else "[]\n"
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end as RFC 4180 says, and a cell with such an end in it is quoted
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_guard(_cell(row.get(name))) for name in columns])
    return text.getvalue()


def load(form: Form, text: str, name: str, needed: Sequence[str]) -> list[SheetRow]:
    """The rows of a file. `needed` are columns that it must have.

    Raises:
        ConfigError: it is no table of this form, or lacks a column; with the file's name and the line.
    """
    text = text.removeprefix("\ufeff")
    rows = list(_read_json(text, name) if form is Form.JSON else _read_csv(text, name, needed))
    if form is Form.JSON:
        for row in rows:
            for column in needed:
                if column not in row.cells:
                    raise ConfigError(f"{name}, {row.where}: there is no {column!r}", hint=_needs(needed))
    return rows


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value)


def _guard(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_GUARDED) else cell


def _unguard(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_GUARDED) else cell


def _read_csv(text: str, name: str, needed: Sequence[str]) -> Iterator[SheetRow]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_SEPARATORS, key=first.count), strict=True)
    columns: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            where, line = f"line {line}", reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _header([cell.strip() for cell in cells], f"{name}, {where}", needed)
                continue
            if len(cells) > len(columns) and any(cells[len(columns) :]):
                raise ConfigError(
                    f"{name}, {where}: there are {len(cells)} cells under {len(columns)} columns",
                    hint="put a cell with a separator in it into quotation marks",
                )
            yield SheetRow(where, {column: _unguard(cell) for column, cell in zip(columns, cells, strict=False)})
    except csv.Error as error:
        raise ConfigError(
            f"{name}, line {reader.line_num}: this is no CSV: {error}", hint="save it as CSV in UTF-8"
        ) from error
    if columns is None:
        raise ConfigError(f"{name} is empty", hint=_needs(needed))


def _header(columns: list[str], where: str, needed: Sequence[str]) -> list[str]:
    lacking = [column for column in needed if column not in columns]
    if lacking:
        raise ConfigError(f"{where}: there is no column {lacking[0]!r}", hint=_needs(needed))
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise ConfigError(f"{where}: the column {twice!r} is there twice", hint="keep one of them")
    return columns


def _needs(columns: Sequence[str]) -> str:
    return f"it needs {', '.join(columns)}"


def _read_json(text: str, name: str) -> Iterator[SheetRow]:
    """The objects of a list, found one by one, so that the line of each is known."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    it = _Place(text, name)
    if it.skip() != "[":
        raise it.wrong("this is no list of rows")
    it.at += 1
    if it.skip() == "]":
        it.ends()
        return
    while True:
        it.skip()
        where = f"line {it.line}"
        try:
            row, end = decoder.raw_decode(text, it.at)
        except ValueError as error:
            raise it.wrong(f"this is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise it.wrong("this row is no object")
        yield SheetRow(where, row)
        it.go_to(end)
        after = it.skip()
        if after == "]":
            it.ends()
            return
        if after != ",":
            raise it.wrong("after a row stands no `,` and no `]`")
        it.at += 1


@dataclass(slots=True)
class _Place:
    """Where in a JSON text we read."""

    text: str
    name: str
    at: int = 0
    line: int = 1

    def go_to(self, at: int) -> None:
        self.line += self.text.count("\n", self.at, at)
        self.at = at

    def skip(self) -> str:
        """Go to the next character that is no space, and give it."""
        at = self.at
        while at < len(self.text) and self.text[at].isspace():
            at += 1
        self.go_to(at)
        return self.text[at : at + 1]

    def ends(self) -> None:
        self.at += 1
        if self.skip():
            raise self.wrong("something stands after the list of rows")

    def wrong(self, what: str) -> ConfigError:
        return ConfigError(f"{self.name}, line {self.line}: {what}", hint="write a JSON list of objects")
