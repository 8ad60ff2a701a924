"""The parts of a conflict as they may be shown: to the list of conflicts, to a plan and to a record's story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from antiphon.model import MISSING, Conflict, Missing, Side
from antiphon.show.records import Records
from antiphon.show.text import listed
from antiphon.show.times import iso
from antiphon.show.values import in_words

VALUE = 24
"""A value of a conflict is cut to so many cells."""


@dataclass(frozen=True, slots=True)
class Face:
    """One field of a conflict as it may be shown: what each side holds, and what they last agreed on."""

    field: str
    values: Mapping[Side, Any]
    base: Mapping[Side, Any]


def reason(records: Records, conflict: Conflict) -> str:
    """Why it waits, in the words of the planner."""
    return records.said(str(conflict.evidence.get("reason", conflict.kind.value)), conflict.lid, conflict)


def faces(records: Records, conflict: Conflict) -> list[Face]:
    """Its fields: of a field or group conflict those it is about, of a record everything that was shown."""
    entity, veil = records.mapping.entities.get(conflict.entity), records.veil
    values = {side: mapping_of(shown) for side, shown in conflict.values.items()}
    base = {side: mapping_of(shown) for side, shown in conflict.base.items()}
    if conflict.field is not None or entity is None:
        names = list(dict.fromkeys(name for shown in values.values() for name in shown))
        by_field = values
    else:
        names = list(entity.fields)
        by_field = {
            side: {
                name: shown[f.columns[side]]
                for name, f in entity.fields.items()
                if side in f.columns and f.columns[side] in shown
            }
            for side, shown in values.items()
        }
    found = [
        Face(
            name,
            {side: veil.value(conflict.entity, name, shown.get(name, MISSING)) for side, shown in by_field.items()},
            {side: veil.value(conflict.entity, name, shown[name]) for side, shown in base.items() if name in shown},
        )
        for name in names
    ]
    return [face for face in found if any(not isinstance(value, Missing) for value in face.values.values())]


def one_line(records: Records, conflict: Conflict) -> str:
    """`phone: crm +1 555 0100 | warehouse +1 555 0199 (was +1 555 0000)`; empty for a whole record."""
    if conflict.field is None:
        return ""
    shown = faces(records, conflict)
    now = {side: _brief({f.field: f.values.get(side, MISSING) for f in shown}) for side in conflict.values}
    before = {side: _brief({f.field: f.base[side] for f in shown if side in f.base}) for side in conflict.base}
    agreed = agreed_on(before)
    held = " | ".join(f"{side} {text}" for side, text in now.items())
    return f"{conflict.field}: {held}" + (f" (was {agreed})" if agreed else "")


def agreed_on(before: Mapping[Side, str]) -> str:
    """What the sides held when they last agreed: one value if both wrote it alike."""
    if len(set(before.values())) == 1:
        return next(iter(before.values()))
    return listed([f"{side} {text}" for side, text in before.items() if text])


def _brief(values: Mapping[str, Any]) -> str:
    """One field's value, or those of a group with their names."""
    if len(values) == 1:
        return in_words(next(iter(values.values())), VALUE)
    return listed([f"{name} {in_words(value, VALUE)}" for name, value in values.items()])


def as_dict(records: Records, conflict: Conflict) -> dict[str, Any]:
    """A conflict for JSON."""
    shown = faces(records, conflict)
    name = records.name(conflict.lid)
    return {
        "cid": conflict.cid,
        "lid": conflict.lid,
        "entity": conflict.entity,
        "record": name.text,
        "field": conflict.field,
        "kind": conflict.kind.value,
        "state": conflict.state.value,
        "reason": reason(records, conflict),
        "policy": conflict.policy or None,
        "at": iso(conflict.at),
        "run": conflict.run_id,
        "values": {side: _known({f.field: f.values.get(side, MISSING) for f in shown}) for side in conflict.values},
        "base": {side: {f.field: f.base[side] for f in shown if side in f.base} for side in conflict.base},
        "evidence": clean(records, conflict),
        "decision": decision(records, conflict),
    }


def decision(records: Records, conflict: Conflict) -> dict[str, Any] | None:
    """What was chosen; a value given for a hidden field is hidden, too."""
    if conflict.decision is None:
        return None
    return {
        name: records.veil.value(conflict.entity, conflict.field or "", value) if name == "value" else value
        for name, value in conflict.decision.items()
    }


def clean(records: Records, conflict: Conflict) -> dict[str, Any]:
    """The evidence as it may be shown, instants as people write them."""
    given = {name: value for name, value in conflict.evidence.items() if name not in ("reason", "mapping")}
    spans = mapping_of(given.pop("changed_in", {}))
    shown: dict[str, Any] = records.veil.anything(conflict.entity, given, records.secrets(conflict.lid, conflict))
    if spans:
        shown["changed_in"] = {side: [iso(instant) for instant in pair] for side, pair in spans.items()}
    return shown


def mapping_of(shown: Any) -> Mapping[str, Any]:
    """A part of a conflict that ought to be an object; an empty one if it is not."""
    return shown if isinstance(shown, Mapping) else {}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not isinstance(value, Missing)}
