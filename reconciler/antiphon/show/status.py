"""The state of a sync: links, conflicts, outbox, reads and runs, and what stands in their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT, CURSOR, LINK, OBS, OUTBOX, RUN
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import (
    Conflict,
    ConflictState,
    Cursor,
    Instant,
    LinkState,
    Observation,
    Op,
    OpState,
    RecordState,
    Run,
)
from antiphon.show.groups import EXAMPLES
from antiphon.show.records import Records
from antiphon.show.text import listed, number, paragraph, table
from antiphon.show.times import age, iso, length, stamp

RUNS = 5
"""So many of the last runs are shown."""

_OP_STATES = (OpState.PLANNED, OpState.INFLIGHT, OpState.SENT, OpState.POISON)
_IN_WORDS: Mapping[OpState, str] = {
    OpState.PLANNED: "planned",
    OpState.INFLIGHT: "on its way",
    OpState.SENT: "written, not seen yet",
    OpState.POISON: "refused",
}
_UNREADABLE = (RecordState.ERROR, RecordState.HIDDEN)


def status_text(ledger: Ledger, mapping: SyncMapping, now: Instant) -> str:
    """The state of the sync at `now`."""
    it = _Shown(ledger, mapping)
    instance = ledger.instance
    lines = [f"{instance.name}  ledger {instance.id}, begun {stamp(instance.created)}"]
    if instance.deletes_blocked:
        lines += paragraph(f"no record is deleted: {instance.deletes_blocked}", hanging=4)
    links = [
        (entity, listed([f"{number(n)} {state}" for state, n in counts.items()]) or "none")
        for entity, counts in it.links.items()
    ]
    lines += ["links", *table(links, most=(30,))]
    lines += ["outbox", *table(list(it.outbox_rows(now)), most=(20,))]
    lines += ["reads", *table([(c.side, c.entity, _read(c, now)) for c in it.cursors], most=(20, 30))]
    lines += list(it.unreadable_lines())
    lines += _conflict_lines(it.conflicts)
    lines += _run_lines(it.runs, now)
    return "\n".join(lines)


def status_dict(ledger: Ledger, mapping: SyncMapping, now: Instant) -> dict[str, Any]:
    """As `status_text`, for JSON."""
    it, instance = _Shown(ledger, mapping), ledger.instance
    return {
        "name": instance.name,
        "ledger": instance.id,
        "created": iso(instance.created),
        "at": iso(now),
        "mapping_version": instance.mapping_version,
        "deletes_blocked": instance.deletes_blocked or None,
        "links": it.links,
        "conflicts": {
            "open": _by_kind(it.conflicts, ConflictState.OPEN),
            "decided": _by_kind(it.conflicts, ConflictState.RESOLVED),
        },
        "outbox": {side: it.outbox(side, now) for side in mapping.sides},
        "reads": [
            {
                "side": c.side,
                "entity": c.entity,
                "started": iso(c.read_started),
                "ended": iso(c.read_ended),
                "complete": c.full_at > 0 and c.full_at == c.read_started,
                "last_complete": iso(c.full_at),
                "seen": c.seen,
            }
            for c in it.cursors
        ],
        "unreadable": it.unreadable(),
        "runs": [
            {
                "run": run.run_id,
                "command": run.command,
                "started": iso(run.started),
                "ended": iso(run.ended),
                "outcome": run.outcome or None,
                "counts": dict(run.counts),
            }
            for run in it.runs
        ],
    }


class _Shown:
    """What the ledger holds, counted by its indexes."""

    def __init__(self, ledger: Ledger, mapping: SyncMapping) -> None:
        self._ledger, self._mapping = ledger, mapping
        self._records = Records(ledger, mapping)
        store = ledger.store
        read = {(c.side, c.entity): c for c in store.scan(CURSOR) if c.entity}
        for entity in mapping.entities:
            for side in mapping.sides:
                read.setdefault((side, entity), Cursor(side, entity))
        self.cursors = [read[key] for key in sorted(read, key=lambda key: (key[1], key[0]))]
        self.entities = sorted({entity for _, entity in read})
        self.links = {
            entity: {s.value: n for s in LinkState if (n := store.count(LINK, "state", (entity, s)))}
            for entity in self.entities
        }
        states = [(ConflictState.OPEN,), (ConflictState.RESOLVED,)]
        self.conflicts = store.find(CONFLICT, "state", states)
        self.runs = sorted(store.scan(RUN), key=lambda run: (run.started, run.run_id), reverse=True)[:RUNS]

    def outbox(self, side: str, now: Instant) -> dict[str, Any]:
        """The side's operations by state, how many of them wait for their time, and the last error."""
        found: dict[str, Any] = {
            state.value: n for state in _OP_STATES if (n := self._ledger.store.count(OUTBOX, "state", (side, state)))
        }
        planned = self._ledger.store.find(OUTBOX, "state", [(side, OpState.PLANNED)]) if found else []
        later = [op for op in planned if op.not_before > now]
        if later:
            found["waiting"] = len(later)
            found["next_try"] = iso(min(op.not_before for op in later))
        last = self._last_error(side, planned)
        if last is not None:
            found["last_error"] = {
                "record": self._records.titled(last.lid),
                "error": self._records.said(last.error, last.lid),
                "at": iso(last.sent_at or last.planned_at),
            }
        return found

    def _last_error(self, side: str, planned: list[Op]) -> Op | None:
        refused = self._ledger.store.find(OUTBOX, "state", [(side, OpState.POISON)])
        failed = [op for op in (*planned, *refused) if op.error]
        return max(failed, key=lambda op: (op.sent_at or op.planned_at, op.op_id), default=None)

    def outbox_rows(self, now: Instant) -> Iterator[tuple[str, str]]:
        """A line per side."""
        for side in self._mapping.sides:
            found = self.outbox(side, now)
            parts = [f"{number(found[s.value])} {_IN_WORDS[s]}" for s in _OP_STATES if s.value in found]
            if "waiting" in found:
                until = found["next_try"][:19].replace("T", " ")
                parts[0] += f" ({number(found['waiting'])} not before {until} UTC)"
            text = listed(parts) or "empty"
            if "last_error" in found:
                text += f"; last error, {found['last_error']['record']}: {found['last_error']['error']}"
            yield side, text

    def unreadable(self) -> list[dict[str, Any]]:
        """How many records each side cannot show, with the first few."""
        found = []
        for cursor in self.cursors:
            index = [(cursor.side, cursor.entity, state) for state in _UNREADABLE]
            count = sum(self._ledger.store.count(OBS, "live", entry) for entry in index)
            if not count:
                continue
            rows = self._ledger.store.find(OBS, "live", index)[:EXAMPLES]
            first = [{"id": self._records.id(row.key), "problem": self._problem(row)} for row in rows]
            found.append({"side": cursor.side, "entity": cursor.entity, "count": count, "first": first})
        return found

    def _problem(self, row: Observation) -> str:
        lid = self._records.holder(row.key)
        return self._records.said(row.error or f"{row.side} shows it as {row.state.value}", lid, row)

    def unreadable_lines(self) -> Iterator[str]:
        """The same as text, if there are any."""
        found = self.unreadable()
        if found:
            yield f"unreadable: {number(sum(entry['count'] for entry in found))}"
        for entry in found:
            first = listed([f"{each['id']} ({each['problem']})" for each in entry["first"]], joint="; ")
            rest = "" if entry["count"] <= len(entry["first"]) else ", the first of them"
            text = f"{entry['side']}  {number(entry['count'])} {entry['entity']}{rest}: {first}"
            yield from paragraph(text, indent=4, hanging=8)


