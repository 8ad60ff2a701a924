"""BATCH messages whose files are PostgreSQL's own binary form of COPY, as tap-sql writes them with `postgres-copy`.

`encoding.columns` of the message names each column's type in the file. Where the table's type is another, the value is
cast as the same record in JSON would be, and the server looks whether that changed it where the table's type is the
narrower; a pair of types for which that is not sure goes record by record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from target_kit import TargetError
from target_kit.errors import ProtocolError
from target_sql.columns import Column, Kind
from target_sql.tables import quoted

FORMAT = "postgres-copy"
_PIECE = 1 << 18
_TEXTS = ("text", "character varying", "bpchar")
_TEXT_KINDS = frozenset(Kind) - {Kind.BYTES, Kind.JSON}
_TAKEN: Mapping[str, frozenset[Kind]] = {
    **dict.fromkeys(("smallint", "integer", "bigint"), frozenset({Kind.INTEGER, Kind.NUMBER, Kind.TEXT})),
    **dict.fromkeys(("real", "double precision"), frozenset({Kind.FLOAT, Kind.NUMBER})),
    "numeric": frozenset({Kind.NUMBER, Kind.TEXT}),
    "boolean": frozenset({Kind.BOOLEAN}),
    "date": frozenset({Kind.DATE}),
    "timestamp without time zone": frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ}),
    "timestamp with time zone": frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ}),
    "time without time zone": frozenset({Kind.TIME}),
    "uuid": frozenset({Kind.UUID, Kind.TEXT}),
    "bytea": frozenset({Kind.BYTES}),
    "json": frozenset({Kind.JSON}),
    "jsonb": frozenset({Kind.JSON}),
    **dict.fromkeys(("text", "character varying", "character"), _TEXT_KINDS),
}
"""The type in the file, and the kinds of column that take it by a cast that changes nothing or fails."""
_MEASURED = re.compile(
    r"(numeric|character(?: varying)?|time(?:stamp)?)\([0-9]+(?:,-?[0-9]+)?\)( with(?:out)? time zone)?"
)
_KEPT_FORMS = {
    "interval": r"^[^.]*(\.\d{1,6}0*[^.0-9]*)?$",
    "time with time zone": r"^\d\d:\d\d(:[0-5]\d(\.\d{1,6}0*)?)?([+-]\d\d(:?\d\d)?)?$",
}
"""Types that go as their text, and the text that a cast back does not change."""


@dataclass(frozen=True, slots=True)
class BinaryFile:
    """A file, and the type of each of its columns, in their order."""

    path: Path
    types: Mapping[str, str]

    def pieces(self) -> Iterator[bytes]:
        """What is in it. Raises `TargetError`."""
        try:
            with self.path.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise TargetError(f"the BATCH file {self.path} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a table's column as the server writes it, whole (`numeric(12,2)`) and without its measures."""

    whole: str
    bare: str


@dataclass(frozen=True, slots=True)
class Cast:
    """The expression of a column over the file's, and the condition of its rows that it would change, if any can be."""

    expression: str
    changes: str = ""


def types_in(encoding: Mapping[str, Any], where: str) -> Mapping[str, str]:
    """The types that a message names. Raises `ProtocolError` for one that is none."""
    named = encoding.get("columns")
    if not isinstance(named, dict) or not named:
        raise ProtocolError(f"{where}: a BATCH of {FORMAT} whose encoding names no `columns`")
    for name, kind in named.items():
        if not isinstance(kind, str) or _bare(kind.removesuffix("[]")) not in _TAKEN:
            raise ProtocolError(f"{where}: a BATCH of {FORMAT} whose column {name!r} is of the type {kind!r}")
    return named


def is_same(kind: str, here: ColumnType) -> bool:
    """Whether the table's column takes the file's bytes as they are: its type is theirs, or has no measure to keep."""
    if kind == here.whole or here.whole != here.bare:
        return kind == here.whole
    return _bare(kind) == here.bare or (_is_text(kind) and here.bare in _TEXTS)


def casts(file: BinaryFile, targets: Mapping[str, Column], here: Mapping[str, ColumnType]) -> Sequence[Cast] | None:
    """How each of the `targets` (by the file's names) is made of the file's columns; None if one is not sure.

    No measure of the column's type is in the expression: an INSERT refuses text that is too long, a cast cuts it.
    """
    found = [_cast(quoted(name), file.types[name], column, here[column.name]) for name, column in targets.items()]
    return None if None in found else [each for each in found if each is not None]


def _cast(name: str, kind: str, column: Column, here: ColumnType) -> Cast | None:
    if is_same(kind, here):
        return Cast(name)
    if kind.endswith("[]"):
        if column.kind is Kind.JSON:
            return Cast(f"to_jsonb({name})::{here.bare}")
        simple = kind == "text[]" and column.kind is Kind.ARRAY and column.limit is None
        return Cast(f"{name}::{here.bare}") if simple else None
    if column.kind not in _TAKEN[_bare(kind)] or (kind, here.bare) == ("double precision", "real"):
        return None
    by_text = kind in ("real", "double precision")  # the shortest, as JSON has it
    expression = f"{name}::text::{here.bare}" if by_text else f"{name}::{here.bare}"
    changes = [f"{expression} <> {expression}::{here.whole}"] if here.whole != here.bare else []
    if column.limit is not None and _is_text(kind) and here.bare not in _TEXTS:
        if here.bare not in _KEPT_FORMS:
            return None
        changes.append(f"{name} !~ '{_KEPT_FORMS[here.bare]}'")
    return Cast(expression, " OR ".join(changes))


def json_of(file: BinaryFile) -> str:
    """The SELECT list that shows the file's columns as JSON records would."""
    return ", ".join(
        f"translate(encode({quoted(name)}, 'base64'), chr(10), '') AS {quoted(name)}"
        if kind == "bytea"
        else quoted(name)
        for name, kind in file.types.items()
    )


def declared(file: BinaryFile) -> str:
    """The columns of a table that takes the file as it is."""
    return ", ".join(f"{quoted(name)} {'text' if _is_text(kind) else kind}" for name, kind in file.types.items())


def _is_text(kind: str) -> bool:
    """Whether the bytes are those of text: `character(n)` with its blanks, which a cast would take off."""
    return _bare(kind) in ("text", "character varying", "character")


def _bare(kind: str) -> str:
    found = _MEASURED.fullmatch(kind)
    return found[1] + (found[2] or "") if found else kind
