"""What a later read shows of a write that no receipt told of: it arrived, it is not to be seen, or it was changed.

| what we learn of an operation                 | the operation  | the base                                            |
|-----------------------------------------------|----------------|-----------------------------------------------------|
| SENT, then seen as sent                       | ACKED          | agreed: (source, value seen)                        |
| SENT, then seen as it was before              | DROPPED        | the pair before, in doubt; parked after three       |
| SENT, then seen as something else             | ACKED          | (source, value sent): it was changed on that side   |
| INFLIGHT when the runner died, seen as sent   | ACKED          | agreed: (source, value seen)                        |
| INFLIGHT when the runner died, seen otherwise | DROPPED        | as it was, but in doubt; planned again              |
| a create in flight, its record seen otherwise | ACKED          | (source, value sent): it was changed on that side   |
| a create, its record lacked by two reads      | DROPPED        | as it was; planned again                            |
| failed, seen as sent all the same             | ACKED          | agreed: (source, value seen)                        |
| failed, seen in part                          | DROPPED        | as seen, but in doubt; planned again                |
"""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.creates import maker_of
from antiphon.equivalence import is_empty, make_rid
from antiphon.facts import Workspace, has_column
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import Surroundings
from antiphon.model import (
    MISSING,
    Audit,
    BaseStatus,
    Cause,
    Instant,
    Missing,
    Observation,
    Op,
    OpKind,
    OpState,
    RecordState,
    Rid,
    replace,
)
from antiphon.settle import Moment, activate, agree, agree_unseen, keep_losers, record, take_back

MAX_ATTEMPTS = 3
"""So often a write may stay invisible before a person must look."""

REMNANT = -1
"""`observed` found a row that our own write brought back after its deletion."""


def observed(
    ws: Workspace,
    around: Surroundings,
    op: Op,
    seen: Observation | None,
    read_at: Instant,
    at: Moment,
    mapping: SyncMapping,
) -> int:
    """Settle a SENT or abandoned INFLIGHT operation of a foreign target by what the side shows since.

    `read_at` is the start of the read that speaks (0: none yet). Returns how often the write stayed invisible: 0 when
    it is settled or not yet decidable, else the number of attempts made.
    """
    sent = op.state is OpState.SENT
    since = op.acked_at if sent else op.sent_at
    if since is None or read_at < since:
        return 0
    if op.kind is OpKind.DELETE:
        return _observed_delete(ws, op, seen, at)
    if seen is None and op.kind is OpKind.CREATE and op.missed_at in (0, read_at):
        ws.put_op(replace(op, missed_at=read_at))
        return 0  # one read may have been cut short: a second one must lack the record, too
    if seen is None or seen.state is not RecordState.LIVE:
        gone = seen is not None
        if not sent:  # it may have been written before the record went
            keep_losers(ws, op, at)
        ws.put_op(
            replace(op, state=OpState.ACKED if gone and sent else OpState.DROPPED, error="" if gone else "never seen")
        )
        return 0 if gone else op.attempt + 1
    if op.kind is OpKind.UPDATE and _is_remnant(ws, around, op, seen):
        if not sent:
            record(ws, op, op.patch, at)
        return REMNANT
    if any(_is_hidden(ws, around, op, name, seen) for name in op.patch if name in around.entity.fields):
        return 0  # a later read will say
    settled = _settle_values(
        ws, around, op, seen, at, mapping, unseen="not visible" if sent else "not seen after a crash"
    )
    if settled and not sent:
        activate(ws, op)
    return op.attempt + 1 if sent and not settled else 0


def failed_yet_done(
    ws: Workspace, around: Surroundings, op: Op, seen: Observation | None, at: Moment, mapping: SyncMapping
) -> None:
    """A target that got no answer says that a write failed, and it may have been done: what a later read shows counts.

    If that shows nothing of it, the operation stays what it is and is tried again in its time. So does one that counts:
    the number that it was to bring about may be what the side counted meanwhile, and only a receipt can tell.
    """
    if op.adds:
        return
    if op.kind is OpKind.DELETE and (seen is None or seen.state is not RecordState.LIVE):
        _observed_delete(ws, op, seen, at)
    if op.kind is OpKind.DELETE or seen is None or seen.state is not RecordState.LIVE:
        return
    if op.kind is OpKind.CREATE:
        shown = seen.rid == _rid_of_create(around, op)
    else:
        names = [name for name in op.patch if name in around.entity.fields]
        shown = any(_is_shown(around, op, name, seen) or _may_be_lost(around, op, name, seen) for name in names)
    if not shown:
        return
    _settle_values(ws, around, op, seen, at, mapping, unseen="seen in part")
    if op.kind is OpKind.CREATE:
        activate(ws, op)


def _is_shown(around: Surroundings, op: Op, name: str, seen: Observation) -> bool:
    field = around.entity.fields[name]
    now = seen.fields.get(field.columns[op.side], MISSING)
    return not isinstance(now, Missing) and around.equal(field, op.side, now, op.patch[name])


