"""Why a record is as it is: its story in sentences, in the order of time, and what is still to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.mapping import Field
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import MISSING, Instant, LinkState, Missing, Op, OpKind, OpState, RecordState, Side
from antiphon.show.dispute import as_dict, one_line, reason
from antiphon.show.find import Hit, find_record
from antiphon.show.history import Event, History
from antiphon.show.operation import op_dict, reasons, verb
from antiphon.show.records import Records
from antiphon.show.text import INDENT, listed, number, paragraph, table
from antiphon.show.times import age, iso, stamp
from antiphon.show.values import change, in_words

_VALUE = 26
_STATES = {
    OpState.PLANNED: "planned",
    OpState.INFLIGHT: "on its way, planned",
    OpState.SENT: "written and not seen yet, planned",
}


def why_text(ledger: Ledger, mapping: SyncMapping, record: str, field: str | None, now: Instant) -> str:
    """The story of the record that `record` names (see `find_record`), or of one of its fields.

    Raises:
        ConfigError: there is no such record or field.
    """
    hits, records = find_record(ledger, mapping, record), Records(ledger, mapping)
    if len(hits) > 1:
        rows = [(_address(records, hit), _title(records, hit), _state(records, hit)) for hit in hits]
        head = f"{number(len(hits))} records fit; name one of them, as in `antiphon why {rows[0][0]}`:"
        return "\n".join([*paragraph(head), *table(rows, most=(40, 40))])
    it = History(ledger, records, hits[0])
    only = _only(it, field)
    return "\n".join(
        [
            *_head(it, hits[0]),
            "",
            *_events(it, only),
            "",
            "now",
            *_fields(it, only),
            *_pending(it, only, now),
            *_disputes(it, only, now),
        ]
    )


def why_dict(ledger: Ledger, mapping: SyncMapping, record: str, field: str | None, now: Instant) -> dict[str, Any]:
    """As `why_text`, for JSON: `records` has one entry per hit, and the story if there is only one."""
    hits, records = find_record(ledger, mapping, record), Records(ledger, mapping)
    entries = [
        {
            "lid": hit.lid,
            "entity": hit.entity,
            "record": _name(records, hit),
            "address": _address(records, hit),
            "state": _state(records, hit),
        }
        for hit in hits
    ]
    if len(hits) > 1:
        return {"records": entries}
    it = History(ledger, records, hits[0])
    only = _only(it, field)
    story = {
        "at": iso(now),
        "parked": _parked(it),
        "ids": {side: records.id(key).removeprefix(f"{side}:") for side, key in it.keys.items()},
        "events": [_event_dict(event) for event in it.events(only)],
        "fields": [_field_dict(it, each) for each in _listed(it, only)],
        "pending": [op_dict(records, op) | {"state": op.state.value} for op in it.open_ops if _concerns(op, only)],
        "conflicts": [as_dict(records, c) for c in it.open_conflicts if only is None or c.field in _names(only)],
    }
    return {"records": [entries[0] | story]}


def _only(it: History, field: str | None) -> Field | None:
    if field is None:
        return None
    fields = it.entity.fields if it.entity is not None else {}
    if field not in fields:
        raise ConfigError(
            f"{it.entity_name} has no field {field!r}; it has {listed(sorted(fields)) or 'none'}",
            hint="name the field as sync.yml does",
        )
    return fields[field]


# ---- who it is


def _name(records: Records, hit: Hit) -> str:
    if hit.lid is not None:
        return records.name(hit.lid).text
    return records.name_of(hit.key).text if hit.key is not None else ""


def _title(records: Records, hit: Hit) -> str:
    if hit.lid is not None:
        return records.titled(hit.lid)
    return f"{hit.entity} {records.name_of(hit.key)}" if hit.key is not None else hit.entity


def _address(records: Records, hit: Hit) -> str:
    """What names this one record and no other."""
    if hit.lid is not None:
        return hit.lid
    return f"{hit.entity}:{records.id(hit.key)}" if hit.key is not None else ""


def _state(records: Records, hit: Hit) -> str:
    link = records.link(hit.lid) if hit.lid is not None else None
    return link.state.value if link is not None else "not linked"


def _head(it: History, hit: Hit) -> list[str]:
    lines = paragraph(f"{_title(it.records, hit)}, {_state(it.records, hit)}", hanging=INDENT)
    lines += table([("link", hit.lid)] if hit.lid else [], most=(20,))
    lines += table([(side, _id(it, side)) for side in it.keys], most=(20,))
    parked = _parked(it)
    if parked:
        lines += paragraph(parked)
    if it.link is None:
        lines += paragraph("No link holds it: the next plan looks for its partner.")
    return lines


def _id(it: History, side: Side) -> str:
    """The record's id on a side, and what is amiss with it there."""
    shown = it.seen.get(side)
    amiss = shown is None or shown.state is not RecordState.LIVE
    state = "not seen yet" if shown is None else listed([shown.state.value, it.said(shown.error or "")], joint=": ")
    return it.records.id(it.keys[side]).removeprefix(f"{side}:") + (f"  ({state})" if amiss else "")


