"""Conflicts chosen by what they are about, and as the rows of a file in which a person fills the column `decision`.

| column       | what it holds                                                                              |
|--------------|--------------------------------------------------------------------------------------------|
| `conflict`   | the id, after a `#`, so that no spreadsheet takes it for a number                          |
| one per side | what the side holds: of a single field its value, of a group or a whole record its fields  |
| `before`     | what the sides last agreed on                                                              |
| `answers`    | what may stand in `decision`                                                               |
| `decision`   | empty: not decided; a side's name: its word goes; `value: …`: this for both; `retry`       |
| `as_of`      | the run that last changed the conflict: a decision on what was overtaken since is refused  |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import MISSING, Conflict, ConflictKind, ConflictState, Missing, Side
from antiphon.sheet import SheetRow
from antiphon.show.answers import answers
from antiphon.show.conflicts import waiting
from antiphon.show.dispute import decision, faces, reason
from antiphon.show.records import Records
from antiphon.show.text import listed
from antiphon.show.values import in_words
from antiphon.sync.decide import Decision, Give, Retry, Take, unfit, value_of

_TERM = re.compile(r"\s*([A-Za-z][\w-]*)\s*(!=|=|~)(.*)", re.DOTALL)
_VALUE = re.compile(r"value\s*:(.*)", re.DOTALL | re.IGNORECASE)
_RETRY, _ELLIPSIS = "retry", "…"
NEEDED = ("conflict", "decision")
"""The columns that an import must have."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition on a conflict. `=` and `!=` compare the whole text, `~` finds a part of it in any case."""

    name: str
    operator: str
    text: str

    def holds(self, shown: str) -> bool:
        """Whether the text as it is shown meets the condition."""
        match self.operator:
            case "=":
                return shown == self.text
            case "!=":
                return shown != self.text
            case _:
                return self.text.casefold() in shown.casefold()


def read_terms(mapping: SyncMapping, where: Iterable[str]) -> tuple[Term, ...]:
    """Conditions such as `entity=contact`, `field!=phone`, `crm~rome`. Raises `ConfigError` for one that is none."""
    names = ("entity", "field", "record", "policy", "reason", "run", *mapping.sides)
    terms = []
    for text in where:
        found = _TERM.fullmatch(text)
        if found is None or found[1] not in names:
            raise ConfigError(
                f"--where {text!r} is no condition",
                hint=f"NAME=TEXT, NAME!=TEXT or NAME~PART, where NAME is one of {', '.join(names)}",
            )
        terms.append(Term(found[1], found[2], found[3].strip()))
    return tuple(terms)


def choose(
    ledger: Ledger, mapping: SyncMapping, where: Sequence[str], kinds: Sequence[str], *, decided: bool = True
) -> tuple[Conflict, ...]:
    """The waiting conflicts of one of the kinds that meet every condition; the decided ones too, if wanted."""
    terms = read_terms(mapping, where)
    records = Records(ledger, mapping)
    wanted = {ConflictKind(kind) for kind in kinds} or set(ConflictKind)
    found = [c for c in waiting(ledger) if c.kind in wanted and (decided or c.state is ConflictState.OPEN)]
    if terms:
        records.load(conflict.lid for conflict in found)
        found = [c for c in found if all(term.holds(_text(records, c, term.name)) for term in terms)]
    return tuple(found)


def _text(records: Records, conflict: Conflict, name: str) -> str:
    """What a condition is about, as it may be shown: nothing is found by a hidden value."""
    match name:
        case "entity":
            return conflict.entity
        case "field":
            return conflict.field or ""
        case "record":
            return records.name(conflict.lid).text
        case "policy":
            return conflict.policy
        case "reason":
            return reason(records, conflict)
        case "run":
            return conflict.run_id
        case side:
            shown = _held(records, conflict).get(side)
            return "" if shown is None else in_words(shown) if not isinstance(shown, Mapping) else _fields(shown)


def _fields(shown: Mapping[str, Any]) -> str:
    return listed([f"{name} {in_words(value)}" for name, value in shown.items()])


# ---- rows


def columns_of(mapping: SyncMapping) -> tuple[str, ...]:
    """The columns of a file of conflicts."""
    return (
        *("conflict", "entity", "record", "field", "kind", "reason"),
        *mapping.sides,
        *("before", "answers", "decision", "as_of"),
    )