def _is_hidden(ws: Workspace, around: Surroundings, op: Op, name: str, seen: Observation) -> bool:
    column = around.entity.fields[name].columns[op.side]
    return column not in seen.fields and not has_column(ws.facts, op.side, op.entity, column)


def _settle_values(
    ws: Workspace,
    around: Surroundings,
    op: Op,
    seen: Observation,
    at: Moment,
    mapping: SyncMapping,
    *,
    unseen: str,
) -> bool:
    """Settle a write by what the side shows; false, and `unseen` its error, if not all of it is to be seen.

    Then the side's bases are in doubt: what is not to be seen may have been written, and replaced since; what is may be
    somebody's, and nothing of the write have been done.
    """
    names = [name for name in op.patch if name in around.entity.fields]
    visible = {name: _settle_value(ws, around, op, name, seen, mapping) for name in names}
    settled = all(visible.values())
    ws.put_op(replace(op, state=OpState.ACKED if settled else OpState.DROPPED, error="" if settled else unseen))
    if op.state is not OpState.SENT:
        _record_seen(ws, around, op, seen, visible, at)
    if not settled:
        ws.doubt_bases(op.lid, op.side, visible)
    return settled


def _record_seen(
    ws: Workspace, around: Surroundings, op: Op, seen: Observation, visible: Mapping[str, bool], at: Moment
) -> None:
    """The audit of a write that no receipt told of: what is seen of it, and what it may have replaced."""
    done = {n: v for n, v in op.patch.items() if visible.get(n) or _may_be_lost(around, op, n, seen)}
    record(ws, op, done, at)


def _may_be_lost(around: Surroundings, op: Op, name: str, seen: Observation) -> bool:
    """An edit that this write was to overwrite is gone: perhaps by this write, and something came after it."""
    if name not in around.entity.fields:  # it left the mapping meanwhile, and nothing shows it any more
        return name in op.losers
    field = around.entity.fields[name]
    now = seen.fields.get(field.columns[op.side], MISSING)
    return name in op.losers and not isinstance(now, Missing) and not around.equal(field, op.side, now, op.losers[name])


def _settle_value(
    ws: Workspace, around: Surroundings, op: Op, name: str, seen: Observation, mapping: SyncMapping
) -> bool:
    """Make of one written value what the side shows of it; false if the write is not to be seen there."""
    field = around.entity.fields[name]
    now = seen.fields.get(field.columns[op.side], MISSING)
    if not isinstance(now, Missing) and around.equal(field, op.side, now, op.patch[name]):
        agree(ws, op, name, now, mapping.other(op.side), mapping.version)
        return True
    if op.state is not OpState.SENT and op.kind is OpKind.CREATE and seen.rid == _rid_of_create(around, op):
        # one before this, of which a read had not shown the record, may be done too
        earlier = ws.facts.acknowledged(op.lid, op.side)
        if not isinstance(now, Missing) and (first := maker_of(around, earlier, name, now)) is not None:
            agree(ws, first, name, now, mapping.other(op.side), mapping.version)
            return True
        agree_unseen(ws, op, name, mapping.other(op.side), mapping.version)  # it was made as it was sent
        return True
    if isinstance(now, Missing) or op.state is not OpState.SENT:
        return isinstance(now, Missing)
    if name in op.expect and around.equal(field, op.side, now, op.expect[name]):
        take_back(ws, op.lid, name)
        return False
    for side, base in list(ws.bases(op.lid).get(name, {}).items()):
        if base.status is BaseStatus.PROVISIONAL:
            ws.put_base(op.lid, side, name, replace(base, previous=MISSING))
    return True


def _rid_of_create(around: Surroundings, op: Op) -> Rid:
    """The id of the record that a create was to make; its link may hold another by now."""
    return make_rid([op.key.get(column) for column in around.entity.sides[op.side].key])


def _is_remnant(ws: Workspace, around: Surroundings, op: Op, seen: Observation) -> bool:
    """Whether the row was deleted under our hands: an upsert of some columns then brings back a row of nothing else."""
    others = [
        seen.fields.get(around.entity.fields[name].columns[op.side])
        for name, pair in ws.bases(op.lid).items()
        if name not in op.patch
        and name in around.entity.fields
        and op.side in pair
        and not is_empty(pair[op.side].value)
    ]
    return bool(others) and all(is_empty(value) for value in others)


def _observed_delete(ws: Workspace, op: Op, seen: Observation | None, at: Moment) -> int:
    if seen is None or seen.state is not RecordState.LIVE:
        ws.put_op(replace(op, state=OpState.ACKED, acked_at=op.acked_at or at.now))
        last = dict(op.expect)
        ws.audits.append(Audit(op.lid, op.side, None, last, None, Cause.DELETED, op.op_id, op.run_id, at.now))
        return 0
    ws.put_op(replace(op, state=OpState.DROPPED, error="not visible"))
    return op.attempt + 1
