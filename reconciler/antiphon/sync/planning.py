"""Plan: what was collected is indexed, planned by the kernel, and stored in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from antiphon.equivalence import canonical_json
from antiphon.facts import ObsKey
from antiphon.identity import short_id
from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.tables import CURSOR, MATCH_KEY, OBS
from antiphon.mapping import Mapping as SyncMapping
from antiphon.match import match_keys
from antiphon.model import MatchKey, Observation, RecordState, Side, replace
from antiphon.plan import Plan, Portion, make_plan
from antiphon.plan.guards import Linked
from antiphon.settle import Moment

_BATCH = 5000


def binding(mapping: SyncMapping) -> str:
    """The version of everything that decides how values compare: the mapping and the columns' kinds."""
    kinds = {f"{e.name}.{f.name}": f.kind.value for e in mapping.entities.values() for f in e.fields.values()}
    return short_id(mapping.version, canonical_json(kinds))


def index(ledger: Ledger, mapping: SyncMapping) -> None:
    """Bring the match index up to date with the records that changed; with all of them if the mapping changed."""
    version = binding(mapping)
    anew = ledger.instance.mapping_version != version
    rows = ledger.store.scan(OBS) if anew else ledger.store.find(OBS, "touched", [(True,)])
    for batch in _batches(row for row in rows if row.entity in mapping.entities):
        with ledger.transaction(durable=False):
            _index(ledger, mapping, batch)
            if anew:
                ledger.put(replace(row, touched=True) for row in batch if not row.touched)
    if anew:
        with ledger.transaction(durable=False):
            ledger.update_instance(mapping_version=version)


def _index(ledger: Ledger, mapping: SyncMapping, rows: list[Observation]) -> None:
    before = {
        (k.side, k.entity, k.rid, k.rule): k for k in ledger.store.find(MATCH_KEY, "record", [row.key for row in rows])
    }
    wanted: dict[tuple[str, str, str, int], MatchKey] = {}
    for row in rows:
        if row.state is RecordState.LIVE:
            for rule, key in match_keys(mapping.entities[row.entity], row.side, row.fields).items():
                wanted[(*row.key, rule)] = MatchKey(row.side, row.entity, row.rid, rule, key)
    ledger.store.remove(MATCH_KEY, [key for key in before if key not in wanted])
    ledger.put(key for name, key in wanted.items() if before.get(name) != key)


def _batches(rows: Iterable[Observation]) -> Iterable[list[Observation]]:
    batch: list[Observation] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def unread(ledger: Ledger, mapping: SyncMapping) -> dict[Side, str]:
    """The foreign sides not read since the last plan: what stands there now is not known, so they are not written."""
    held = {}
    for side in mapping.sides:
        for entity in mapping.entities.values():
            cursor = ledger.get(CURSOR, side, entity.name)
            if not entity.sides[side].receipts and (cursor is None or cursor.planned or not cursor.read_ended):
                held[side] = f"{side} was not read since the last plan"
    return held


def propose(
    ledger: Ledger,
    mapping: SyncMapping,
    at: Moment,
    *,
    held: Mapping[Side, str] | None = None,
    reviewed: frozenset[str] | None = None,
    linked: Linked | None = None,
    touched: Iterable[ObsKey] | None = None,
    portion: Portion | None = None,
) -> Plan:
    """The plan that follows from the ledger now. Nothing is stored.

    `linked` counts an entity's links. `touched` are the records to look at, if not all that wait for it, and `portion`
    is what to know of the others.
    """
    instance = ledger.instance
    return make_plan(
        ledger.facts(mapping.sides) if touched is None else LedgerFacts(ledger.store, touched),
        mapping,
        ledger_id=instance.id,
        at=at,
        held=unread(ledger, mapping) if held is None else held,
        deletes_blocked=instance.deletes_blocked,
        linked=linked or ledger.linked,
        reviewed=reviewed,
        portion=portion,
    )


def adopt(ledger: Ledger, mapping: SyncMapping, plan: Plan) -> None:
    """Store a plan: from here on its operations are in the outbox. What is sent of it is made durable by its intent."""
    with ledger.transaction(durable=False):
        for part in plan.parts or (plan,):
            ledger.apply(part.rows, touch=part.touch, untouch=part.untouch)
        streams = [(side, entity) for side in mapping.sides for entity in mapping.entities]
        cursors = ledger.store.get(CURSOR, streams).values()
        ledger.put(replace(cursor, planned=True) for cursor in cursors if cursor.read_ended and not cursor.planned)
