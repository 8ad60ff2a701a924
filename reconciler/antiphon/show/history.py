"""Everything the ledger holds of one record, and what happened to it in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from antiphon.equivalence import canon
from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.tables import AUDIT, BASE, CONFLICT, OUTBOX
from antiphon.mapping import Entity, Field
from antiphon.model import (
    MISSING,
    Audit,
    Base,
    Cause,
    Conflict,
    ConflictState,
    Instant,
    Link,
    LinkState,
    Observation,
    Op,
    OpKind,
    OpState,
    Side,
    Value,
)
from antiphon.show.dispute import one_line, reason
from antiphon.show.find import Hit
from antiphon.show.records import Records
from antiphon.show.text import listed
from antiphon.show.times import span
from antiphon.show.values import change, in_words
from antiphon.sync.links import BY_HAND

_LONG = 40


@dataclass(frozen=True, slots=True)
class Event:
    """One sentence of a record's story. `field` is None where it is about the whole record."""

    at: Instant
    kind: str
    text: str
    side: Side | None = None
    field: str | None = None
    run: str | None = None


class History:
    """One record: its link, if it has one, and every row that speaks of it."""

    def __init__(self, ledger: Ledger, records: Records, hit: Hit) -> None:
        self.records, self.entity_name, self._ledger = records, hit.entity, ledger
        self.entity: Entity | None = records.mapping.entities.get(hit.entity)
        self.link: Link | None = records.link(hit.lid) if hit.lid else None
        self.keys: dict[Side, ObsKey] = {}
        if hit.key is not None:
            self.keys[hit.key[0]] = hit.key
        elif hit.lid:
            self.keys = {side: (side, hit.entity, rid) for side, rid in sorted(records.members(hit.lid).items())}
        self.seen: dict[Side, Observation] = {
            side: shown for side, key in self.keys.items() if (shown := records.observation(key)) is not None
        }
        each = [(hit.lid,)] if hit.lid else []
        store = ledger.store
        bases = ledger.get(BASE, hit.lid) if hit.lid else None
        self.bases: Mapping[str, Mapping[Side, Base]] = bases.fields if bases is not None else {}
        self.ops: list[Op] = store.find(OUTBOX, "lid", each)
        self.audits: list[Audit] = store.find(AUDIT, "lid", each)
        self.conflicts: list[Conflict] = sorted(store.find(CONFLICT, "lid", each), key=lambda c: (c.at, c.cid))

    def said(self, text: str) -> str:
        """Free text about the record, without its hidden values."""
        return self.records.said(text, self.link.lid if self.link is not None else None, *self.seen.values())

    # ---- now

    @property
    def open_ops(self) -> list[Op]:
        """What is still to be written, or written and not seen yet."""
        return [op for op in self.ops if op.state.open]

    @property
    def open_conflicts(self) -> list[Conflict]:
        """What waits for a person, or for the next plan to carry out an answer."""
        return [conflict for conflict in self.conflicts if conflict.state is not ConflictState.CLOSED]

    def value(self, side: Side, field: Field) -> Any:
        """What the side last showed; not masked."""
        shown = self.seen.get(side)
        return shown.fields.get(field.columns[side], MISSING) if shown is not None else MISSING

    def standing(self, field: Field) -> str:
        """Whether the sides agree on a field."""
        pair = self.bases.get(field.name, {})
        if len(pair) < len(self.records.mapping.sides):
            return "never agreed on"
        if any(base.status.value == "provisional" for base in pair.values()):
            return "written, not seen yet"
        changed = [side for side, base in sorted(pair.items()) if self._moved(field, side, base.value)]
        return f"{' and '.join(changed)} changed it since they agreed" if changed else "agreed"

    def _moved(self, field: Field, side: Side, base: Value) -> bool:
        now = self.value(side, field)
        return now is not MISSING and not self.same(field, side, now, base)

    def same(self, field: Field, side: Side, one: Value, two: Value) -> bool:
        """Whether two values of a side mean the same."""
        if one == two and type(one) is type(two):
            return True
        zone = self.entity.sides[side].timezone if self.entity is not None else "UTC"
        return canon(field, side, one, self._resolve, zone) == canon(field, side, two, self._resolve, zone)

    def _resolve(self, entity: str, side: Side, rid: str) -> str | None:
        return self.records.holder((side, entity, rid))

    # ---- then

    def events(self, only: Field | None = None) -> list[Event]:
        """The record's story, or one field's; sentences of one instant in the order in which such things happen."""
        found = [
            *self._link_events(),
            *self._changes(only),
            *(event for conflict in self.conflicts for event in self._conflict_events(conflict)),
            *(event for op in self.ops for event in self._op_events(op)),
            *(self._audit_event(audit) for audit in self.audits),
        ]
        order = {"linked": 0, "changed": 1, "conflict": 2, "refused": 4, "closed": 5}
        told = [event for event in found if only is None or event.field in (None, only.name, only.group)]
        return sorted(told, key=lambda event: (event.at, order.get(event.kind, 3)))

    def _link_events(self) -> Iterator[Event]:
        link = self.link
        if link is None:
            return
        ids = " and ".join(self.records.id(key) for key in self.keys.values())
        created = next((op.side for op in self.ops if op.kind is OpKind.CREATE), None)
        if link.match_rule == BY_HAND:
            text = f"A person said that {ids} are the same."
        elif link.match_rule:
            text = f"{ids} were linked: they have the same {link.match_rule}."
        elif created is not None:
            source = self.records.mapping.other(created)
            text = f"{source} had a record without a partner: it was to be created on {created}."
        else:
            text = "A link was opened for a record without a partner."
        yield Event(link.created, "linked", text)
        if link.closed is not None:
            why = self.said(link.closed_reason)
            what = "A person took the link apart" if link.state is LinkState.DETACHED else "The link was closed"
            yield Event(link.closed, "closed", f"{what}{f': {why}' if why else ''}.")

    def _changes(self, only: Field | None) -> Iterator[Event]:
        """When each side's last changes happened, by our own clock; those of one interval in one sentence."""
        fields = list(self.entity.fields.values()) if self.entity is not None and only is None else []
        for side, shown in self.seen.items():
            together: dict[tuple[Instant, Instant, bool], list[str]] = {}
            for field in [only] if only is not None else fields:
                interval = shown.dirty.get(field.columns[side])
                if interval is not None:
                    value = shown.fields.get(field.columns[side], MISSING)
                    ours = self._ours(field, side, value, interval[1])
                    held = f"{field.name} {self._words(field.name, value)}"
                    together.setdefault((*interval, ours), []).append(held)
            for (since, until, ours), held_values in together.items():
                values = listed(held_values)
                name = only.name if only is not None else None
                if since <= 0:
                    text = f"{side} first showed {values}."
                elif ours:
                    text = f"{side} showed what we wrote: {values}."
                else:
                    text = f"{side} showed {values}, changed {span(since, until)}."
                yield Event(until, "changed", text, side, name)

    def _ours(self, field: Field, side: Side, value: Any, until: Instant) -> bool:
        return any(
            op.side == side
            and op.state in (OpState.ACKED, OpState.SENT)
            and (op.sent_at or 0) <= until
            and field.name in op.patch
            and value is not MISSING
            and self.same(field, side, value, op.patch[field.name])
            for op in self.ops
        )

    def _conflict_events(self, conflict: Conflict) -> Iterator[Event]:
        shown = one_line(self.records, conflict)
        why = reason(self.records, conflict)
        after = "" if conflict.state is not ConflictState.CLOSED else " It is settled."
        text = f"A conflict [{conflict.cid}]: {listed([why, shown], joint='; ')}.{after}"
        yield Event(conflict.at, "conflict", text, None, conflict.field, conflict.run_id)

    def _op_events(self, op: Op) -> Iterator[Event]:
        said = self.said(op.error)
        at = op.acked_at or op.sent_at or op.planned_at
        match op.state:
            case OpState.ACKED | OpState.SENT if op.kind is OpKind.CREATE:
                unseen = ", and no read has shown it yet" if op.state is OpState.SENT else ""
                text = f"The record was created on {op.side}{unseen}."
                yield Event(at, "delivered", text, op.side, None, op.run_id)
            case OpState.POISON:
                yield Event(at, "refused", f"{op.side} refused the {op.kind.value}: {said}.", op.side, None, op.run_id)
            case OpState.REJECTED:
                text = f"The {op.kind.value} of {op.side} was not carried out: {said}."
                yield Event(at, "refused", text, op.side, None, op.run_id)
            case OpState.DROPPED if op.sent_at is not None:
                text = f"The {op.kind.value} of {op.side} was given up: {said or 'it is no longer wanted'}."
                yield Event(at, "refused", text, op.side, None, op.run_id)
            case _:
                return

    def _why(self, audit: Audit, name: str) -> str:
        """Why the value won, as its operation says."""
        told = next((op.reasons.get(name, "") for op in self.ops if op.op_id == audit.op_id), "")
        return f", since {self.said(told)}" if told else ""

    def _audit_event(self, audit: Audit) -> Event:
        return Event(audit.at, audit.cause.value, self._audited(audit), audit.side, audit.field, audit.run_id)

    def _audited(self, audit: Audit) -> str:
        side, name = audit.side, audit.field
        if audit.cause is Cause.ERASED:
            return "The record's values were erased everywhere; only keyed hashes of them stay."
        if self.link is not None and self.link.state is LinkState.ERASED:
            return f"{name or 'The record'} was {audit.cause.value} on {side}; the values were erased."
        other = self.records.mapping.other(side)
        if name is None:
            return self._record_audited(audit)
        shown = change(self._mask(name, audit.old), self._mask(name, audit.new), _LONG)
        match audit.cause:
            case Cause.DELIVERED:
                return f"{name} was written to {side}: {shown}, as {other} has it."
            case Cause.SUPERSEDED:
                lost = f"it lost to {other}{self._why(audit, name)}"
                return f"{name} was written to {side}: {shown}; the value it replaced is kept here, {lost}."
            case Cause.CLOBBERED:
                return f"{name} was overwritten on {side} between our look and our write: {shown}."
            case Cause.DELETED | Cause.PARKED | Cause.RESTORED | Cause.ERASED:
                return f"{name} was {audit.cause.value} on {side}: {shown}."
            case _:
                assert_never(audit.cause)

    def _record_audited(self, audit: Audit) -> str:
        if isinstance(audit.old, str) and isinstance(audit.new, str):
            old, new = (self.records.id((audit.side, self.entity_name, rid)) for rid in (audit.old, audit.new))
            return f"Its id on {audit.side} changed: {old} → {new}."
        held = audit.old if isinstance(audit.old, Mapping) else audit.new
        values = (
            listed([f"{n} {self._words(n, v)}" for n, v in sorted(held.items())]) if isinstance(held, Mapping) else ""
        )
        return f"The record was {audit.cause.value} on {audit.side}{f'; it held {values}' if values else ''}."

    def _mask(self, name: str, value: Any) -> Any:
        return self.records.shown(self.entity_name, name, value)

    def _words(self, name: str, value: Any) -> str:
        return in_words(self._mask(name, value), _LONG)
