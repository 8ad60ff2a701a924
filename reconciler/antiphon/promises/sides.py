"""What decides a promise: the abilities that plugins tell with `--about`, and what sync.yml says of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.mapping import Assigned, KeyRule, OnDelete
from antiphon.model import OpKind


@dataclass(frozen=True, slots=True)
class Able:
    """What the plugins of a side can do. `receipts`: the target writes them; `honours`: it is declared to delete."""

    tap: frozenset[str] = frozenset()
    target: frozenset[str] | None = None  # None: there is no target
    receipts: bool = False
    honours: bool = False

    @property
    def writes(self) -> bool:
        """Whether anything is ever written to the side."""
        return self.target is not None

    def can(self, capability: str) -> bool:
        """Whether the target does this, and tells so in receipts."""
        return self.receipts and self.target is not None and capability in self.target


@dataclass(frozen=True, slots=True)
class Standing:
    """One entity on one side. `full_read`: how often an incremental stream is read in full, `""` for never."""

    able: Able
    key_rule: KeyRule | None = None
    on_delete: OnDelete = OnDelete.PARK
    allow: frozenset[OpKind] = field(default=frozenset(OpKind))
    incremental: bool = False
    full_read: str = ""

    def allows(self, kind: OpKind) -> bool:
        """Whether the target may do this at all."""
        return self.able.writes and kind in self.allow

    @property
    def names_records(self) -> bool:
        """Whether the side itself names its new records."""
        return isinstance(self.key_rule, Assigned)