def _parked(it: History) -> str | None:
    """Why nothing is written to the record, if that is so."""
    link = it.link
    if link is None or link.state not in _STOPPED:
        return None
    why = it.records.said(link.closed_reason, link.lid).rstrip(".")
    alias = f"it is an alias of {it.records.titled(link.alias_of)}" if link.alias_of else ""
    return f"{_STOPPED[link.state]}: {listed([why, alias], joint='; ') or 'no reason was kept'}."


_STOPPED = {
    LinkState.PARKED: "It is parked and nothing is written to it",
    LinkState.QUARANTINED: "It is in quarantine and nothing is written to it",
    LinkState.ALIAS: "Nothing is written to it",
    LinkState.DETACHED: "It was unlinked and is not linked again",
}


# ---- what happened


def _events(it: History, only: Field | None) -> list[str]:
    rows = []
    for event in it.events(only):
        run = f" (run {event.run})." if event.run else "."
        rows.append((stamp(event.at), event.text.removesuffix(".") + run))
    return table(rows, indent=0, most=(len(stamp(0)),))


def _event_dict(event: Event) -> dict[str, Any]:
    return {
        "at": iso(event.at),
        "kind": event.kind,
        "text": event.text,
        "side": event.side,
        "field": event.field,
        "run": event.run,
    }


# ---- how it stands


def _listed(it: History, only: Field | None) -> Iterable[Field]:
    if only is not None:
        return [only]
    return it.entity.fields.values() if it.entity is not None else []


def _fields(it: History, only: Field | None) -> list[str]:
    sides = it.records.mapping.sides
    rows: list[tuple[str, ...]] = [("", *sides, "")]
    for field in _listed(it, only):
        held = [in_words(it.records.shown(it.entity_name, field.name, it.value(side, field)), _VALUE) for side in sides]
        rows.append((field.name, *held, it.standing(field)))
    return table(rows, most=(20, *(_VALUE for _ in sides)))


def _field_dict(it: History, field: Field) -> dict[str, Any]:
    values = {side: it.records.veil.value(it.entity_name, field.name, it.value(side, field)) for side in it.keys}
    changed = {
        side: [iso(instant) for instant in shown.dirty[field.columns[side]]]
        for side, shown in it.seen.items()
        if field.columns[side] in shown.dirty
    }
    return {
        "field": field.name,
        "values": {side: value for side, value in values.items() if not isinstance(value, Missing)},
        "changed_in": changed,
        "standing": it.standing(field),
    }


def _names(field: Field) -> tuple[str | None, ...]:
    return (None, field.name, field.group) if field.group else (None, field.name)


def _concerns(op: Op, only: Field | None) -> bool:
    return only is None or op.kind is OpKind.DELETE or only.name in op.patch


def _pending(it: History, only: Field | None, now: Instant) -> Iterator[str]:
    for op in it.open_ops:
        if not _concerns(op, only):
            continue
        why = reasons(it.records, op)
        parts = [
            f"{name} {_change(it, op, name)}{f' ({why[name]})' if why.get(name) else ''}"
            for name in sorted(op.patch)
            if op.kind is not OpKind.DELETE and (only is None or name == only.name)
        ]
        when = "To come" if op.state is OpState.PLANNED else "Under way"
        text = f"{when}: {verb(op)} on {op.side}, {_STATES[op.state]} {age(op.planned_at, now)}"
        text += f" ({why['']})" if why.get("") else ""
        if op.not_before > now:
            text += f", tried again {age(op.not_before, now)}: {it.records.said(op.error, op.lid)}"
        yield from paragraph(f"{text}{f': {listed(parts)}' if parts else ''}.", hanging=INDENT)


def _change(it: History, op: Op, name: str) -> str:
    new = it.records.shown(op.entity, name, op.patch[name])
    if op.kind is OpKind.CREATE:
        return in_words(new, _VALUE)
    return change(it.records.shown(op.entity, name, op.expect.get(name, MISSING)), new, _VALUE)


def _disputes(it: History, only: Field | None, now: Instant) -> Iterator[str]:
    for conflict in it.open_conflicts:
        if only is not None and conflict.field not in _names(only):
            continue
        shown = listed([reason(it.records, conflict), one_line(it.records, conflict)], joint="; ")
        text = (
            f"Waits for a person since {age(conflict.at, now)}: {shown}. See `antiphon conflicts show {conflict.cid}`."
        )
        yield from paragraph(text, hanging=INDENT)
