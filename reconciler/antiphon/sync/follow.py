"""Follow: one process that stays up, and has changes cross as they are made.

It begins with an ordinary round, which catches up with whatever happened while nobody followed. Then the plugins that
can stay are started, and small rounds run (`sync.staying`):

| what happens                                   | what follows                                                  |
|------------------------------------------------|---------------------------------------------------------------|
| a tap says that something changed              | a round at once                                               |
| a second goes by                               | a round all the same: how old a value may be stays known, and |
|                                                | a network that hangs is noticed                               |
| a tap that cannot tell, or cannot stay         | a round after its interval                                    |
| a stream is to be read in full                 | the plugins are let go, an ordinary round, and on             |
| a plugin fails, a server restarts, a slot goes | the same after a pause that grows, and is told                |
| a guard trips                                  | the process ends with exit code 3                             |
| another command wants the ledger               | the plugins are let go, the other runs, and on                |
| SIGTERM, Ctrl-C                                | the round under way is finished, then exit code 0             |
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType
from uuid import uuid4

from antiphon.errors import PluginFailed
from antiphon.singer.following import FollowedTap
from antiphon.sync.health import Health
from antiphon.sync.run import Runner
from antiphon.sync.staying import Rounds, Tally

HEARTBEAT = 1.0
"""Seconds between two rounds when nothing happens."""
_TELL = 10.0
"""Seconds between two lines that say what was done."""
_LOOK = 60.0
"""Seconds between two looks at whether a full read is due."""
_LONGEST_PAUSE = 60.0


class Stop:
    """Whether the process was asked to end; it can be waited for together with plugins."""

    def __init__(self) -> None:
        self.asked = False
        self._read, self._write = os.pipe()

    def fileno(self) -> int:
        """What is readable once the process was asked to end."""
        return self._read

    def wait(self, seconds: float) -> None:
        """Wait, but not longer than that."""
        select.select([self], [], [], seconds)

    @contextmanager
    def heard(self) -> Iterator[Stop]:
        """Within, SIGTERM and SIGINT ask to end; the second one ends at once."""
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._read)
            os.close(self._write)

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(self._write, b".")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in seconds: a tap that cannot stay is run; one that stays and cannot tell of changes is asked."""

    interval: float = 60.0
    poll: float = 1.0


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows both sides of one sync. `aside` says that another command wants the ledger."""

    runner: Runner
    stop: Stop
    pace: Pace
    health: Health
    aside: Callable[[], bool]

    def follow(self, *, first: bool = True) -> None:
        """Follow until asked to stop or to step aside.

        Raises `GuardTripped`, and `PluginFailed` if the `first` round fails.
        """
        pause = 1.0
        while not self.stop.asked and not self.aside():
            try:
                self.health.beat()
                catch_up(self.runner)
                first = False
                if not self.stop.asked:
                    self._stay()
                pause = 1.0
            except PluginFailed as error:
                if first:
                    raise
                self.health.failures.inc()
                self.health.beat()
                self.runner.report.warn(
                    "failed", f"{error.message}; on in {pause:g} seconds", hint=error.hint, pause=pause
                )
                self.stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _stay(self) -> None:
        """Small rounds, until asked to stop or to step aside, or until a full read is due."""
        runner, started = self.runner, self.runner.clock()
        runner.run_id = uuid4().hex[:12]
        rounds, total, outcome = Rounds(runner, self.health), Tally(), "done"
        try:
            rounds.start()
            runner.report.say("following", _telling(runner, rounds), once=rounds.once)
            for side in runner.config.side_names:
                self.health.look_at(side, partial(rounds.behind, side))
            for tally in self._rounds(rounds):
                _add(total, tally)
                lags = {f"ms behind {side}": round(1000 * rounds.behind(side)) for side in runner.config.side_names}
                rate = {"changed per second": round(tally.shown / _TELL)}
                runner.record("follow", "following", started, {**_counts(total), **rate, **lags})
        except BaseException as error:
            outcome = str(error) or type(error).__name__
            raise
        finally:
            with suppress(OSError):
                rounds.close()
            _add(total, rounds.tally)
            runner.record("follow", outcome, started, _counts(total))

    def _rounds(self, rounds: Rounds) -> Iterator[Tally]:
        """Round after round; what was done is told, and given, once in a while."""
        pushed = all(tap.pushes for tap in rounds.taps.values())
        beat = HEARTBEAT if pushed else min(self.pace.poll, HEARTBEAT)
        now = time.monotonic()
        told, looked, once, beaten = now, now, now + self.pace.interval, 0.0
        while True:
            due = rounds.once if rounds.once and now >= once else []
            if everywhere := now - beaten >= beat:
                beaten = now
            rounds.run(everywhere=everywhere, once=due)
            self.health.beat(ready=True)
            now = time.monotonic()
            if due:
                once = now + self.pace.interval
            if everywhere:
                rounds.measure()
            if now - told >= _TELL:
                told = now
                _tell(self.runner, rounds.tally)
                tally, rounds.tally = rounds.tally, Tally()
                yield tally
            if now - looked >= _LOOK:
                looked = now
                if self._full_read_due(rounds):
                    return
            if self.stop.asked or (everywhere and self.aside()):
                return
            soonest = min(beaten + beat, once) if rounds.once else beaten + beat
            _wait(rounds, self.stop, max(0.0, soonest - now))
            now = time.monotonic()

    def _full_read_due(self, rounds: Rounds) -> bool:
        entities = self.runner.config.entities.values()
        return any(self.runner.full_read_due(side, entity) for side in rounds.taps for entity in entities)


def catch_up(runner: Runner) -> None:
    """An ordinary round."""
    started = runner.clock()
    runner.run_id = uuid4().hex[:12]
    runner.ask_plugins()
    runner.recover()
    runner.read()
    mapping, proposed = runner.propose()
    counts = {"operations": len(proposed.operations), "conflicts": len(proposed.conflicts)}
    runner.carry_out(mapping, proposed)
    runner.record("follow", "caught up", started, counts)


def _wait(rounds: Rounds, stop: Stop, seconds: float) -> None:
    """Until a tap says that something changed, or time is up."""
    ends = time.monotonic() + seconds
    while not stop.asked and not any(tap.changed for tap in rounds.taps.values()):
        left = ends - time.monotonic()
        if left <= 0:
            return
        heard: list[Stop | FollowedTap] = [stop, *rounds.taps.values()]
        for each in select.select(heard, [], [], left)[0]:
            if isinstance(each, FollowedTap):
                each.listen()


def _telling(runner: Runner, rounds: Rounds) -> str:
    told = []
    for side in runner.config.side_names:
        tap = rounds.taps.get(side)
        reads = (
            "is run again and again" if tap is None else "tells of changes" if tap.pushes else "is asked for changes"
        )
        told.append(f"{runner.config.sides[side].tap.title} of {side} {reads}")
    return f"following: {', '.join(told)}"


def _tell(runner: Runner, tally: Tally) -> None:
    if not (tally.shown or tally.conflicts or any(tally.written.values())):
        return
    wrote = ", ".join(f"{number} to {side}" for side, number in sorted(tally.written.items()) if number)
    runner.report.say(
        "followed",
        f"{tally.shown} records changed, wrote {wrote or 'nothing'}, {tally.conflicts} conflicts",
        rounds=tally.rounds,
        shown=tally.shown,
        conflicts=tally.conflicts,
        written=dict(tally.written),
    )


def _counts(total: Tally) -> dict[str, int]:
    written = {f"written to {side}": number for side, number in total.written.items()}
    return {"rounds": total.rounds, "changed": total.shown, "conflicts": total.conflicts, **written}


def _add(total: Tally, more: Tally) -> None:
    total.rounds += more.rounds
    total.shown += more.shown
    total.conflicts += more.conflicts
    for side, number in more.written.items():
        total.written[side] = total.written.get(side, 0) + number
