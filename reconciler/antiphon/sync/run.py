"""One process: both taps read at once, one plan, both targets written at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from antiphon.config import EntityConfig, PluginConfig, Replication, SyncConfig, bind, scope_version
from antiphon.config.finding import Finding
from antiphon.config.lint import lint, lint_replication
from antiphon.errors import ConfigError, GuardTripped
from antiphon.ledger import Ledger
from antiphon.ledger.restore import RESTORED
from antiphon.ledger.tables import ABSENCE, CONFLICT, CURSOR, OUTBOX
from antiphon.mapping import Entity
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import ConflictState, Cursor, Instant, Op, OpState, Run, Side
from antiphon.plan import Plan
from antiphon.settle import Moment
from antiphon.singer.catalog import Wanted, columns_of, has_bookmark, select, turned_back
from antiphon.singer.listening import Outcome
from antiphon.singer.plugins import Workshop
from antiphon.singer.waiting import answers, finished
from antiphon.sync.collect import Counts, Stream
from antiphon.sync.confirm import AHEAD, end_line, read_receipts, rotate
from antiphon.sync.erase import leave_out
from antiphon.sync.inbound import Source, read_sides, tell_read
from antiphon.sync.outbound import Delivery, Outbound, Written, deliver_side
from antiphon.sync.outcome import tell_written
from antiphon.sync.planning import adopt, index
from antiphon.sync.portions import draft
from antiphon.sync.reading import lacks
from antiphon.sync.report import Reporter
from antiphon.sync.resolve import listed_methods, read_catalog, resolve
from antiphon.sync.witness import accept_account

FULL_READ = 24 * 3600 * 1_000_000
"""How often an incremental side without receipts is read in full, unless sync.yml says otherwise."""

SCOPE_CHANGED = (
    "the streams or keys of sync.yml changed, so that a record which vanished may only be out of sight; "
    "`antiphon sync --accept-scope` lets deletes through again"
)


def our_clock() -> Instant:
    """Now, in microseconds since 1970."""
    return time.time_ns() // 1000


def bound(config: SyncConfig, ledger: Ledger, receipts: Mapping[Side, bool] | None = None) -> SyncMapping:
    """The mapping, with the columns as the ledger knows them."""
    columns = {
        (side, entity): cursor.schema
        for side in config.side_names
        for entity in config.entities
        if (cursor := ledger.get(CURSOR, side, entity)) is not None and cursor.schema
    }
    return bind(config, columns, receipts)


def stream_of(entity: EntityConfig, side: Side, *, full: bool) -> Stream:
    """What a read of an entity's stream on one side is to show."""
    there = entity.sides[side]
    columns = {f.columns[side] for f in entity.fields.values()} | set(there.key) | set(there.required)
    late = (Replication.INCREMENTAL, Replication.LOG)  # what was committed may show, and be in the log, a moment later
    overlap = there.overlap if there.replication in late else 0
    tells_new = there.replication is Replication.DIFF
    return Stream(entity.name, there.stream, there.key, tuple(sorted(columns)), full, overlap, tells_new)


def in_doubt(ledger: Ledger, side: Side, *, receipts: bool) -> list[Op]:
    """The operations of which only a full read tells what became: an incremental one may never show them.

    What is in flight to a target with receipts is sent again; what it acknowledged and gave no receipt for is not.
    """
    open_ops = ledger.store.find(OUTBOX, "state", [(side, OpState.SENT), (side, OpState.INFLIGHT)])
    unsure = OpState.SENT if receipts else OpState.INFLIGHT
    return [op for op in open_ops if op.state is unsure or op.missed_at]


def owed(cursor: Cursor, columns: Iterable[str]) -> bool:
    """Whether a full read is owed: the last one was broken off or refused, or the last read lacked a column.

    Of records that do not change an incremental read would never show it.
    """
    return cursor.pending_full or lacks(cursor, columns)


