"""What became of a run's writes, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.errors import PluginFailed
from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Side
from antiphon.singer.listening import PATIENCE
from antiphon.sync.discretion import discreet
from antiphon.sync.outbound import Written
from antiphon.sync.report import Reporter
from antiphon.sync.tally import tell_counts, tell_waiting


def no_receipt(report: Reporter, words: str) -> None:
    """A line of a receipts file is none."""
    report.warn("receipt", f"{words}; it is passed over")


def tell_written(
    report: Reporter, ledger: Ledger, mapping: SyncMapping, written: list[Written], target: Callable[[Side], str]
) -> None:
    """Say what each side took and refused; `target` names a side's target. Raises `PluginFailed` after an outage."""
    for each in written:
        for words in each.remarks:
            no_receipt(report, words)
        for op, words in each.refused:
            last = words.splitlines()[-1] if words else ""
            report.warn(
                "refused",
                discreet(mapping, [op], f"{each.side} refused {op.kind.value} {op.entity} {dict(op.key)}: {last}"),
                side=each.side,
                op_id=op.op_id,
            )
        if each.sent:
            report.say("wrote", f"wrote {each.sent} to {each.side}", side=each.side, sent=each.sent)
        tell_counts(report, each.side, each.counts, seconds=round(each.seconds, 3))
        if each.unacknowledged:
            report.warn(
                "unacknowledged",
                f"{each.side}: the target ended well but acknowledged nothing of {each.unacknowledged} writes; "
                "the next read shows what became of them",
                side=each.side,
                count=each.unacknowledged,
            )
    tell_waiting(report, ledger, mapping.entities)
    outages = {target(each.side): each for each in written if each.outage}
    if outages:
        told = " and ".join(f"{name} {each.outage}" for name, each in outages.items())
        said = [discreet(mapping, ledger.open_ops(each.side), each.words) for each in outages.values() if each.words]
        way_on = (
            PATIENCE
            if any("said nothing" in each.outage for each in outages.values())
            else "mend the target, then run again"
        )
        raise PluginFailed(f"{told}; what was not acknowledged stays in the outbox", hint="\n".join([*said, way_on]))
