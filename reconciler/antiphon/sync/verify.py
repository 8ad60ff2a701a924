"""Verify: after a full read of both sides, every linked record compared under the mapping's equivalence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon.facts import ObsKey
from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.chain import Checked, check_chain
from antiphon.ledger.tables import CONFLICT, LINK, MEMBER, OBS
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.merge import Surroundings, surroundings
from antiphon.model import MISSING, Base, BaseStatus, ConflictState, Link, LinkState, Observation, Op, RecordState, Side
from antiphon.plan import Plan

_EXAMPLES = 10
_PAGE = 2000


@dataclass(slots=True)
class Verified:
    """The result: linked records that agree, fields that differ, what waits, and whether the audit is whole."""

    audit: Checked
    agreed: int = 0
    differing: list[str] = field(default_factory=list)
    waiting: int = 0
    conflicts: int = 0
    parked: int = 0
    touch: list[ObsKey] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing differs that no one knows of, nothing waits to be written, and the audit is as it was written."""
        return not self.differing and not self.waiting and not self.audit.faults

    def text(self) -> str:
        """For people."""
        lines = [f"{self.agreed} linked records agree, {len(self.differing)} differ"]
        lines += [f"  {line}" for line in self.differing[:_EXAMPLES]]
        if len(self.differing) > _EXAMPLES:
            lines.append(f"  and {len(self.differing) - _EXAMPLES} more (--json shows all)")
        lines.append(
            f"{self.waiting} writes are waiting, {self.conflicts} conflicts wait for a person, "
            f"{self.parked} links are parked"
        )
        faults = self.audit.faults
        lines.append(f"the audit's {self.audit.rows} rows are {'not ' if faults else ''}as they were written")
        lines += [f"  {fault}" for fault in faults[:_EXAMPLES]]
        if len(faults) > _EXAMPLES:
            lines.append(f"  and {len(faults) - _EXAMPLES} more (--json shows all)")
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "agreed": self.agreed,
            "differing": self.differing,
            "waiting": self.waiting,
            "conflicts": self.conflicts,
            "parked": self.parked,
            "audit": {"rows": self.audit.rows, "head": self.audit.head, "faults": list(self.audit.faults)},
            "clean": self.clean,
        }


def verify(ledger: Ledger, mapping: SyncMapping, plan: Plan) -> Verified:
    """Compare what both sides last showed. `plan` is what follows now: its operations are differences that wait."""
    found = Verified(check_chain(ledger.store), waiting=waiting_writes(ledger, mapping, plan))
    contested = {
        (c.lid, c.field)
        for c in ledger.store.find(CONFLICT, "state", [(ConflictState.OPEN,), (ConflictState.RESOLVED,)])
    }
    found.conflicts = len(contested)
    planned = {op.lid for op in plan.operations}
    for entity in mapping.entities.values():
        found.parked += ledger.store.count(LINK, "state", (entity.name, LinkState.PARKED))
        for page in _pages(ledger, entity):
            _compare(ledger, mapping, entity, page, planned, contested, found)
    with ledger.transaction():
        ledger.mark(found.touch, touched=True)
    return found


def waiting_writes(ledger: Ledger, mapping: SyncMapping, plan: Plan) -> int:
    """How many writes are planned, under way, or not yet seen to have arrived, once `plan` is carried out."""
    outbox = {op.op_id: op for side in mapping.sides for op in ledger.open_ops(side)}
    outbox |= {row.op_id: row for row in plan.rows if isinstance(row, Op)}
    return sum(op.state.open for op in outbox.values())


def _pages(ledger: Ledger, entity: Entity) -> Iterator[list[Link]]:
    links = ledger.store.find(LINK, "state", [(entity.name, LinkState.ACTIVE)])
    for start in range(0, len(links), _PAGE):
        yield links[start : start + _PAGE]


def _compare(
    ledger: Ledger,
    mapping: SyncMapping,
    entity: Entity,
    links: list[Link],
    planned: set[str],
    contested: set[tuple[str, str | None]],
    found: Verified,
) -> None:
    lids = [(link.lid,) for link in links]
    members: dict[str, dict[Side, str]] = {}
    for member in ledger.store.find(MEMBER, "lid", lids):
        if member.held:
            members.setdefault(member.lid, {})[member.side] = member.rid
    keys = [(side, entity.name, rid) for pair in members.values() for side, rid in pair.items()]
    seen = ledger.store.get(OBS, keys)
    facts = LedgerFacts(ledger.store, lids=[link.lid for link in links])
    around = surroundings(entity, facts)
    for link in links:
        if link.lid in planned:
            continue
        pair = {side: seen.get((side, entity.name, rid)) for side, rid in members.get(link.lid, {}).items()}
        wrong = list(_differences(mapping, entity, link, pair, facts.bases(link.lid), contested, around))
        if wrong:  # the next plan looks at it, and asks a person
            found.touch += [(side, entity.name, rid) for side, rid in members.get(link.lid, {}).items()]
        found.differing += wrong
        found.agreed += not wrong


def _differences(
    mapping: SyncMapping,
    entity: Entity,
    link: Link,
    pair: dict[Side, Observation | None],
    bases: Mapping[str, Mapping[Side, Base]],
    contested: set[tuple[str, str | None]],
    around: Surroundings,
) -> Iterator[str]:
    a, b = mapping.sides
    one, two = pair.get(a), pair.get(b)
    if one is None or two is None or one.state is not RecordState.LIVE or two.state is not RecordState.LIVE:
        missing = a if one is None or one.state is not RecordState.LIVE else b
        yield f"{entity.name} {link.lid}: not there on {missing}"
        return
    for name, each in entity.fields.items():
        mine, theirs = one.fields.get(each.columns[a], MISSING), two.fields.get(each.columns[b], MISSING)
        if (
            mine is MISSING
            or theirs is MISSING
            or {(link.lid, name), (link.lid, each.group), (link.lid, None)} & contested
        ):
            continue
        if around.agree(each, mapping.sides, mine, theirs):
            continue
        base = bases.get(name, {})
        shown = {a: mine, b: theirs}
        bound = [each.direction[0]] if each.direction and each.keep_edits else list(mapping.sides)
        made = each.keep_edits or any(row.status is not BaseStatus.AGREED for row in base.values())
        as_written = (
            len(base) == len(mapping.sides)
            and made
            and all(around.equal(each, side, shown[side], base[side].value) for side in bound)
        )
        if not as_written:
            yield f"{entity.name} {link.lid}: {name} differs ({a} {one.rid}, {b} {two.rid})"
