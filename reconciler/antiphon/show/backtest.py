"""What other policies would have done with the recorded contests, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from antiphon.ledger import Ledger
from antiphon.mapping import Mapping as SyncMapping
from antiphon.show.records import Records
from antiphon.show.text import listed, number, paragraph, table
from antiphon.show.times import iso, stamp
from antiphon.show.values import in_words
from antiphon.sync.backtest import ASKED, Replayed

_FEW = 20
_LONG = 40


def backtest_text(found: Sequence[Replayed], ledger: Ledger, mapping: SyncMapping) -> str:
    """The counts, per field what would have become of what, and the first contests that would have ended otherwise."""
    changed = [each for each in found if each.changed]
    if not found:
        return "no contest is recorded yet: no field was changed on both sides"
    lines = paragraph(
        f"{number(len(found))} contests are recorded since {stamp(found[0].contest.at)}; "
        f"{number(len(changed))} would have ended otherwise"
    )
    kinds = Counter((f"{each.contest.entity}.{each.contest.unit}", _turn(each)) for each in changed)
    lines += table([(name, number(count), turn) for (name, turn), count in sorted(kinds.items())], most=(40, 8))
    records = Records(ledger, mapping)
    for each in changed[:_FEW]:
        lines += paragraph(_sentence(each, records), indent=2, hanging=4)
    if len(changed) > _FEW:
        lines.append(f"  and {number(len(changed) - _FEW)} more (--json shows all)")
    return "\n".join(lines)


def _turn(each: Replayed) -> str:
    was, would = each.contest.ended, each.would
    if was == would:
        return f"another value, though as before: {_words(was)}"
    return f"{_words(was)} → {_words(would)}"


def _words(outcome: str) -> str:
    return outcome if " " in outcome else f"{outcome} wins"


def _sentence(each: Replayed, records: Records) -> str:
    contest = each.contest
    values = listed(
        [
            f"{side} {listed([in_words(records.shown(contest.entity, n, v), _LONG) for n, v in sorted(held.items())])}"
            for side, held in sorted(contest.facts["values"].items())
        ],
        joint="; ",
    )
    reason = records.said(each.reason, contest.lid)
    title = records.titled(contest.lid)
    return f"{title}, {contest.unit}, {stamp(contest.at)}: {values}: {_turn(each)} ({reason})"


def backtest_dict(found: Sequence[Replayed], ledger: Ledger, mapping: SyncMapping) -> dict[str, Any]:
    """As `backtest_text`, for JSON: every contest that would have ended otherwise."""
    records = Records(ledger, mapping)
    changed = [each for each in found if each.changed]
    return {
        "contests": len(found),
        "changed": len(changed),
        "asked": {
            "then": sum(each.contest.ended == ASKED for each in found),
            "now": sum(each.would == ASKED for each in found),
        },
        "which": [
            {
                "lid": each.contest.lid,
                "record": records.titled(each.contest.lid),
                "entity": each.contest.entity,
                "field": each.contest.unit,
                "at": iso(each.contest.at),
                "values": {
                    side: {name: records.shown(each.contest.entity, name, value) for name, value in held.items()}
                    for side, held in each.contest.facts["values"].items()
                },
                "ended": each.contest.ended,
                "would": each.would,
                "reason": records.said(each.reason, each.contest.lid),
            }
            for each in changed
        ],
    }