def inbox_rows(ledger: Ledger, mapping: SyncMapping, conflicts: Sequence[Conflict]) -> Iterator[Mapping[str, Any]]:
    """The conflicts as rows, for a person to decide."""
    records = Records(ledger, mapping)
    records.load(conflict.lid for conflict in conflicts)
    for conflict in conflicts:
        yield {
            "conflict": f"#{conflict.cid}",
            "entity": conflict.entity,
            "record": records.name(conflict.lid).text,
            "field": conflict.field,
            "kind": conflict.kind.value,
            "reason": reason(records, conflict),
            **_held(records, conflict),
            "before": _before(records, conflict),
            "answers": ", ".join(_words(answer.options) for answer in answers(conflict, mapping) if answer.options),
            "decision": _decided(records, conflict),
            "as_of": f"#{conflict.run_id}",
        }


def _held(records: Records, conflict: Conflict) -> dict[Side, Any]:
    """What each side holds: a value, or an object of several fields."""
    shown = faces(records, conflict)
    if conflict.field is not None and len(shown) == 1:
        values = shown[0].values
        return {side: value for side, value in values.items() if not isinstance(value, Missing)}
    return {
        side: {face.field: value for face in shown if not isinstance(value := face.values.get(side, MISSING), Missing)}
        for side in conflict.values
    }


def _before(records: Records, conflict: Conflict) -> Any:
    agreed = {face.field: dict(face.base) for face in faces(records, conflict) if face.base}
    if not agreed:
        return None
    if conflict.field is not None and len(agreed) == 1:
        values = next(iter(agreed.values()))
        first = next(iter(values.values()))
        return first if all(value == first for value in values.values()) else values
    return agreed


def _words(options: str) -> str:
    """An answer as it is written into the column."""
    word, _, argument = options.removeprefix("--").partition(" ")
    return argument if word == "take" else f"value: {_ELLIPSIS}" if word == "value" else word


def _decided(records: Records, conflict: Conflict) -> str | None:
    chosen = decision(records, conflict)
    if chosen is None:
        return None
    if "value" in chosen:
        return f"value: {in_words(chosen['value'])}"
    return str(chosen.get("take", _RETRY))


@dataclass(slots=True)
class Inbox:
    """What the rows of a file ask for."""

    decisions: dict[str, Decision]
    undecided: int = 0
    unchanged: int = 0
    over: int = 0


def read_inbox(ledger: Ledger, mapping: SyncMapping, rows: Sequence[SheetRow]) -> tuple[Inbox, list[str]]:
    """The decisions in rows, and every bad row with what is wrong with it. Conflicts that are over are passed over."""
    ids = [row.text("conflict").removeprefix("#") for row in rows]
    found = ledger.store.get(CONFLICT, [(cid,) for cid in ids])
    records, inbox = Records(ledger, mapping), Inbox({})
    records.load(conflict.lid for conflict in found.values())
    lines: dict[str, str] = {}
    bad: list[str] = []
    for row, cid in zip(rows, ids, strict=True):
        conflict = found.get((cid,))
        written = row.text("decision")
        if not written:
            inbox.undecided += 1
        elif conflict is None:
            bad.append(f"{row.where}: there is no conflict {cid!r}")
        elif lines.setdefault(cid, row.where) != row.where:
            bad.append(f"{row.where}: the conflict {cid} stands in {lines[cid]} already")
        elif conflict.state is ConflictState.CLOSED:
            inbox.over += 1
        elif row.text("as_of").removeprefix("#") not in ("", conflict.run_id):
            bad.append(f"{row.where}: the conflict {cid} is not what it was: its sides changed since the export")
        elif written == _decided(records, conflict):
            inbox.unchanged += 1
        else:
            decision = _read_decision(mapping, written)
            problem = decision if isinstance(decision, str) else unfit(conflict, decision)
            if isinstance(decision, str) or problem:
                bad.append(f"{row.where}: {problem}")
            else:
                inbox.decisions[cid] = decision
    return inbox, bad


def _read_decision(mapping: SyncMapping, written: str) -> Decision | str:
    side = next((side for side in mapping.sides if side.casefold() == written.casefold()), None)
    if side is not None:
        return Take(side)
    if written.casefold() == _RETRY:
        return Retry()
    value = _VALUE.fullmatch(written)
    if value is not None and value[1].strip() == _ELLIPSIS:
        return "write the value itself after `value:`"
    if value is not None:
        return Give(value_of(value[1].strip()))
    return f"the decision {written!r} is none; allowed: {', '.join(mapping.sides)}, value: …, {_RETRY}"