def _by_kind(conflicts: list[Conflict], state: ConflictState) -> dict[str, int]:
    return dict(sorted(Counter(c.kind.value for c in conflicts if c.state is state).items()))


def _conflict_lines(conflicts: list[Conflict]) -> list[str]:
    opened = _by_kind(conflicts, ConflictState.OPEN)
    decided = sum(_by_kind(conflicts, ConflictState.RESOLVED).values())
    if not opened and not decided:
        return ["conflicts: none"]
    kinds = listed([f"{number(count)} {kind}" for kind, count in opened.items()])
    text = f"conflicts: {number(sum(opened.values()))} open{f' ({kinds})' if kinds else ''}"
    text += f", {number(decided)} decided for the next plan" if decided else ""
    return paragraph(f"{text}; see `antiphon conflicts list`", hanging=4)


def _read(cursor: Cursor, now: Instant) -> str:
    if not cursor.read_started:
        return "never"
    if not cursor.read_ended:
        whole = f"; the last complete one {age(cursor.full_at, now)}" if cursor.full_at else ""
        return f"begun {age(cursor.read_started, now)}, not ended{whole}"
    text = f"{age(cursor.read_ended, now)}, {number(cursor.seen)} seen"
    if cursor.full_at and cursor.full_at == cursor.read_started:
        return f"{text}, complete"
    if cursor.pending_full:
        return f"{text}, not yet proven complete"
    whole = f"the last complete read {age(cursor.full_at, now)}" if cursor.full_at else "never read completely"
    return f"{text}, the changes only; {whole}"


def _run_lines(runs: list[Run], now: Instant) -> list[str]:
    if not runs:
        return ["runs: none"]
    rows = []
    for run in runs:
        outcome = run.outcome or ("done" if run.ended else "not ended")
        took = f" in {length(run.ended - run.started)}" if run.ended else ""
        counts = listed([f"{number(count)} {name}" for name, count in sorted(run.counts.items())])
        rows.append(
            (
                stamp(run.started),
                run.command,
                age(run.started, now),
                f"{outcome}{took}{f': {counts}' if counts else ''}",
            )
        )
    return ["runs", *table(rows, most=(23, 16, 12))]
