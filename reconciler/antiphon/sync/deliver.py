"""Deliver: the outbox as Singer messages. The intent to write is committed before the first message is out.

To our own targets a RECORD carries the changed fields and the envelope. To foreign targets creates carry all mapped
fields, and updates go out under a SCHEMA narrowed to key and changed fields, because a partial record under a full
SCHEMA empties the rest. Deletions are rows with `_sdc_deleted_at`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from antiphon.equivalence import from_json
from antiphon.ledger import Ledger
from antiphon.ledger.tables import LINK, MEMBER, OBS
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant, Member, Op, OpKind, OpState, Side, Value, replace
from antiphon.plan.context import key_rid
from antiphon.plan.order import in_order
from antiphon.protocol import DELETED_AT, ENVELOPE, SENT_BEFORE, UUID, Bookmark
from antiphon.represent import as_type, referenced
from antiphon.settle import Moment, keep_losers

STATE_EVERY = 1000
_ANY_TYPE = {"type": ["string", "number", "integer", "boolean", "array", "object", "null"]}


@dataclass(frozen=True, slots=True)
class Skipped:
    """An operation that cannot go out yet, with the reason."""

    op: Op
    reason: str


def ready(
    ledger: Ledger, mapping: SyncMapping, side: Side, now: Instant, *, replay: bool
) -> tuple[list[list[Op]], list[Skipped]]:
    """The side's operations that may go out, in levels of dependency. `replay`: those whose fate is unknown, too."""
    waiting, skipped = [], []
    states = {OpState.PLANNED, OpState.INFLIGHT} if replay else {OpState.PLANNED}
    for op in ledger.open_ops(side):
        if op.entity not in mapping.entities or op.state not in states:
            continue
        if op.not_before > now:
            skipped.append(Skipped(op, f"tried again later: {op.error}"))
        else:
            waiting.append(op)
    if not waiting:
        return [], skipped
    ids = {op.lid for op in waiting if op.kind is OpKind.CREATE}
    fit = []
    for op in waiting:
        missing = [lid for lid in op.deps if _rid(ledger, lid, side) is None and lid not in ids]
        if missing and op.state is OpState.PLANNED:  # what is sent again names the ids that it named before
            skipped.append(Skipped(op, "waits for a record it refers to"))
        else:
            fit.append(op)
    return in_order(fit, [entity.name for entity in mapping.parents_first]), skipped


def intend(
    ledger: Ledger,
    mapping: SyncMapping,
    side: Side,
    ops: Sequence[Op],
    now: Instant,
    *,
    began: Instant | None = None,
) -> list[Op]:
    """Commit the intent: the operations are numbered, their references resolved, and INFLIGHT; some may wait.

    `began` is when this delivery did, if it may send an operation more than once.
    """
    settled = [found for op in ops if (found := _resolved(ledger, mapping.entities[op.entity], side, op)) is not None]
    with ledger.transaction():
        numbered = [sent(op, now, began) for op in ledger.number(_as_mapped(ledger, mapping, settled, now))]
        ledger.put(numbered)
        for op in numbered:
            if op.kind is OpKind.CREATE and op.key:
                ledger.put(_member(ledger, mapping, op))
    return numbered


def _as_mapped(ledger: Ledger, mapping: SyncMapping, ops: Sequence[Op], now: Instant) -> list[Op]:
    """Without the values of fields that sync.yml names no more: they are not sent, whatever the target then says.

    An operation that was sent with them before may have written them.
    """
    trimmed, ws = [], ledger.workspace(())
    for op in ops:
        fields = mapping.entities[op.entity].fields
        if op.kind is OpKind.DELETE or op.patch.keys() <= fields.keys():
            trimmed.append(op)
            continue
        left = {name: value for name, value in op.patch.items() if name not in fields}
        if op.sent_at is not None:
            keep_losers(ws, replace(op, patch=left), Moment(now, op.run_id, mapping.version))
        trimmed.append(replace(op, patch={name: value for name, value in op.patch.items() if name in fields}))
    ledger.put(ws.audits)
    return trimmed


def sent(op: Op, now: Instant, began: Instant | None = None) -> Op:
    """What was sent before may have arrived, whatever was answered: `sent_at` is since when it may be written.

    It counts as sent again if that was before this delivery `began`, not if a batch is tried in halves now. What was
    sent after now was sent before our clock was set back.
    """
    first = now if op.sent_at is None else op.sent_at
    again = op.redelivered or not (now if began is None else began) <= first <= now
    return replace(op, state=OpState.INFLIGHT, sent_at=first, redelivered=again)


