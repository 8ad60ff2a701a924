"""What a target is asked to do: an operation of the reconciler, or a row of any tap.

An operation comes as a RECORD whose envelope stands beside `record`:
`"sync": {"op_id", "op": "create|update|delete", "key": {…}, "sync_key", "expect": {column: value}, "sent_before"}`.
A row is a RECORD without an `op_id`; our own taps say in their envelope what became of the record.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from antiphon.protocol import DELETED_AT, ENVELOPE, SENT_BEFORE
from target_kit.errors import ProtocolError

_ENVELOPE = frozenset({"op_id", "op", "key", "sync_key", "expect", SENT_BEFORE})


class Kind(enum.StrEnum):
    """What an operation does to its record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the reconciler. Columns are named as in the stream.

    `values` is what to write, without the key; `key` names the record (empty where the system itself will name it);
    `sync_key` is the link's key, stored with the record so that a create can be repeated; `expect` is what must be
    there now, or the operation is stale. `sent_before` is when it was sent first, if it is sent again because nobody
    heard what became of it. `extra` holds what else the envelope says (`archive`: a delete sets aside).
    """

    op_id: str
    kind: Kind
    key: Mapping[str, Any]
    sync_key: str
    expect: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    sent_before: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of any tap, key included, with all that the tap sent. `deleted`: it is gone at its source."""

    record: Mapping[str, Any]
    deleted: bool = False


Work: TypeAlias = Operation | Row


def parse_work(message: Mapping[str, Any], where: str) -> Work | None:
    """The work in a RECORD message; None for a record that its tap could not see. Raises `ProtocolError`."""
    record = message.get("record")
    if not isinstance(record, dict):
        raise ProtocolError(
            f"{where}: a RECORD of {message.get('stream')!r} without a record",
            hint="each RECORD holds an object under `record`",
        )
    envelope = message.get(ENVELOPE)
    if not isinstance(envelope, dict):
        return Row(record, deleted=record.get(DELETED_AT) is not None)
    if "op_id" in envelope or "op" in envelope:
        return _operation(record, envelope, where)
    state = envelope.get("state", "live")
    if state in {"hidden", "error"}:
        return None
    return Row(record, deleted=state in {"gone", "merged"} or record.get(DELETED_AT) is not None)


def _operation(record: Mapping[str, Any], envelope: Mapping[str, Any], where: str) -> Operation:
    op_id, kind, key = envelope.get("op_id"), envelope.get("op"), envelope.get("key")
    expect, sync_key = envelope.get("expect") or {}, envelope.get("sync_key")
    before = envelope.get(SENT_BEFORE)
    sent_before = _moment(before)
    wrong = (
        "no text `op_id`"
        if not isinstance(op_id, str) or not op_id
        else f"`op` is {kind!r}, allowed are create, update, delete"
        if kind not in {each.value for each in Kind}
        else "`key` is no object"
        if not isinstance(key, dict)
        else "`expect` is no object"
        if not isinstance(expect, dict)
        else "no text `sync_key`"
        if not isinstance(sync_key, str)
        else "an update or delete without a key"
        if not key and kind != Kind.CREATE
        else ""
    )
    if not wrong and before is not None and sent_before is None:
        wrong = f"`{SENT_BEFORE}` is no moment in ISO 8601 with its zone"
    if wrong:
        raise ProtocolError(
            f"{where}: the envelope `{ENVELOPE}` of a RECORD is wrong: {wrong}",
            hint="send the output of tap-reconciler as it is; a mapper between may have rebuilt it",
        )
    return Operation(
        op_id=str(op_id),
        kind=Kind(str(kind)),
        key=dict(key or {}),
        sync_key=str(sync_key),
        expect=expect,
        values={column: value for column, value in record.items() if column not in (key or {})},
        sent_before=sent_before,
        extra={name: value for name, value in envelope.items() if name not in _ENVELOPE},
    )


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
