"""The values everything else is made of: observations, links, bases, operations, conflicts, audit.

Each class is one row of the ledger. Rows are frozen: a change is a new row, by `replace`. They are structs of msgspec,
made and compared in a tenth of the time of dataclasses, which a round feels; no circle goes through one, so Python need
not look for any (`gc`). Instants are whole microseconds since 1970 on our own clock. A field's value is a JSON value,
with numbers that carry a fraction as `Decimal`; `MISSING` is "not known", which is never the same as null.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:  # a type checker knows the fields of `dataclasses.replace` only
    from dataclasses import replace as replace  # noqa: PLC0414 - so it is exported
else:
    from msgspec.structs import replace as replace  # noqa: PLC0414 - so it is exported

Value: TypeAlias = bool | int | float | Decimal | str | list[Any] | dict[str, Any] | None
Instant: TypeAlias = int
Side: TypeAlias = str
Rid: TypeAlias = str
"""A record's id on its side: the canonical JSON array of its key values, so that composite keys are ordinary."""


class Missing(enum.Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


class RecordState(enum.StrEnum):
    """What a side last showed of a record."""

    LIVE = "live"
    GONE = "gone"  # its deletion is proven
    MERGED = "merged"  # it lives on in `merged_into`
    HIDDEN = "hidden"  # filtered out, or no permission
    ERROR = "error"  # it could not be read


class LinkState(enum.StrEnum):
    """Where a link stands. A link with an operation in its outbox is what the design calls DIRTY."""

    JOINING = "joining"  # its create is on the way
    ACTIVE = "active"
    DELETING = "deleting"  # a delete is on the way
    TOMBSTONE = "tombstone"  # closed, kept for the horizon
    ALIAS = "alias"  # one side merged it into the link `alias_of`
    PARKED = "parked"  # waits for a person; its ids stay reserved
    DETACHED = "detached"  # the user unlinked it; remembered so that it is not linked again
    QUARANTINED = "quarantined"  # a side cannot show the record
    ERASED = "erased"  # its values are gone everywhere; only keyed hashes stay

    @property
    def closed(self) -> bool:
        """Its ids are free for another link."""
        return self in (LinkState.TOMBSTONE, LinkState.ERASED)


class OpKind(enum.StrEnum):
    """What an operation does to the record on its side."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class OpState(enum.StrEnum):
    """The life of an operation. READY is not stored: it is PLANNED with its dependencies met and its time come."""

    PLANNED = "planned"
    INFLIGHT = "inflight"  # we said we would write it; whether it was written is not known yet
    SENT = "sent"  # a target without receipts acknowledged it; the next observation decides
    ACKED = "acked"
    REJECTED = "rejected"  # what we expected was not there; planned anew
    POISON = "poison"  # the target will never take it; a person must look
    DROPPED = "dropped"  # replaced by a newer plan, or no longer wanted

    @property
    def open(self) -> bool:
        """Something is still to happen to it."""
        return self in (OpState.PLANNED, OpState.INFLIGHT, OpState.SENT)


class ConflictKind(enum.StrEnum):
    """Why something waits for a person."""

    FIELD = "field"  # both sides changed one field
    JOIN = "join"  # two records that joined differ at first sight
    DIVERGED = "silent-divergence"  # neither side changed, yet they differ
    CLOBBERED = "clobbered"  # our write replaced an edit made in the moment before it
    PING_PONG = "ping-pong"  # every write of it comes back changed
    DELETE = "delete"  # one side deleted it, the other is as it was
    DELETE_UPDATE = "delete-vs-update"  # one side deleted it, the other changed it
    AMBIGUOUS = "ambiguous"  # several candidates to join with
    DUPLICATE = "duplicate-of"  # its only candidate is linked already
    MERGED = "merged-duplicate"  # one side merged two records that the other still holds apart
    KEY = "key"  # it cannot be created: its key would be wrong or is taken
    REJECTED = "rejected"  # the target refused it
    NOT_VISIBLE = "not-visible"  # delivered three times, never seen
    FORBIDDEN = "not-allowed"  # the configuration does not allow this write
    UNMAPPED = "unmapped-value"  # a picklist value without a partner
    REKEY = "rekey"  # the record's key changed
    UNREADABLE = "unreadable"  # the side could not show it


class ConflictState(enum.StrEnum):
    """Whether a conflict still waits."""

    OPEN = "open"
    RESOLVED = "resolved"  # a person decided; the next plan carries it out
    CLOSED = "closed"  # carried out, or overtaken by events


class Cause(enum.StrEnum):
    """Why a value was replaced."""

    DELIVERED = "delivered"  # the other side's change was written here
    SUPERSEDED = "superseded"  # as delivered, and the value it replaced was an edit that lost
    CLOBBERED = "clobbered"  # somebody wrote between our look and our write
    DELETED = "deleted"
    PARKED = "parked"
    RESTORED = "restored"
    ERASED = "erased"


class BaseStatus(enum.StrEnum):
    """How sure a base is."""

    AGREED = "agreed"
    STORED = "stored"  # agreed: one write made the pair, and the target keeps another form of what it was sent
    PROVISIONAL = "provisional"  # a write may have replaced or brought it unseen, or another record stands there now


class Observation(Struct, frozen=True, gc=False):
    """What a side last showed us of one record.

    `fields` is keyed by the side's own column names. `read_at` is when the read that showed it began, `complete_at`
    when the record was in our hands: the record looked so at some moment between. `dirty` holds, per column, the
    interval of our clock in which its last change happened. `touched` asks the planner to look.
    """

    side: Side
    entity: str
    rid: Rid
    state: RecordState
    fields: Mapping[str, Value]
    hash: str
    read_at: Instant
    complete_at: Instant
    merged_into: Rid | None = None
    version: str | None = None
    birth: str | None = None
    dirty: Mapping[str, tuple[Instant, Instant]] = field(default_factory=dict)
    field_times: Mapping[str, Instant] = field(default_factory=dict)
    error: str | None = None
    touched: bool = True
    line: str | None = None  # by which the line that showed it last is recognised, see `sync.lines`
    unseen: bool = False  # it is what our write left there, and no read has shown the record since

    @property
    def key(self) -> tuple[Side, str, Rid]:
        """The row's primary key."""
        return self.side, self.entity, self.rid


class Link(Struct, frozen=True, gc=False):
    """The ids, one per side (see `Member`), that are the same thing."""

    lid: str
    entity: str
    state: LinkState
    created: Instant
    sync_key: str
    match_rule: str = ""
    alias_of: str | None = None
    closed: Instant | None = None
    closed_reason: str = ""  # why it is parked or closed


class Member(Struct, frozen=True, gc=False):
    """One side's id of a link. While `held`, no other link may hold the id."""

    lid: str
    side: Side
    entity: str
    rid: Rid
    held: bool = True


class Base(
    Struct,
    frozen=True,
    gc=False,
    omit_defaults=True,
    rename={"value": "v", "mapping_version": "m", "status": "s", "previous": "p", "version": "n"},
):
    """The value of one side, in its own representation, when the sides last agreed on a field.

    It is stored by short names, for there are two of each field of each record. `value` is a `Value`, `previous` may
    be `MISSING` as well.
    """

    value: Any
    mapping_version: str
    status: BaseStatus = BaseStatus.AGREED
    previous: Any = MISSING
    version: str | None = None


class Bases(Struct, frozen=True, gc=False):
    """All bases of a link, by field and side: one row, for they are read and written together."""

    lid: str
    fields: Mapping[str, Mapping[Side, Base]]


class Op(Struct, frozen=True, gc=False):
    """One planned write. Its maps are keyed by field names; `key` holds the target's key columns.

    `patch` is what to write, in the target side's representation. `expect` is what we believe is there. `source` is
    what each value came from, in the other side's representation: it becomes that side's base. A field that is in
    `patch` but not in `source` leaves the base alone until both sides are seen to agree. `losers` are edits that
    this write overwrites. `adds` says, per counter, how much of the other side's counting it brings. `echoes` says, per
    field, how many writes in a row before it came back changed. `reasons` says, per field, why its value won.
    `redelivered`: it was sent more than once, so that whatever its last answer says, it may have been done before.
    `contests` are, per field or group, the values of both sides that a policy had to choose between (`plan.contests`).
    `missed_at`: the start of the first complete read that lacked the record that a create in doubt was to make.
    """

    op_id: str
    lid: str
    side: Side
    entity: str
    kind: OpKind
    key: Mapping[str, Value]
    patch: Mapping[str, Value]
    expect: Mapping[str, Value]
    source: Mapping[str, Value]
    reasons: Mapping[str, str]
    losers: Mapping[str, Value]
    deps: tuple[str, ...]
    planned_at: Instant
    run_id: str
    state: OpState = OpState.PLANNED
    seq: int | None = None
    attempt: int = 0
    not_before: Instant = 0
    sent_at: Instant | None = None
    acked_at: Instant | None = None
    error: str = ""
    adds: Mapping[str, Value] = field(default_factory=dict)
    echoes: Mapping[str, int] = field(default_factory=dict)
    contests: Mapping[str, Any] = field(default_factory=dict)
    redelivered: bool = False
    missed_at: Instant = 0


class Conflict(Struct, frozen=True, gc=False):
    """Something a person may want to settle. `values`, `base` are per side; `decision` is what was chosen."""

    cid: str
    lid: str
    entity: str
    field: str | None
    kind: ConflictKind
    values: Mapping[str, Any]
    base: Mapping[str, Any]
    evidence: Mapping[str, Any]
    policy: str
    run_id: str
    at: Instant
    decision: Mapping[str, Any] | None = None
    state: ConflictState = ConflictState.OPEN


class Audit(Struct, frozen=True, gc=False):
    """One value that was replaced, and why. The ledger gives the row its place, and its link in the chain.

    `seq` orders the rows. `old_digest` and `new_digest` are keyed hashes of the values; `chain` is one of the row and
    of the row before it (`ledger.chain`). The hashes stay when the values are erased.
    """

    lid: str
    side: Side
    field: str | None
    old: Any
    new: Any
    cause: Cause
    op_id: str
    run_id: str
    at: Instant
    seq: int = 0
    old_digest: str = ""
    new_digest: str = ""
    chain: str = ""


class Receipt(Struct, frozen=True, gc=False):
    """What a target said happened to one operation."""

    op_id: str
    status: str
    rid: str | None
    stored: Mapping[str, Any]
    at: Instant
    version: str | None = None
    error: str = ""


class Cursor(Struct, frozen=True):
    """How far a side was read. The row with entity `''` holds the tap's whole STATE; the others speak of a stream.

    `low_water`: what was not shown since then was as it had been, as of that instant. `read_started` is the read under
    way or last ended; `full_at` the start of the last complete read; `seen` how many records it showed; `planned` is
    false while no plan has looked at this read. `uuids` are the columns that showed text, and whether all of it was
    UUIDs.
    """

    side: Side
    entity: str
    state: Any = None
    low_water: Instant = 0
    read_started: Instant = 0
    read_ended: Instant = 0
    full_at: Instant = 0
    pending_full: bool = False  # the read that last began is a full one, not yet proven complete
    known: int = 0  # the live records before that read
    seen: int = 0
    planned: bool = True
    schema: Mapping[str, Any] | None = None
    uuids: Mapping[str, bool] = field(default_factory=dict)


class Absence(Struct, frozen=True, gc=False):
    """A live record that a full read did not show. `reads` counts the complete reads in a row that lacked it."""

    side: Side
    entity: str
    rid: Rid
    reads: int
    pending: bool  # the read that lacked it is not yet proven complete


class MatchKey(Struct, frozen=True, gc=False):
    """A record's value under one match rule, canonical: the index by which records find their partners."""

    side: Side
    entity: str
    rid: Rid
    rule: int
    key: str


class Tombstone(Struct, frozen=True, gc=False):
    """A record that is gone, kept so that its return is recognised."""

    side: Side
    entity: str
    rid: Rid
    lid: str
    birth: str | None
    deleted_at: Instant
    evidence: str


class Run(Struct, frozen=True):
    """One run of a command that may change things."""

    run_id: str
    command: str
    started: Instant
    ended: Instant | None = None
    outcome: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


class Instance(Struct, frozen=True):
    """The ledger itself: one sync. `epoch` fences runners off; `seq` numbers what was emitted.

    `secret` is the key of the ledger's hashes; `audit_seq` and `audit_head` are the last audit row's place and chain.
    """

    id: str
    name: str
    created: Instant
    mapping_version: str = ""
    scope_version: str = ""
    canon_version: int = 1
    epoch: int = 0
    holder: str = ""
    seq: int = 0
    audit_seq: int = 0
    audit_head: str = ""
    secret: str = ""
    deletes_blocked: str = ""  # why no delete may be planned; empty: they may
    blocked_at: Instant = 0


class Erasure(Struct, frozen=True):
    """A keyed hash of a record's id, or of a value it was matched by, after its values were erased everywhere.

    What bears the hash is not taken in again.
    """

    digest: str
    lid: str
    at: Instant


class Fingerprint(Struct, frozen=True):
    """Which account a side was when last read, and how far its clock was from ours: our time less theirs.

    An `account` of `''` was never told.
    """

    side: Side
    account: str
    at: Instant
    skew_least: Instant | None = None
    skew_most: Instant | None = None


class ReceiptFile(Struct, frozen=True):
    """How far a side's receipts were read."""

    path: str
    side: Side
    offset: int


Row: TypeAlias = (
    Observation
    | Link
    | Member
    | Bases
    | Op
    | Conflict
    | Audit
    | Receipt
    | Cursor
    | Absence
    | MatchKey
    | Tombstone
    | Run
    | Instance
    | Erasure
    | Fingerprint
    | ReceiptFile
)