def messages(
    ledger: Ledger, mapping: SyncMapping, side: Side, ops: Sequence[Op], now: Instant, first: int | None = None
) -> Iterator[dict[str, Any]]:
    """The Singer messages for numbered operations, with a STATE after so many and at the end.

    `first` is the number of the first operation that this target is given, if others went to it before these.
    """
    instance = ledger.instance
    declared: dict[str, Any] = {}
    for count, op in enumerate(ops, 1):
        entity = mapping.entities[op.entity]
        record = _record(entity, side, op, _standing(ledger, entity, side, op), now)
        schema = _schema(entity, side, op, record)
        if declared.get(schema["stream"]) != schema:
            declared[schema["stream"]] = schema
            yield schema
        message: dict[str, Any] = {"type": "RECORD", "stream": schema["stream"], "record": record}
        if entity.sides[side].receipts:
            message[ENVELOPE] = _envelope(entity, side, op)
        yield message
        if count % STATE_EVERY == 0 or count == len(ops):
            mark = Bookmark(instance.id, instance.epoch, side, op.seq or 0, first or ops[0].seq or 0)
            yield {"type": "STATE", "value": mark.to_state()}


def _standing(ledger: Ledger, entity: Entity, side: Side, op: Op) -> Mapping[str, Value]:
    if not entity.sides[side].required or op.kind is not OpKind.UPDATE:
        return {}
    seen = ledger.get(OBS, side, entity.name, key_rid(entity, side, op.key))
    return seen.fields if seen is not None else {}


def _schema(entity: Entity, side: Side, op: Op, record: Mapping[str, Any]) -> dict[str, Any]:
    there = entity.sides[side]
    columns = (
        {*there.key, *(field.columns[side] for field in entity.fields.values())} if there.receipts else set(record)
    )
    properties: dict[str, Any] = {
        column: _declared(there.columns.get(column, _ANY_TYPE), record.get(column)) for column in sorted(columns)
    }
    if op.kind is OpKind.DELETE and not there.receipts:
        properties[DELETED_AT] = {"type": ["string", "null"], "format": "date-time"}
    return {
        "type": "SCHEMA",
        "stream": there.stream,
        "key_properties": list(there.key),
        "schema": {"type": "object", "properties": properties},
    }


def _declared(schema: Mapping[str, Any], value: Value) -> dict[str, Any]:
    """The column as its tap declared it. A UUID is called one: taps say text, and a target would alter the column.

    Text that only ever showed UUIDs was taken for a column of them; another value shows that it is none.
    """
    declared = dict(schema)
    if isinstance(value, str) and "string" in schema.get("type", ()):
        if not schema.get("format") and UUID.fullmatch(value):
            declared["format"] = "uuid"
        elif schema.get("format") == "uuid" and value and not UUID.fullmatch(value.lower()):
            del declared["format"]
    return declared


def _record(entity: Entity, side: Side, op: Op, standing: Mapping[str, Value], now: Instant) -> dict[str, Any]:
    """The row to write. `standing` is what the side last showed: a foreign update repeats the columns it must carry."""
    there = entity.sides[side]
    record: dict[str, Any] = {}
    if op.kind is OpKind.DELETE and not there.receipts:
        record[DELETED_AT] = _iso(now)
    elif op.kind is not OpKind.DELETE:
        if not there.receipts:
            record.update({column: standing[column] for column in there.required if standing.get(column) is not None})
        record.update({entity.fields[name].columns[side]: v for name, v in op.patch.items() if name in entity.fields})
    return {**record, **op.key}


def _envelope(entity: Entity, side: Side, op: Op) -> dict[str, Any]:
    expect = {entity.fields[name].columns[side]: value for name, value in op.expect.items() if name in entity.fields}
    archive = dict(op.patch) if op.kind is OpKind.DELETE else {}
    return {
        "op_id": op.op_id,
        "op": op.kind.value,
        "key": dict(op.key),
        "sync_key": op.lid,
        "expect": expect,
        **archive,
        **({SENT_BEFORE: _iso(op.sent_at)} if op.redelivered and op.sent_at is not None else {}),
    }


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat()


def _resolved(ledger: Ledger, entity: Entity, side: Side, op: Op) -> Op | None:
    """The operation with the ids that its references have by now; None while one has none."""
    patch, key = dict(op.patch), dict(op.key)
    for values, columns in (
        (patch, {name: f.columns[side] for name, f in entity.fields.items()}),
        (key, {c: c for c in op.key}),
    ):
        for name, value in values.items():
            lid = referenced(value)
            if lid is None:
                continue
            rid = _rid(ledger, lid, side)
            if rid is None:
                return None
            values[name] = as_type(entity.sides[side].columns.get(columns.get(name, name), {}), from_json(rid)[0])
    return replace(op, patch=patch, key=key)


def _rid(ledger: Ledger, lid: str, side: Side) -> str | None:
    link = ledger.get(LINK, lid)
    wanted = link.alias_of if link is not None and link.alias_of else lid
    return next((m.rid for m in ledger.store.find(MEMBER, "lid", [(wanted,)]) if m.held and m.side == side), None)


def _member(ledger: Ledger, mapping: SyncMapping, op: Op) -> list[Member]:
    entity = mapping.entities[op.entity]
    if any(m.held and m.side == op.side for m in ledger.store.find(MEMBER, "lid", [(op.lid,)])):
        return []
    return [Member(op.lid, op.side, op.entity, key_rid(entity, op.side, op.key))]
