"""Revert: what a run wrote is found in the ledger, and its compensating plan is made of it."""

from __future__ import annotations

from antiphon.errors import ConfigError
from antiphon.ledger import Ledger, LedgerFacts
from antiphon.ledger.tables import AUDIT, MEMBER, OUTBOX, RUN
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Op, OpState, Rid, Side
from antiphon.plan import Plan
from antiphon.plan.revert import Kept, make_revert
from antiphon.sync.run import Runner


def propose_revert(runner: Runner, run_id: str) -> tuple[SyncMapping, Plan, list[Kept]]:
    """The plan that takes back what a run wrote, and what it leaves alone. Nothing is stored.

    Raises `ConfigError` if there was no such run.
    """
    ledger, mapping = runner.ledger, runner.mapping()
    runner.check(mapping)
    ops = written_by(ledger, mapping, run_id)
    if not ops and ledger.get(RUN, run_id) is None:
        raise ConfigError(f"there was no run {run_id}", hint="`antiphon runs list` shows the runs")
    lids = sorted({op.lid for op in ops})
    former: dict[str, dict[Side, Rid]] = {}
    for member in sorted(ledger.store.find(MEMBER, "lid", [(lid,) for lid in lids]), key=lambda m: m.held):
        former.setdefault(member.lid, {})[member.side] = member.rid
    instance = ledger.instance
    plan, kept = make_revert(
        LedgerFacts(ledger.store, lids=lids),
        mapping,
        ops,
        ledger.store.find(AUDIT, "run", [(run_id,)]),
        former,
        run_id=run_id,
        ledger_id=instance.id,
        at=runner.moment(mapping),
        held=runner.without_target(mapping),
        deletes_blocked=instance.deletes_blocked,
        linked=ledger.linked,
    )
    return mapping, plan, kept


def written_by(ledger: Ledger, mapping: SyncMapping, run_id: str) -> list[Op]:
    """The writes that a run planned and that were delivered, by it or by a later one."""
    delivered = [(side, state) for side in mapping.sides for state in (OpState.ACKED, OpState.SENT)]
    return [op for op in ledger.store.find(OUTBOX, "state", delivered) if op.run_id == run_id]
