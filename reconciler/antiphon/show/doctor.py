"""What `doctor` found, and what each side is promised: text for people, values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antiphon.model import Side
from antiphon.promises import SITUATIONS, Standing, kept
from antiphon.show.text import INDENT, listed, paragraph
from antiphon.sync.examine import Examined, Verdict

_MARK = {Verdict.OK: "ok  ", Verdict.LOOK: "look", Verdict.MEND: "MEND"}


def doctor_text(found: Examined) -> str:
    """A line for each finding, the way on under those that need one, then what is promised in each situation."""
    lines = []
    for each in found.findings:
        lines += paragraph(f"{_MARK[each.verdict]} {each.about}: {each.message}", hanging=INDENT + 1)
        if each.hint and each.verdict is not Verdict.OK:
            how = " (--fix does it)" if each.fixable else ""
            lines += [line for part in each.hint.splitlines() for line in paragraph(part + how, indent=INDENT + 1)]
    for situation in SITUATIONS:
        lines += ["", *paragraph(f"{situation.happens}:")]
        for places, says, weak in _promised(found.standings, situation.name):
            lines += paragraph(f"{'! ' if weak else ''}{places}: {says}", indent=INDENT, hanging=2 * INDENT)
    wrong = sum(each.verdict is Verdict.MEND for each in found.findings)
    lines += ["", f"{wrong} to be mended" if wrong else "nothing must be mended"]
    return "\n".join(lines)


def doctor_dict(found: Examined) -> dict[str, Any]:
    """As `doctor_text`, for JSON."""
    return {
        "sound": found.sound,
        "findings": [
            {
                "about": each.about,
                "verdict": each.verdict.value,
                "message": each.message,
                "hint": each.hint,
                "fixable": each.fixable,
            }
            for each in found.findings
        ],
        "sides": {
            side: {
                "tap": sorted(able.tap),
                "target": sorted(able.target) if able.target is not None else None,
                "receipts": able.receipts,
            }
            for side, able in found.able.items()
        },
        "guarantees": [
            {
                "side": side,
                "entity": entity,
                **{
                    name: {"says": promise.says, "weak": promise.weak, "where": promise.where}
                    for name, promise in kept(standing).items()
                },
            }
            for (side, entity), standing in sorted(found.standings.items())
        ],
    }


def _promised(standings: Mapping[tuple[Side, str], Standing], situation: str) -> list[tuple[str, str, bool]]:
    """Who is promised what, and whether somebody may be surprised; sides and entities of one promise stand together."""
    together: dict[tuple[str, bool], dict[Side, list[str]]] = {}
    for (side, entity), standing in sorted(standings.items()):
        promise = kept(standing)[situation]
        together.setdefault((promise.says, promise.weak), {}).setdefault(side, []).append(entity)
    whole = {side: sum(side in places for places in together.values()) == 1 for side, _ in standings}
    return [
        (
            " and ".join(side if whole[side] else f"{side} {listed(entities)}" for side, entities in places.items()),
            says,
            weak,
        )
        for (says, weak), places in together.items()
    ]


def guarantees_markdown() -> str:
    """Every promise with its proof, as the tables of `docs/guarantees.md`."""
    parts = []
    for situation in SITUATIONS:
        rows = ["| where | what is promised | proved by |", "|---|---|---|"]
        for promise in situation.promises:
            proof = "<br>".join(f"`{test}`" for test in promise.proof)
            rows.append(
                f"| {promise.where.replace('|', '/')} | {'**!** ' if promise.weak else ''}{promise.says} | {proof} |"
            )
        parts.append("\n".join([f"## {situation.happens}", "", *rows]))
    return "\n\n".join(parts) + "\n"
