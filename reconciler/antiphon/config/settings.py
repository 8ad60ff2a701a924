"""What sync.yml says, checked: the values that the runner and `bind` read. No line of the file is left to interpret."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon.mapping import Field, Guards, Initial, KeyRule, Kind, OnDelete, Park
from antiphon.model import Instant, OpKind, Side

MINUTE: Instant = 60_000_000


class Replication(enum.StrEnum):
    """How much of a stream one read shows: all of it, or what changed. `diff` and `log` show deletions, too."""

    FULL = "full"
    INCREMENTAL = "incremental"
    DIFF = "diff"
    LOG = "log"

    @property
    def method(self) -> str:
        """What a Singer catalog calls it: its `replication-method`."""
        return _METHODS[self]

    @property
    def tells_deletions(self) -> bool:
        """Whether a read shows what was deleted since the bookmark."""
        return self in (Replication.DIFF, Replication.LOG)


_METHODS = {
    Replication.FULL: "FULL_TABLE",
    Replication.INCREMENTAL: "INCREMENTAL",
    Replication.DIFF: "DIFF",
    Replication.LOG: "LOG_BASED",
}


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """A tap as it is started. `config` is the side's and its own together; it may hold secrets and is never shown.

    `meltano` is its name in the Meltano project around sync.yml, which then knows the rest; `command` is empty until
    it was asked. `folder` is where the program is started, by default where we are.
    """

    command: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    config_file: Path | None = None
    catalog: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    meltano: str = ""
    folder: Path | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.meltano or Path(self.command[0]).name


@dataclass(frozen=True, slots=True)
class TargetConfig(PluginConfig):
    """A target. `receipts_path`: it writes receipts there. `deletes`: it is declared to honour `_sdc_deleted_at`."""

    receipts_path: Path | None = None
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class SideConfig:
    """One of the two systems. Without a target nothing is ever written there."""

    name: Side
    tap: PluginConfig
    target: TargetConfig | None = None
    timezone: str = "UTC"
    allow: frozenset[OpKind] = frozenset(OpKind)


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """One entity's stream on one side. `replication_key` is None where the tap's own catalog names it.

    `full_read` is how often a stream of which only changes are read is read in full, `overlap` how far the bookmark of
    an incremental one is turned back.
    `required` are columns that every write to a target without receipts carries: NOT NULL without a default.
    """

    stream: str
    key: tuple[str, ...]
    key_rule: KeyRule | None = None
    on_delete: OnDelete = OnDelete.PARK
    allow: frozenset[OpKind] = frozenset(OpKind)
    replication: Replication = Replication.FULL
    replication_key: str | None = None
    full_read: Instant | None = None
    overlap: Instant = MINUTE
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntityConfig:
    """One entity. The kind of a field is that of `types`, or else `bind` finds it in the streams' schemas.

    `fields` holds the references too, after the fields. `own_policy` names the fields that the file gives a policy.
    """

    name: str
    sides: Mapping[Side, StreamConfig]
    fields: Mapping[str, Field]
    types: Mapping[str, Kind] = field(default_factory=dict)
    match: tuple[tuple[str, ...], ...] = ()
    initial: Initial = field(default_factory=Park)
    own_policy: frozenset[str] = frozenset()

    def where(self, field: Field, *option: str) -> str:
        """The key path of a field or reference, or of an option of it."""
        return ".".join(["entities", self.name, "references" if field.references else "fields", field.name, *option])


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """A whole sync.yml. `ledger` is a SQLAlchemy URL with an absolute path; `lines` has the line of every key path."""

    name: str
    path: Path
    ledger: str = field(repr=False)
    sides: Mapping[Side, SideConfig]
    entities: Mapping[str, EntityConfig]
    guards: Guards = field(default_factory=Guards)
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def side_names(self) -> tuple[Side, Side]:
        """The two sides in alphabetical order."""
        first, second = sorted(self.sides)
        return first, second

    def other(self, side: Side) -> Side:
        """The opposite side."""
        first, second = self.side_names
        return second if side == first else first

    def locate(self, where: str) -> str:
        """A key path with the file and line before it: `sync.yml:12: entities.contact`."""
        return f"{self.path.name}:{self.line(where)}: {where}"

    def line(self, where: str) -> int:
        """The line of a key path, or of the nearest part around it that the file holds."""
        at = where
        while at and at not in self.lines:
            at = at[: max(at.rfind("."), at.rfind("["), 0)]
        return self.lines.get(at, 1)
