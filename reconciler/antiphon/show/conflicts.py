"""Conflicts for people: all of them in a list, or one with its values, its evidence and how to settle it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import MISSING, Conflict, ConflictState, Instant, Link
from antiphon.show.answers import answers
from antiphon.show.dispute import VALUE, agreed_on, as_dict, clean, decision, faces, mapping_of, one_line, reason
from antiphon.show.records import Records
from antiphon.show.text import INDENT, listed, number, paragraph, table
from antiphon.show.times import age, span, stamp
from antiphon.show.values import in_words

_WAITING = (ConflictState.OPEN, ConflictState.RESOLVED)
_ID, _AGE, _TITLE = 12, 10, 28


def waiting(ledger: Ledger) -> tuple[Conflict, ...]:
    """The conflicts that are open, or decided and not carried out yet; the oldest first."""
    found = ledger.store.find(CONFLICT, "state", [(state,) for state in _WAITING])
    return tuple(sorted(found, key=lambda c: (c.at, c.cid)))


def find_conflict(ledger: Ledger, typed: str) -> Conflict:
    """The conflict with this id, or the only waiting one whose id begins so.

    Raises:
        ConfigError: none or several.
    """
    exact = ledger.get(CONFLICT, typed)
    if exact is not None:
        return exact
    found = [conflict for conflict in waiting(ledger) if typed and conflict.cid.startswith(typed)]
    if len(found) == 1:
        return found[0]
    several = ", ".join(conflict.cid for conflict in found[:5])
    raise ConfigError(
        f"{number(len(found))} conflicts have an id that begins with {typed!r}: {several}"
        if found
        else f"no conflict has the id {typed!r}",
        hint="`antiphon conflicts list` shows the ids",
    )


def conflicts_text(
    ledger: Ledger, mapping: SyncMapping, now: Instant, *, chosen: Sequence[Conflict] | None = None
) -> str:
    """One line per waiting conflict (or per `chosen` one), under headings of kind and reason."""
    shown = waiting(ledger) if chosen is None else chosen
    if not shown:
        return "No conflict waits for a person."
    records = Records(ledger, mapping)
    records.load(conflict.lid for conflict in shown)
    headings: dict[str, list[Conflict]] = {}
    for conflict in shown:
        headings.setdefault(f"{conflict.kind.value}: {reason(records, conflict)}", []).append(conflict)
    lines: list[str] = []
    for heading, group in headings.items():
        lines += paragraph(heading, hanging=INDENT)
        rows = [
            (
                c.cid,
                age(c.at, now).ljust(_AGE),  # so that the lines look the same a minute later
                records.titled(c.lid),
                listed([_decided(records, c), one_line(records, c)], joint="; "),
            )
            for c in group
        ]
        lines += table(rows, most=(_ID, _AGE, _TITLE), whole=False)
    decided = sum(conflict.state is ConflictState.RESOLVED for conflict in shown)
    total = f"{number(len(shown) - decided)} open"
    return "\n".join([*lines, total + (f", {number(decided)} decided" if decided else "")])


def conflicts_dict(ledger: Ledger, mapping: SyncMapping, *, chosen: Sequence[Conflict] | None = None) -> dict[str, Any]:
    """As `conflicts_text`, for JSON."""
    shown = waiting(ledger) if chosen is None else chosen
    records = Records(ledger, mapping)
    records.load(conflict.lid for conflict in shown)
    return {"conflicts": [as_dict(records, conflict) for conflict in shown], "total": len(shown)}


def conflict_text(ledger: Ledger, mapping: SyncMapping, cid: str, now: Instant) -> str:
    """One conflict in full. `cid` may be shortened. Raises `ConfigError` as `find_conflict`."""
    conflict, records = find_conflict(ledger, cid), Records(ledger, mapping)
    about = listed([records.titled(conflict.lid), conflict.field or ""])
    lines = paragraph(f"{conflict.cid}: {about}", hanging=INDENT)
    lines += paragraph(f"{conflict.kind.value}, {_standing(records, conflict, now)}", indent=INDENT)
    lines += paragraph(reason(records, conflict).rstrip(".") + ".", indent=INDENT)
    lines += ["", *_values(records, conflict)] if faces(records, conflict) else []
    evidence = _evidence(records, conflict)
    lines += ["", *(line for item in evidence for line in paragraph(item, indent=INDENT))] if evidence else []
    if conflict.state is not ConflictState.CLOSED:
        lines += ["", "to settle it"]
        for answer in answers(conflict, mapping):
            command = answer.command(conflict.cid)
            lines += [f"{' ' * INDENT}{command}"] if command else []
            meaning = records.said(answer.meaning, conflict.lid)
            lines += paragraph(meaning, indent=2 * INDENT if command else INDENT)
    return "\n".join(lines)


def conflict_dict(ledger: Ledger, mapping: SyncMapping, cid: str) -> dict[str, Any]:
    """As `conflict_text`, for JSON."""
    conflict, records = find_conflict(ledger, cid), Records(ledger, mapping)
    offered = [
        {"command": answer.command(conflict.cid) or None, "meaning": records.said(answer.meaning, conflict.lid)}
        for answer in answers(conflict, mapping)
    ]
    return {**as_dict(records, conflict), "answers": offered}


# ---- the parts of one conflict


def _decided(records: Records, conflict: Conflict) -> str:
    if conflict.state is not ConflictState.RESOLVED:
        return ""
    chosen = decision(records, conflict) or {}
    return "decided: " + listed([f"{name} {in_words(value)}" for name, value in chosen.items()])


def _standing(records: Records, conflict: Conflict, now: Instant) -> str:
    since = f"since {stamp(conflict.at)} ({age(conflict.at, now)})"
    match conflict.state:
        case ConflictState.OPEN:
            return f"open {since}"
        case ConflictState.RESOLVED:
            return f"open {since}; {_decided(records, conflict)}; the next plan carries it out"
        case ConflictState.CLOSED:
            return f"opened {stamp(conflict.at)}, settled since"


def _values(records: Records, conflict: Conflict) -> list[str]:
    """A row per field: what each side holds, and what it held when they last agreed."""
    sides = [side for side in records.mapping.sides if side in conflict.values]
    gone = conflict.evidence.get("deleted_on")
    rows: list[tuple[str, ...]] = [("", *(f"{side}, deleted" if side == gone else side for side in sides), "")]
    for face in faces(records, conflict):
        before = agreed_on({side: in_words(value, VALUE) for side, value in face.base.items()})
        was = f"was {before}" if before else "never agreed on" if conflict.field is not None else ""
        rows.append((face.field, *(in_words(face.values.get(side, MISSING), VALUE) for side in sides), was))
    return table(rows, most=(20, *(VALUE for _ in sides)))


def _evidence(records: Records, conflict: Conflict) -> list[str]:
    """What led to it, in sentences."""
    shown = clean(records, conflict)
    found = [
        f"{side} {'changed it' if since else 'has held it since'} {span(since, until)}."
        for side, (since, until) in mapping_of(conflict.evidence.get("changed_in")).items()
    ]
    for candidate in conflict.evidence.get("candidates", ()):
        side, entity, rid = candidate
        found.append(f"A candidate: {records.id((side, entity, rid))} {records.name_of((side, entity, rid))}.")
    for role in ("lid", "alias_of"):
        lid = conflict.evidence.get(role)
        link: Link | None = records.link(lid) if isinstance(lid, str) else None
        if link is not None:
            ids = [records.id((side, link.entity, rid)) for side, rid in sorted(records.members(link.lid).items())]
            found.append(f"The other link: {records.titled(link.lid)}, {listed(ids)}.")
    if "attempts" in shown:
        found.append(f"It was written {shown['attempts']} times.")
    patch = {
        name: records.shown(conflict.entity, name, value)
        for name, value in mapping_of(conflict.evidence.get("patch")).items()
    }
    if patch:
        found.append(
            "The write: " + listed([f"{name} {in_words(value, VALUE)}" for name, value in patch.items()]) + "."
        )
    return found
