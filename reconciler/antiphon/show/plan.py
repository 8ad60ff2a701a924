"""A plan for people: every write field by field with the reason its value won, what waits, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT, LINK
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import ConflictState, Link, LinkState, Member, Op, OpKind, OpState
from antiphon.plan import Plan
from antiphon.show.dispute import as_dict, one_line, reason
from antiphon.show.groups import Arranged, arrange, examples
from antiphon.show.operation import block, group_lines, op_dict, shape
from antiphon.show.records import Name, Records
from antiphon.show.text import INDENT, listed, number, paragraph
from antiphon.sync.costs import Cost

_ALL = "see all with `--json`"


@dataclass(frozen=True, slots=True)
class _Wait:
    """One record that must be looked at again."""

    lid: str | None
    entity: str
    name: Name
    reason: str


class _Shown:
    """A plan with what the ledger knows of its records."""

    def __init__(self, plan: Plan, ledger: Ledger, mapping: SyncMapping) -> None:
        self.plan, self.ledger, self.mapping = plan, ledger, mapping
        self.records = Records(ledger, mapping, plan.rows)
        settled = {row.op_id for row in plan.rows if isinstance(row, Op)}
        self.standing = tuple(
            op
            for side in mapping.sides
            for op in ledger.open_ops(side)
            if op.state is OpState.PLANNED and op.op_id not in settled
        )
        known = {row.cid: row for row in ledger.store.find(CONFLICT, "state", [(ConflictState.OPEN,)])}
        opened = [c for c in plan.conflicts if c.state is ConflictState.OPEN]
        self.known = frozenset(known)
        self.conflicts = sorted(opened, key=lambda c: (c.entity, c.field or "", c.kind.value, c.cid))
        self.before = len(known.keys() - {c.cid for c in plan.conflicts})
        self.joined = self._joined()
        self.waits = self._waits()

    def _joined(self) -> list[Link]:
        made = [row for row in self.plan.rows if isinstance(row, Link) and row.match_rule]
        stored = self.ledger.store.get(LINK, [(row.lid,) for row in made])
        return [row for row in made if (row.lid,) not in stored and row.state is not LinkState.TOMBSTONE]

    def _waits(self) -> list[_Wait]:
        found: dict[str, _Wait] = {}
        holders = {
            (row.side, row.entity, row.rid): row.lid for row in self.plan.rows if isinstance(row, Member) and row.held
        }
        self.records.load(holders.values() if self.plan.waits else ())
        stored = self.records.holders(key for key in self.plan.waits if key not in holders)
        for key, why in sorted(self.plan.waits.items()):
            lid = holders.get(key) or stored.get(key)
            name = self.records.name(lid) if lid else self.records.name_of(key)
            wait = _Wait(lid, key[1], name, self.records.said(why, lid))
            found.setdefault(lid or str(key), wait)
        return list(found.values())

    def summary(self) -> dict[str, int]:
        """The totals, always exact."""
        kinds = Counter(op.kind for op in self.plan.operations)
        return {
            **{kind.value: kinds[kind] for kind in OpKind},
            "conflicts": len(self.conflicts),
            "waiting": len(self.waits),
            "joined": len(self.joined),
            "standing": len(self.standing),
            "conflicts_before": self.before,
        }


def plan_text(plan: Plan, ledger: Ledger, mapping: SyncMapping, *, limit: int = 20) -> str:
    """The plan on pages of 100 columns. Of more than `limit` operations, the alike ones are shown as groups."""
    it = _Shown(plan, ledger, mapping)
    lines = [
        *_operations(it, plan.operations, limit),
        *_standing(it, limit),
        *_joined(it, limit),
        *_conflicts(it, limit),
        *_waits(it, limit),
        *_guards(it),
    ]
    return "\n".join([*lines, *paragraph(_totals(it), hanging=INDENT)])


def cost_text(costs: Sequence[Cost]) -> str:
    """What the targets reckon that the plan costs them, a line for each thing they say."""
    lines: list[str] = []
    for cost in costs:
        mark = "" if cost.affordable else "! "
        hint = f" ({cost.hint})" if cost.hint and not cost.affordable else ""
        lines += paragraph(f"{mark}{cost.side}: {cost.name}: {cost.message}{hint}", hanging=INDENT)
    return "\n".join(lines)


def plan_dict(plan: Plan, ledger: Ledger, mapping: SyncMapping) -> dict[str, Any]:
    """The whole plan for JSON; write it with `to_json`, which keeps decimals exact."""
    it = _Shown(plan, ledger, mapping)
    it.records.load(op.lid for op in (*plan.operations, *it.standing))
    it.records.load(link.lid for link in it.joined)
    it.records.load(conflict.lid for conflict in it.conflicts)
    return {
        "operations": [op_dict(it.records, op) for op in plan.operations],
        "standing": [op_dict(it.records, op) for op in it.standing],
        "joined": [
            {"lid": link.lid, "entity": link.entity, "record": it.records.name(link.lid).text, "rule": link.match_rule}
            for link in it.joined
        ],
        "conflicts": [
            {**as_dict(it.records, conflict), "known": conflict.cid in it.known} for conflict in it.conflicts
        ],
        "waiting": [
            {"lid": wait.lid, "entity": wait.entity, "record": wait.name.text, "reason": wait.reason}
            for wait in it.waits
        ],
        "guards": [
            {"name": guard.name, "message": guard.message, "hint": guard.hint, "counting": guard.counting}
            for guard in plan.tripped
        ],
        "summary": it.summary(),
    }


# ---- the parts of the text


def _operations(it: _Shown, operations: Sequence[Op], limit: int) -> Iterator[str]:
    shown = arrange(operations, lambda op: shape(it.records, op), limit)
    it.records.load(op.lid for part in shown.parts for op in part[:limit])
    for part in shown.parts:
        yield from block(it.records, part[0]) if len(part) == 1 else group_lines(it.records, part)
    if shown.grouped:
        yield from _note(f"{number(shown.grouped)} operations are shown as groups; {_ALL}")
    if shown.left_out:
        kinds = Counter(f"{op.kind.value} {op.entity} on {op.side}" for op in shown.left_out)
        each = listed([f"{number(count)} to {kind}" for kind, count in sorted(kinds.items())])
        yield from _note(f"{number(len(shown.left_out))} more operations are not shown ({each}); {_ALL}")


def _standing(it: _Shown, limit: int) -> Iterator[str]:
    if it.standing:
        yield f"planned before and still to be sent: {number(len(it.standing))}"
        yield from _operations(it, it.standing, limit)


def _joined(it: _Shown, limit: int) -> Iterator[str]:
    shown = arrange(it.joined, lambda link: (link.entity, link.match_rule), limit)
    if it.joined:
        yield f"newly linked: {number(len(it.joined))}"
    for part in shown.parts:
        names = examples(part, lambda link: str(it.records.name(link.lid)))
        ids = [it.records.id((s, part[0].entity, r)) for s, r in sorted(it.records.members(part[0].lid).items())]
        also = f", {' = '.join(ids)}" if len(part) == 1 else ""
        yield from paragraph(
            f"{part[0].entity} {names}{also}: the same {part[0].match_rule}", indent=INDENT, hanging=2 * INDENT
        )
    yield from _left_out(shown)


def _conflicts(it: _Shown, limit: int) -> Iterator[str]:
    it.records.load(conflict.lid for conflict in it.conflicts)
    whys = {conflict.cid: reason(it.records, conflict) for conflict in it.conflicts}
    shown = arrange(it.conflicts, lambda c: (c.entity, c.field, c.kind, whys[c.cid]), limit)
    if it.conflicts:
        yield f"waiting for a person: {number(len(it.conflicts))}"
    for part in shown.parts:
        first = part[0]
        names = examples(part, lambda c: str(it.records.name(c.lid)))
        detail = one_line(it.records, first) if len(part) == 1 else (first.field or first.kind.value)
        cid = f"  [{first.cid}]" if len(part) == 1 and first.cid in it.known else ""
        yield from paragraph(f"{first.entity} {names}, {detail}", indent=INDENT, hanging=2 * INDENT)
        yield from paragraph(whys[first.cid] + cid, indent=2 * INDENT)
    yield from _left_out(shown)
    if it.before:
        yield from paragraph(f"{number(it.before)} waited before: `antiphon conflicts list`")


def _waits(it: _Shown, limit: int) -> Iterator[str]:
    shown = arrange(it.waits, lambda wait: (wait.entity, wait.reason), limit)
    if it.waits:
        yield f"looked at again in the next plan: {number(len(it.waits))}"
    for part in shown.parts:
        title = f"{part[0].entity} {examples(part, lambda wait: str(wait.name))}"
        yield from paragraph(f"{title}: {part[0].reason}", indent=INDENT, hanging=2 * INDENT)
    yield from _left_out(shown)


def _guards(it: _Shown) -> Iterator[str]:
    for guard in it.plan.tripped:
        hint = f"{guard.hint[:1].upper()}{guard.hint[1:]}"
        yield from paragraph(f"guards: {guard.name}: {guard.message}. {hint}.", hanging=INDENT)


def _totals(it: _Shown) -> str:
    counts = it.summary()
    if not any(count for name, count in counts.items() if name != "conflicts_before"):
        return "Nothing to do."
    parts = [f"{number(counts[kind.value])} to {kind.value}" for kind in OpKind]
    parts.append(f"{number(counts['conflicts'])} conflict{'' if counts['conflicts'] == 1 else 's'}")
    parts += [f"{number(counts['waiting'])} waiting"] if counts["waiting"] else []
    parts += [f"{number(counts['standing'])} planned before"] if counts["standing"] else []
    return listed(parts)


def _left_out(shown: Arranged[Any]) -> list[str]:
    lines = _note(f"{number(shown.grouped)} are shown as groups; {_ALL}") if shown.grouped else []
    return lines + (_note(f"{number(len(shown.left_out))} more are not shown; {_ALL}") if shown.left_out else [])


def _note(text: str) -> list[str]:
    return paragraph(f"({text})", indent=INDENT)