@dataclass(slots=True)
class Runner:
    """One run of a command on one sync. The ledger is held by this process."""

    config: SyncConfig
    ledger: Ledger
    shop: Workshop
    report: Reporter
    accept_empty: frozenset[Side] = frozenset()
    clock: Callable[[], Instant] = our_clock
    run_id: str = field(default_factory=lambda: uuid4().hex[:12])
    receipts: dict[Side, bool] = field(default_factory=dict)
    catalogs: dict[Side, dict[str, Any]] = field(default_factory=dict)
    _hiding: dict[Side, Callable[[str], str]] = field(default_factory=dict)

    # ---- what is known of the plugins

    def ask_plugins(self) -> None:
        """Ask taps for their catalogs and targets for their settings, all at once; before that, Meltano."""
        self.config, self.catalogs = resolve(self.config)
        with self.shop.at_once(4) as pool:
            taps: dict[Side, Future[dict[str, Any]]] = {}
            targets: dict[Side, Future[dict[str, Any]]] = {}
            for name, side in self.config.sides.items():
                if name in self.catalogs:
                    pass  # Meltano's, with its select rules
                elif side.tap.catalog is None:
                    taps[name] = pool.submit(self.shop.discover, side.tap, title_of(side.tap, name))
                else:
                    taps[name] = pool.submit(read_catalog, side.tap.catalog)
                if side.target is not None and side.target.receipts_path is None:
                    targets[name] = pool.submit(self.shop.about, side.target, title_of(side.target, name))
            self.catalogs |= answers(taps)
            self.receipts |= {name: has_setting(about, "receipts_path") for name, about in answers(targets).items()}

    def mapping(self) -> SyncMapping:
        """The mapping, with the columns as they were last read."""
        return bound(self.config, self.ledger, self.receipts)

    def receipts_path(self, side: Side) -> Path | None:
        """Where the side's target writes its receipts, if it does."""
        target = self.config.sides[side].target
        if target is None:
            return None
        if target.receipts_path is not None:
            return target.receipts_path
        return (
            self.shop.folder.parent / f"receipts-{self.config.name}-{side}.jsonl" if self.receipts.get(side) else None
        )

    # ---- the four steps

    def receipt_files(self) -> list[tuple[Side, Path]]:
        """Every file that may hold receipts, found without asking the plugins."""
        home = self.shop.folder.parent
        found = []
        for name, side in self.config.sides.items():
            told = side.target.receipts_path if side.target is not None else None
            found.append((name, told if told is not None else home / f"receipts-{self.config.name}-{name}.jsonl"))
        return found

    def recover(self) -> None:
        """Settle the receipts of a run that ended too early."""
        mapping = self.mapping()
        for side in self.config.side_names:
            path = self.receipts_path(side)
            if path is not None:
                end_line(path)
                read_receipts(
                    self.ledger, mapping, side, path, self.moment(mapping), self._no_receipt, self.hiding(side)
                )
                rotate(self.ledger, mapping, path)

    def read(self, *, full: bool = False) -> dict[Side, list[Counts]]:
        """Read both sides, in full where it is due."""
        started = time.monotonic()
        self._refuse(lint_replication(self.config, listed_methods(self.config, self.catalogs)))
        plans = {side: self.asked_for(side, full=full) for side in self.config.side_names}
        sources = []
        for side, (streams, catalog, state) in plans.items():
            plugin = self.config.sides[side].tap
            sources.append(Source(side, self.shop.start_tap(plugin, title_of(plugin, side), catalog, state), streams))
        counts = read_sides(
            self.ledger, sources, self.clock, accept_empty=self.accept_empty, progress=self.report.progress
        )
        self._unblock()
        for side, found in sorted(counts.items()):
            for each in found:
                tell_read(self.report, side, each, seconds=round(time.monotonic() - started, 3))
        return counts

    def propose(self, *, reviewed: frozenset[str] | None = None) -> tuple[SyncMapping, Plan]:
        """The plan that follows now. Nothing is stored but the index of records."""
        mapping = self.mapping()
        self.check(mapping)
        index(self.ledger, mapping)
        self.leave_out(mapping)
        held = self.without_target(mapping)
        return mapping, draft(self.ledger, mapping, self.moment(mapping), held=held, reviewed=reviewed)

    def carry_out(self, mapping: SyncMapping, plan: Plan, *, reviewed: bool = False) -> list[Written]:
        """Store the plan and write both sides. Raises `GuardTripped` by a guard, `PluginFailed` if a target failed."""
        tripped = [guard for guard in plan.tripped if not (reviewed and guard.counting)]
        if tripped:
            raise GuardTripped("\n".join(guard.message for guard in tripped), hint=tripped[0].hint)
        adopt(self.ledger, mapping, plan)
        written = self._deliver(mapping)
        tell_written(self.report, self.ledger, mapping, written, self.target_title)
        return written

    def waiting(self) -> int:
        """How many conflicts wait for a person."""
        return self.ledger.store.count(CONFLICT, "state", (ConflictState.OPEN,))

    def record(self, command: str, outcome: str, started: Instant, counts: Mapping[str, int]) -> None:
        """Keep that this run happened."""
        with self.ledger.transaction():
            self.ledger.put([Run(self.run_id, command, started, self.clock(), outcome, counts)])

    def asked_for(self, side: Side, *, full: bool = False) -> tuple[list[Stream], dict[str, Any], dict[str, Any]]:
        """What is read of a side now, in full where that is due, with the catalog and the STATE for its tap."""
        whole = self.ledger.get(CURSOR, side, "")
        state = whole.state if whole is not None else None
        streams, wanted, fresh, overlaps = [], [], [], {}
        for entity in self.config.entities.values():
            there = entity.sides[side]
            method = there.replication.method
            anew = (
                full
                or there.replication is Replication.FULL
                or not has_bookmark(state, there.stream, method)
                or self.full_read_due(side, entity)
            )
            stream = stream_of(entity, side, full=anew)
            streams.append(stream)
            columns = frozenset(stream.columns)
            wanted.append(Wanted(there.stream, there.key, columns, method, there.replication_key))
            if there.replication is Replication.INCREMENTAL:
                overlaps[there.stream] = there.overlap
            if anew:
                fresh.append(there.stream)
        catalog = select(self.catalogs[side], wanted, title_of(self.config.sides[side].tap, side))
        return streams, catalog, turned_back(state, overlaps, fresh)

    # ---- details

    def _unblock(self) -> None:
        """A restored ledger knows again what is there, once both sides were read in full since."""
        instance = self.ledger.instance
        cursors = [
            self.ledger.get(CURSOR, side, entity) for side in self.config.side_names for entity in self.config.entities
        ]
        if instance.deletes_blocked in (AHEAD, RESTORED) and all(
            c is not None and c.full_at > instance.blocked_at for c in cursors
        ):
            with self.ledger.transaction():
                self.ledger.update_instance(deletes_blocked="")

    def accept_scope(self) -> None:
        """A person says that what vanished with the change of streams or keys is really gone."""
        with self.ledger.transaction():
            self.ledger.update_instance(deletes_blocked="", scope_version=scope_version(self.config))

    def accept_account(self, side: Side) -> None:
        """A person says that a side is rightly another account. Raises `ConfigError` if there is no such side."""
        if side not in self.config.sides:
            names = " and ".join(self.config.side_names)
            raise ConfigError(f"--accept-account {side}: there is no such side", hint=f"the sides are {names}")
        accept_account(self.ledger, side)

    def full_read_due(self, side: Side, entity: EntityConfig) -> bool:
        """A stream is read in full from time to time, when that is owed, and when the fate of a write must be known.

        By `diff` and `log` also when the last full read missed a record that the next one must miss too: the tap's
        bookmark is past it, so that no other read would tell of its deletion.
        """
        receipts = self.receipts_path(side) is not None
        there, name = entity.sides[side], entity.name
        cursor = self.ledger.get(CURSOR, side, name) or Cursor(side, name)
        if owed(cursor, stream_of(entity, side, full=True).columns):
            return True
        if there.replication.tells_deletions and (
            not cursor.full_at or self.ledger.store.find(ABSENCE, "stream", [(side, name)])
        ):
            return True
        every = there.full_read if there.full_read is not None else (None if receipts else FULL_READ)
        if every is not None and self.clock() - cursor.full_at >= every:
            return True
        return any(op.entity == name for op in in_doubt(self.ledger, side, receipts=receipts))

    def check(self, mapping: SyncMapping) -> None:
        """Refuse a mapping that cannot converge, and note a change of scope."""
        columns = {
            (side, e.name): self._shown(side, e)
            for e in mapping.entities.values()
            for side in mapping.sides
            if e.sides[side].columns
        }
        self._refuse(lint(self.config, columns, self.receipts))
        scope = scope_version(self.config)
        instance = self.ledger.instance
        if instance.scope_version != scope:
            blocked = SCOPE_CHANGED if instance.scope_version else instance.deletes_blocked
            with self.ledger.transaction():
                self.ledger.update_instance(scope_version=scope, deletes_blocked=blocked)

    def _refuse(self, findings: Iterable[Finding]) -> None:
        errors = [f for f in findings if f.severity == "error"]
        if errors:
            raise ConfigError(
                "\n".join(f"{self.config.locate(f.where)}: {f.message}" for f in errors),
                hint=errors[0].hint or "correct sync.yml, or what the tap shows",
            )

    def _shown(self, side: Side, entity: Entity) -> dict[str, Any]:
        """The stream's columns: of its catalog and as it was read, which keeps no unmapped replication key."""
        there = self.config.entities[entity.name].sides[side]
        if side in self.catalogs:
            return {**columns_of(self.catalogs[side], there.stream), **entity.sides[side].columns}
        return {**({there.replication_key: {}} if there.replication_key else {}), **entity.sides[side].columns}

    def _deliver(self, mapping: SyncMapping) -> list[Written]:
        """Drive both sides' deliveries: their targets run at once, the ledger is touched here only."""
        done: list[Written] = []
        with self.shop.at_once(2) as pool:
            running: dict[Future[Outcome], tuple[Side, Delivery]] = {}

            def go_on(side: Side, delivery: Delivery, outcome: Outcome | None) -> None:
                try:
                    lines = next(delivery) if outcome is None else delivery.send(outcome)
                except StopIteration as end:
                    done.append(end.value)
                    return
                running[pool.submit(self.run_target, side, lines)] = (side, delivery)

            for side in mapping.sides:
                if self.config.sides[side].target is not None:
                    go_on(side, deliver_side(self.outbound(mapping, side)), None)
            while running:
                for future in finished(running):
                    side, delivery = running.pop(future)
                    go_on(side, delivery, future.result())
        return sorted(done, key=lambda written: written.side)

    def outbound(self, mapping: SyncMapping, side: Side) -> Outbound:
        """The way to a side."""
        receipts, hide = self.receipts_path(side), self.hiding(side)
        return Outbound(self.ledger, mapping, side, self.clock, self.run_id, receipts, hide)

    def run_target(self, side: Side, lines: Iterable[bytes]) -> Outcome:
        """Run a side's target on these lines, to its end."""
        target = self.config.sides[side].target
        if target is None:
            raise ConfigError(f"{side} has no target")
        return self.shop.run_target(target, title_of(target, side), lines, self.target_settings(side))

    def target_settings(self, side: Side) -> dict[str, Any]:
        """What we tell a side's target beside its own settings."""
        path = self.receipts_path(side)
        return {"receipts_path": str(path)} if path is not None else {}

    def without_target(self, mapping: SyncMapping) -> dict[Side, str]:
        """The sides that cannot be written, with the reason."""
        return {side: f"{side} has no target" for side in mapping.sides if self.config.sides[side].target is None}

    def leave_out(self, mapping: SyncMapping) -> None:
        """Do not take in again what was erased, and say so."""
        for side, count in sorted(leave_out(self.ledger, mapping, self.moment(mapping)).items()):
            self.report.warn(
                "erased",
                f"{side}: {count} new records are left out, since they have the match values of erased ones; "
                "`antiphon erase --lift RECORD` takes them in",
                side=side,
                count=count,
            )

    def _no_receipt(self, words: str) -> None:
        self.report.warn("receipt", f"{words}; it is passed over")

    def hiding(self, side: Side) -> Callable[[str], str]:
        """What takes the secrets of the side's target out of its words."""
        if side not in self._hiding:
            target = self.config.sides[side].target
            hide = self.shop.secrets(title_of(target, side), target).hide if target is not None else str
            self._hiding[side] = hide
        return self._hiding[side]

    def target_title(self, side: Side) -> str:
        """What a side's target is called in messages."""
        target = self.config.sides[side].target
        return title_of(target, side) if target is not None else side

    def moment(self, mapping: SyncMapping) -> Moment:
        """Now, by this run."""
        return Moment(self.clock(), self.run_id, mapping.version)


def title_of(plugin: PluginConfig, side: Side) -> str:
    """What a plugin is called in messages: `tap-x of crm`."""
    return f"{plugin.title} of {side}"


def has_setting(about: Mapping[str, Any], name: str) -> bool:
    """Whether a plugin speaks of a setting in its `--about`."""
    settings = about.get("settings")
    properties = settings.get("properties") if isinstance(settings, dict) else None
    return isinstance(properties, dict) and name in properties
