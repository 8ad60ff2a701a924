"""The ledger's tables: one row class each, with its primary key and the indexes that queries go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar

from antiphon import model

R = TypeVar("R")
Pick: TypeAlias = Callable[[Any], tuple[Any, ...]]
"""Some of a row's values, in order."""
Enter: TypeAlias = Callable[[Any], tuple[Any, ...] | None]
"""A row's values in an index; None of a row that the index does not cover."""

REVISION = "0001"
"""The migration that makes the tables as they stand here (`ledger/migrations`); revisions count up in four digits."""


@dataclass(frozen=True)
class Table(Generic[R]):
    """A table. `indexes` maps a name to its columns; `unique` names those whose rows may not repeat.

    An index with a boolean among its columns covers, and keeps unique, only the rows in which that is true. One that
    `covers` some values of a column leads only to the rows that have one of them there: what is of passing interest
    costs nothing once it has passed.
    `riders` are columns that an index holds beside its own, so that `Store.pick` need not read the rows and
    `Store.latest` need not read all of them.
    The rows of a narrow table stand in its primary key itself, where the database can do that: one place to look in.
    """

    name: str
    row: type[R]
    key: tuple[str, ...]
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    riders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    covers: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    is_narrow: bool = False

    @cached_property
    def key_of(self) -> Pick:
        """A row's primary key."""
        return _pick(self.key)

    @cached_property
    def entries(self) -> Mapping[str, Enter]:
        """Per index, a row's values in it."""
        return {
            index: _enter(columns, *self.covers[index]) if index in self.covers else _pick(columns)
            for index, columns in self.indexes.items()
        }

    @cached_property
    def ridden(self) -> Mapping[str, Pick]:
        """Per index that has riders, a row's values of these."""
        return {index: _pick(columns) for index, columns in self.riders.items()}

    def entry_of(self, index: str, row: R) -> tuple[Any, ...] | None:
        """The row's values in an index; None if that does not cover it."""
        return self.entries[index](row)


def _pick(columns: tuple[str, ...]) -> Pick:
    values = attrgetter(*columns)
    return values if len(columns) > 1 else lambda row: (values(row),)


def _enter(columns: tuple[str, ...], column: str, covered: tuple[str, ...]) -> Enter:
    values, decisive = _pick(columns), attrgetter(column)
    return lambda row: values(row) if decisive(row) in covered else None


OBS = Table(
    "obs",
    model.Observation,
    ("side", "entity", "rid"),
    {"touched": ("touched",), "unseen": ("unseen",), "live": ("side", "entity", "state")},
    riders={"live": ("rid", "hash", "line")},
)
LINK = Table(
    "link",
    model.Link,
    ("lid",),
    {"state": ("entity", "state"), "alias": ("alias_of",), "sync_key": ("sync_key",)},
    unique=("sync_key",),
)
MEMBER = Table(
    "member",
    model.Member,
    ("lid", "side", "rid"),
    {"holder": ("side", "entity", "rid", "held"), "lid": ("lid",)},
    unique=("holder",),
    is_narrow=True,
)
BASE = Table("base", model.Bases, ("lid",), {"lid": ("lid",)})
OPEN = tuple(state for state in model.OpState if state.open)
OUTBOX = Table(
    "outbox",
    model.Op,
    ("op_id",),
    {"lid": ("lid",), "state": ("side", "state"), "open": ("lid",), "acked": ("lid", "side")},
    riders={"acked": ("acked_at", "op_id")},
    covers={"open": ("state", OPEN)},
)
CONFLICT = Table("conflict", model.Conflict, ("cid",), {"lid": ("lid",), "state": ("state",)})
AUDIT = Table("audit", model.Audit, ("seq",), {"lid": ("lid",), "run": ("run_id",)})
RECEIPT = Table("receipt", model.Receipt, ("op_id",))
CURSOR = Table("cursor", model.Cursor, ("side", "entity"))
ABSENCE = Table("absence", model.Absence, ("side", "entity", "rid"), {"stream": ("side", "entity")})
MATCH_KEY = Table(
    "match_key",
    model.MatchKey,
    ("side", "entity", "rid", "rule"),
    {"key": ("entity", "side", "rule", "key"), "record": ("side", "entity", "rid")},
    is_narrow=True,
)
TOMBSTONE = Table("tombstone", model.Tombstone, ("side", "entity", "rid"))
RUN = Table("run", model.Run, ("run_id",))
INSTANCE = Table("instance", model.Instance, ("id",))
ERASURE = Table("erasure", model.Erasure, ("digest",))
FINGERPRINT = Table("fingerprint", model.Fingerprint, ("side",))
RECEIPT_FILE = Table("receipt_file", model.ReceiptFile, ("path",))

TABLES: tuple[Table[Any], ...] = (
    OBS,
    LINK,
    MEMBER,
    BASE,
    OUTBOX,
    CONFLICT,
    AUDIT,
    RECEIPT,
    CURSOR,
    ABSENCE,
    MATCH_KEY,
    TOMBSTONE,
    RUN,
    INSTANCE,
    ERASURE,
    FINGERPRINT,
    RECEIPT_FILE,
)
TABLE_OF: Mapping[type[Any], Table[Any]] = {table.row: table for table in TABLES}
