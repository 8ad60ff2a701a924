"""Rebaseline: what the sides agreed on is forgotten, and every linked record joins anew, as at first sight.

For a ledger whose bases are not to be trusted, and for values that differ by intent, as after a revert. Where the
sides hold the same value, it is agreed on; where they differ, one side's values go over, or a person is asked. Records
without a partner are created as in any sync. Nothing is deleted: a record that one side lacks waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from antiphon.config import scope_version
from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.tables import BASE, OBS
from antiphon.mapping import Initial, Owner, Park
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Base, Bases, Observation, RecordState, Side
from antiphon.plan import Plan, make_plan
from antiphon.sync.planning import index
from antiphon.sync.run import Runner

NO_DELETES = "a rebaseline never deletes; the next sync does what `on_delete` says"


class Unagreed(LedgerFacts):
    """The ledger without the bases of fields that both sides show: they meet for the first time."""

    def __init__(self, ledger: Ledger, mapping: SyncMapping) -> None:
        super().__init__(ledger.store, (row.key for row in ledger.store.scan(OBS) if row.entity in mapping.entities))
        self._mapping = mapping

    def bases(self, lid: str) -> Mapping[str, Mapping[Side, Base]]:
        """As `Facts.bases`, for what cannot be compared now: its base stays."""
        return {name: pair for name, pair in super().bases(lid).items() if not self.both_show(lid, name)}

    def both_show(self, lid: str, name: str) -> bool:
        """Whether both sides show the field now."""
        link, members = self.link(lid), self.members(lid)
        entity = self._mapping.entities.get(link.entity) if link is not None else None
        if link is None or entity is None or name not in entity.fields or len(members) < len(self._mapping.sides):
            return False
        seen = {side: self.observation((side, link.entity, rid)) for side, rid in members.items()}
        return all(_shows(seen[side], entity.fields[name].columns[side]) for side in self._mapping.sides)


def _shows(seen: Observation | None, column: str) -> bool:
    return seen is not None and seen.state is RecordState.LIVE and column in seen.fields


def propose_rebaseline(runner: Runner, prefer: Side | None) -> tuple[SyncMapping, Plan]:
    """The plan by which every linked record joins anew: `prefer` wins where they differ, a person is asked if None.

    Nothing is stored but the index of records.
    """
    ledger, mapping = runner.ledger, runner.mapping()
    runner.check(mapping)
    index(ledger, mapping)
    runner.leave_out(mapping)
    initial: Initial = Owner(prefer) if prefer is not None else Park()
    entities = {name: replace(entity, initial=initial) for name, entity in mapping.entities.items()}
    facts = Unagreed(ledger, mapping)
    plan = make_plan(
        facts,
        replace(mapping, entities=entities),
        ledger_id=ledger.instance.id,
        at=runner.moment(mapping),
        held=runner.without_target(mapping),
        deletes_blocked=NO_DELETES,
        linked=ledger.linked,
    )
    written = {row.lid for row in plan.rows if isinstance(row, Bases)}
    left = (row for row in ledger.store.scan(BASE) if row.lid not in written)
    return mapping, replace(plan, rows=(*plan.rows, *(Bases(row.lid, facts.bases(row.lid)) for row in left)))


def unblock(runner: Runner) -> None:
    """Both sides were read in full and joined anew: deletions that are proven from now on are believed."""
    with runner.ledger.transaction():
        runner.ledger.update_instance(deletes_blocked="", scope_version=scope_version(runner.config))
