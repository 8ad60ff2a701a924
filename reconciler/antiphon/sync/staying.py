"""A small round with plugins that stay: collect, plan, deliver, confirm, by the same functions as any other round.

| step                                                       | durable by                                     |
|------------------------------------------------------------|------------------------------------------------|
| taps are asked, and show what was committed until now      | nothing yet                                    |
| collect, plan, intent                                      | one transaction, if something is to be written |
| both targets write, and acknowledge                        | receipts, and the sides themselves             |
| confirm, and the intent of what may go out now             | as above, until nothing is left                |
| twice a second the taps are told which STATE is stored     | a durable transaction                          |

No side is read while it is written: what a read shows is later than all that we wrote before, so that no echo
can be taken for an edit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from antiphon.config import Replication
from antiphon.errors import GuardTripped, PluginFailed
from antiphon.ledger.tables import CURSOR, OBS, OPEN, OUTBOX
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant, Side
from antiphon.singer.following import FollowedTap, KeptTarget
from antiphon.singer.listening import Ended, Outcome, ending
from antiphon.singer.plugins import Plugin
from antiphon.sync.absence import complete
from antiphon.sync.ahead import Ahead, Handed, Lane, deliver_ahead, plainly
from antiphon.sync.collect import Collector, Stream
from antiphon.sync.confirm import rotate
from antiphon.sync.health import Health
from antiphon.sync.outbound import Written, deliver_side
from antiphon.sync.outcome import tell_written
from antiphon.sync.planning import adopt, index, unread
from antiphon.sync.portions import plans
from antiphon.sync.run import Runner, title_of
from antiphon.sync.window import Window

FOLLOW = "follow"
"""The capability of plugins that stay."""
_LONG_FILE = 8 << 20
"""A receipts file of so many bytes is set aside."""
_ACKNOWLEDGE = 0.5
"""Seconds between two times that the taps are told which STATE is stored."""


@dataclass(slots=True)
class Tally:
    """What was done since this was last told."""

    rounds: int = 0
    shown: int = 0
    conflicts: int = 0
    written: dict[Side, int] = field(default_factory=dict)


class Rounds:
    """Rounds of one sync, as long as its plugins stay: from `start` to `close`."""

    def __init__(self, runner: Runner, health: Health) -> None:
        self._runner, self._ledger, self._health = runner, runner.ledger, health
        # when a read last began that showed all of a side
        self._whole = dict.fromkeys(runner.config.side_names, time.monotonic())
        self._pools = {side: ThreadPoolExecutor(max_workers=1) for side in runner.config.side_names}
        self._window = Window()
        self._schemas: dict[tuple[Side, str], object] | None = None
        self._mapping: SyncMapping | None = None
        self._quiet: dict[Side, Instant] = {}
        self._streams: dict[Side, list[Stream]] = {}
        self._states: dict[Side, Mapping[str, object]] = {}  # stored, but not yet known to outlive a power cut
        self._acknowledged_at = 0.0
        self.taps: dict[Side, FollowedTap] = {}
        self.targets: dict[Side, KeptTarget] = {}
        self.waiting = False
        """Whether something is to be tried again without anything new having been shown."""
        self.tally = Tally()

    # ---- plugins

    def start(self) -> None:
        """Start what can stay. Raises `PluginFailed`."""
        for side, config in self._runner.config.sides.items():
            if can_stay(self._runner, config.tap, title_of(config.tap, side)):
                streams, catalog, state = self._runner.asked_for(side)
                self._streams[side] = streams
                title = title_of(config.tap, side)
                self.taps[side] = self._runner.shop.follow_tap(config.tap, title, catalog, state)
            if config.target is not None:
                self._keep(side)
        for side, tap in self.taps.items():
            tap.get_ready()
            if not tap.late:
                self._streams[side] = [self._as_followed(side, stream) for stream in self._streams[side]]

    @property
    def once(self) -> list[Side]:
        """The sides whose taps cannot stay."""
        return [side for side in self._runner.config.side_names if side not in self.taps]

    def behind(self, side: Side) -> float:
        """Seconds since the last read of a side began that showed all of it."""
        return time.monotonic() - self._whole[side]

    def measure(self) -> None:
        """Count what waits."""
        for side in self._runner.config.side_names:
            waiting = sum(self._ledger.store.count(OUTBOX, "state", (side, state)) for state in OPEN)
            self._health.outbox.labels(side).set(waiting)
        self._health.conflicts.set(self._runner.waiting())

    def close(self) -> None:
        """Let all plugins finish and end."""
        for tap in self.taps.values():
            tap.close()
        for target in self.targets.values():
            target.close()
        for pool in self._pools.values():
            pool.shutdown()

    def _as_followed(self, side: Side, stream: Stream) -> Stream:
        """What a tap that stays shows by the log is all that others can see: nothing shows later."""
        by_log = self._runner.config.entities[stream.entity].sides[side].replication is Replication.LOG
        return replace_overlap(stream, 0) if by_log else stream

    def _keep(self, side: Side) -> KeptTarget | None:
        target = self._runner.config.sides[side].target
        kept = self.targets.get(side)
        if target is None or (kept is not None and kept.alive):
            return kept
        title = title_of(target, side)
        if not can_stay(self._runner, target, title):
            return None
        kept = self.targets[side] = self._runner.shop.keep_target(target, title, self._runner.target_settings(side))
        return kept

    # ---- a round

    def run(self, *, everywhere: bool = False, once: Iterable[Side] = ()) -> bool:
        """One round; whether anything was shown, planned or written.

        Read are the sides that told of a change, or `everywhere` all that can be asked; and the sides `once`, by taps
        that cannot stay. A side that is not read counts as not seen: its target looks before it writes.
        """
        asked, began = self._runner.clock(), time.monotonic()
        taps = {side: tap for side, tap in self.taps.items() if everywhere or tap.changed or not self._looks(side)}
        for tap in taps.values():
            tap.ask()
        done: list[Written] = []
        with ExitStack() as stack:
            read = [*self._followed(taps, stack, asked), *(self._read_once(stack, side) for side in once)]
            self._whole.update(dict.fromkeys([*taps, *once], began))
            if not read:
                if not self.waiting:
                    self.acknowledge()
                    return False
                stack.enter_context(self._ledger.together())
            mapping = self._bound()
            self._plan(mapping)
            deliveries = {side: self._delivery(mapping, side) for side in mapping.sides if self._is_written(side)}
            handed = self._advance(deliveries, {}, done)
        self._states.update({side: state for side, state in read if state is not None})
        lanes = {side: Lane(self._pools[side], partial(self._write_side, side)) for side in deliveries}
        with ExitStack() as stack:
            while handed:
                if any(batch.lines and batch.intended for batch in handed.values()):
                    stack.close()
                    self._ledger.make_durable()
                outcomes = self._write(lanes, handed)
                self._begin(stack)
                handed = self._advance({side: deliveries[side] for side in outcomes}, outcomes, done)
        self.acknowledge()
        self._account(mapping, done)
        self._health.rounds.observe(time.monotonic() - began)
        return True

    def acknowledge(self, *, now: bool = False) -> None:
        """Once in a while, or `now`: tell the taps which STATE is stored, for good."""
        if self._states and (now or time.monotonic() - self._acknowledged_at > _ACKNOWLEDGE):
            self._ledger.make_durable()
            for side, state in self._states.items():
                self.taps[side].acknowledge(state)
            self._states.clear()
            self._acknowledged_at = time.monotonic()

    def _looks(self, side: Side) -> bool:
        """Whether a side's target looks at what is there before it writes."""
        return self._runner.receipts_path(side) is not None

    def _followed(
        self, taps: Mapping[Side, FollowedTap], stack: ExitStack, asked: Instant
    ) -> Iterator[tuple[Side, Mapping[str, object] | None]]:
        """Collect what these taps show, in a transaction that begins with the first word of any."""
        for side, tap in taps.items():
            collector: Collector | None = None
            for lines in tap.answer():
                if collector is None:
                    self._begin(stack)
                    quiet = self._quiet.get(side, 0)
                    streams, clock = _shown(self._streams[side], tap.whole), self._runner.clock
                    collector = Collector(
                        self._ledger, side, streams, clock, tap=tap.name, started=asked, quiet_until=quiet
                    )
                collector.take(lines)
            if collector is None:
                self._quiet[side] = asked - max((stream.overlap for stream in self._streams[side]), default=0)
            else:
                self._end(side, collector)
                yield side, collector.state

    def _begin(self, stack: ExitStack) -> None:
        if not self._ledger.is_together:
            stack.enter_context(self._ledger.together())

    def _end(self, side: Side, collector: Collector) -> None:
        changed = sum(counts.changed for counts in collector.ended())
        self.tally.shown += changed
        self._health.changed.labels(side).inc(changed)
        overlaps = {stream.entity: stream.overlap for stream in self._streams[side]}
        tripped = complete(self._ledger, side, overlaps, accept_empty=side in self._runner.accept_empty)
        if tripped:
            raise GuardTripped("\n".join(guard.message for guard in tripped), hint=tripped[0].hint)

    def _read_once(self, stack: ExitStack, side: Side) -> tuple[Side, None]:
        """Run a tap that cannot stay, and collect what it shows."""
        plugin: Plugin = self._runner.config.sides[side].tap
        name = title_of(self._runner.config.sides[side].tap, side)
        self._streams[side], catalog, state = self._runner.asked_for(side)
        tap = self._runner.shop.start_tap(plugin, name, catalog, state)
        self._begin(stack)
        collector = Collector(self._ledger, side, self._streams[side], self._runner.clock, tap=name)
        while not isinstance(found := tap.poll(1.0), Ended):
            if found is not None:
                collector.take(found)
        if found.code != 0:
            raise PluginFailed(f"{name} {ending(found.code)}", hint=found.words)
        self._end(side, collector)
        return side, None

    def _bound(self) -> SyncMapping:
        """The mapping; bound and checked anew only when a column shows otherwise than before."""
        keys = [(side, entity) for side in self._runner.config.side_names for entity in self._runner.config.entities]
        cursors = self._ledger.store.get(CURSOR, keys)
        schemas: dict[tuple[Side, str], object] = {
            (cursor.side, cursor.entity): cursor.schema for cursor in cursors.values()
        }
        if self._mapping is None or schemas != self._schemas:
            self._mapping, self._schemas = self._runner.mapping(), schemas
            self._runner.check(self._mapping)
        return self._mapping

    def _plan(self, mapping: SyncMapping) -> None:
        runner, ledger = self._runner, self._ledger
        if not self.waiting and not ledger.store.count(OBS, "touched", (True,), 1):
            return  # an echo of what we wrote
        index(ledger, mapping)
        runner.leave_out(mapping)
        held = {**unread(ledger, mapping), **runner.without_target(mapping)}
        now = runner.moment(mapping)
        linked = self._window.linked(ledger, now.now)
        for plan in plans(ledger, mapping, now, held=held, linked=linked):
            tripped = [*plan.tripped, *self._window.check(ledger, mapping, plan.operations, now.now, plan.conflicts)]
            if tripped:  # the transaction is undone, with the portions before
                raise GuardTripped("\n".join(guard.message for guard in tripped), hint=tripped[0].hint)
            adopt(ledger, mapping, plan)
            self.tally.conflicts += len(plan.conflicts)

    def _is_written(self, side: Side) -> bool:
        return self._runner.config.sides[side].target is not None

    def _delivery(self, mapping: SyncMapping, side: Side) -> Ahead:
        outbound = self._runner.outbound(mapping, side)
        if outbound.receipts is not None and side in self.targets:
            return deliver_ahead(outbound, outbound.receipts)
        return plainly(deliver_side(outbound))

    def _advance(
        self, deliveries: Mapping[Side, Ahead], outcomes: Mapping[Side, list[Outcome]], done: list[Written]
    ) -> dict[Side, Handed]:
        """Confirm what the targets said, and take out what is to be written next."""
        handed = {}
        for side, delivery in deliveries.items():
            try:
                handed[side] = delivery.send(outcomes[side]) if side in outcomes else next(delivery)
            except StopIteration as end:
                done.append(end.value)
        return handed

    def _write(self, lanes: Mapping[Side, Lane], handed: Mapping[Side, Handed]) -> dict[Side, list[Outcome]]:
        """Both sides at once; what came of it meanwhile."""
        for side, batch in handed.items():
            if batch.lines:
                self._health.batches.labels(side).observe(batch.operations)
            lanes[side].add(batch, here=len(handed) == 1 and batch.leave == 0)
        return {side: lanes[side].outcomes(batch.leave) for side, batch in handed.items()}

    def _write_side(self, side: Side, lines: Sequence[bytes]) -> Outcome:
        kept = self._keep(side)
        return self._runner.run_target(side, lines) if kept is None else kept.exchange(lines)

    def _account(self, mapping: SyncMapping, done: list[Written]) -> None:
        """Say what must be said now, and count the rest."""
        runner = self._runner
        self.tally.rounds += 1
        self.waiting = any(each.skipped or each.unacknowledged for each in done)
        for each in done:
            self.tally.written[each.side] = self.tally.written.get(each.side, 0) + each.sent
            self._health.written.labels(each.side).inc(each.sent)
            self._health.refused.labels(each.side).inc(len(each.refused))
        if any(each.outage or each.refused or each.remarks or each.unacknowledged for each in done):
            tell_written(
                runner.report, self._ledger, mapping, sorted(done, key=lambda each: each.side), runner.target_title
            )
        for side in self.targets:
            path = runner.receipts_path(side)
            if path is not None and path.exists() and path.stat().st_size > _LONG_FILE:
                rotate(self._ledger, mapping, path)


def _shown(streams: list[Stream], whole: frozenset[str] | None) -> list[Stream]:
    """The streams of an answer that shows `whole` ones; of the others it shows no more than changes."""
    if whole is None:
        return streams
    return [replace(stream, full=stream.full and stream.stream in whole) for stream in streams]


def replace_overlap(stream: Stream, overlap: Instant) -> Stream:
    """The stream, with another overlap."""
    return Stream(stream.entity, stream.stream, stream.key, stream.columns, full=stream.full, overlap=overlap)


def can_stay(runner: Runner, plugin: Plugin, title: str) -> bool:
    """Whether a plugin says of itself that it can be followed."""
    capabilities = runner.shop.about(plugin, title).get("capabilities")
    return isinstance(capabilities, list) and FOLLOW in capabilities
