"""What Antiphon says to other plugins and hears from them: envelopes, receipts, bookmarks.

The envelope stands beside `record` in a RECORD message, where other plugins ignore it. A receipt is one JSON line per
operation in the file named by a target's setting `receipts_path`, flushed before the STATE that covers the operation.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from antiphon.errors import PluginFailed
from antiphon.model import Value

ENVELOPE = "sync"
OUTBOX = "outbox"

SENT_BEFORE = "sent_before"
"""In the envelope of an operation that is sent again, since nobody answered: when it was sent first, by our clock."""

DELETED_AT = "_sdc_deleted_at"
"""The column by which Singer plugins tell a deletion."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A UUID as databases write it: taps call such a column text, targets must be told what it is."""

RECEIPT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Antiphon receipt",
    "description": "What a target says happened to one operation: one JSON object per line.",
    "type": "object",
    "required": ["op_id", "status", "at"],
    "properties": {
        "op_id": {"type": "string"},
        "status": {"enum": ["applied", "stale", "gone", "rejected", "failed", "skipped"]},
        "id": {"description": "the record's id: a value, a list in the order of the key columns, or an object of them"},
        "stored": {"type": ["object", "null"], "description": "the values as stored, by column"},
        "found": {"type": ["object", "null"], "description": "stale: the values that were there instead, by column"},
        "current": {
            "type": ["object", "null"],
            "description": "asked again of what was done before: the values that are there by now, by column",
        },
        "version": {"type": ["string", "null"]},
        "error": {
            "type": ["object", "null"],
            "properties": {
                "class": {"type": "string"},
                "status": {"type": ["integer", "string", "null"]},
                "message": {"type": "string"},
            },
        },
        "at": {"type": "string", "format": "date-time"},
    },
}
"""The published format of a receipt."""


class Status(enum.StrEnum):
    """What happened to an operation."""

    APPLIED = "applied"
    STALE = "stale"  # the expectation was not met; `found` says what is there
    GONE = "gone"
    REJECTED = "rejected"  # never will: shown to a person
    FAILED = "failed"  # may work later: tried again
    SKIPPED = "skipped"


class ReceiptLine(msgspec.Struct, frozen=True, gc=False):
    """One receipt as a target wrote it."""

    op_id: str
    status: Status
    id: Value = None
    stored: dict[str, Value] = msgspec.field(default_factory=dict)
    found: dict[str, Value] = msgspec.field(default_factory=dict)
    current: dict[str, Value] = msgspec.field(default_factory=dict)
    version: str | None = None
    message: str = ""
    error_class: str = ""
    error_status: int | str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    class_: str | None = msgspec.field(default=None, name="class")
    status: int | str | None = None


class _Line(msgspec.Struct, gc=False):
    op_id: str
    status: Status
    id: Any = None
    stored: dict[str, Any] | None = None
    found: dict[str, Any] | None = None
    current: dict[str, Any] | None = None
    version: str | int | None = None
    error: _Error | None = None


def parse_receipt(line: bytes, where: str) -> ReceiptLine:
    """The receipt on a line. Raises `PluginFailed` naming `where` if it does not fit `RECEIPT_SCHEMA`."""
    try:
        shown = msgspec.json.Decoder(_Line, float_hook=Decimal).decode(line)
    except msgspec.DecodeError as error:
        raise PluginFailed(
            f"{where}: this is no receipt: {error}", hint="the format is antiphon.protocol.RECEIPT_SCHEMA"
        ) from error
    return ReceiptLine(
        shown.op_id,
        shown.status,
        shown.id,
        shown.stored or {},
        shown.found or {},
        shown.current or {},
        None if shown.version is None else str(shown.version),
        shown.error.message if shown.error else "",
        (shown.error.class_ or "") if shown.error else "",
        shown.error.status if shown.error else None,
    )


@dataclass(frozen=True, slots=True)
class Bookmark:
    """`tap-reconciler`'s STATE: what its target acknowledged, of which ledger and side.

    The target was given the operations from number `first` to number `seq`: it says nothing of those before.
    """

    ledger: str
    epoch: int
    side: str
    seq: int
    first: int = 0

    def to_state(self) -> dict[str, Any]:
        """The STATE value."""
        shown = {"ledger": self.ledger, "epoch": self.epoch, "side": self.side, "first": self.first, "seq": self.seq}
        return {"bookmarks": {OUTBOX: shown}}


def parse_bookmark(state: Any) -> Bookmark | None:  # whatever JSON was handed to --state
    """The bookmark in a STATE value; None if there is none, or if it is not ours."""
    try:
        shown = state["bookmarks"][OUTBOX]
        first = int(shown.get("first", 0))
        return Bookmark(str(shown["ledger"]), int(shown["epoch"]), str(shown["side"]), int(shown["seq"]), first)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
