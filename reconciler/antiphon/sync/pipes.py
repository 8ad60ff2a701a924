"""The same round in separate processes: what `target-reconciler`, `tap-reconciler` and `antiphon collect` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from antiphon.config import Replication, SyncConfig
from antiphon.errors import ConfigError, GuardTripped
from antiphon.ledger.tables import CURSOR
from antiphon.model import Side
from antiphon.protocol import parse_bookmark
from antiphon.singer.listening import read_lines
from antiphon.sync.absence import complete
from antiphon.sync.collect import Collector, Stream
from antiphon.sync.confirm import acknowledge, read_receipts
from antiphon.sync.deliver import intend, messages, ready
from antiphon.sync.inbound import tell_read
from antiphon.sync.planning import adopt, index, unread
from antiphon.sync.portions import draft
from antiphon.sync.run import Runner, stream_of
from antiphon.sync.tally import tell_given, tell_waiting

_EMIT = 1000
_SAY_EVERY = 10_000_000
"""Microseconds between two STATE lines: Meltano takes 40 ms to store one."""


def take_in(runner: Runner, side: Side, pipe: int, say_state: Callable[[Mapping[str, Any]], None]) -> None:
    """Collect a tap's messages from standard input. `say_state` gets committed STATE values, the last one always."""
    streams = side_streams(runner.config, side)
    collector = Collector(runner.ledger, side, streams, runner.clock)
    said: Mapping[str, Any] | None = None
    said_at = runner.clock()
    for lines in read_lines(pipe, "standard input"):
        collector.take(lines)
        if collector.heard_state and runner.clock() - said_at > _SAY_EVERY:
            collector.flush()
        if collector.state is not None and collector.state is not said and runner.clock() - said_at > _SAY_EVERY:
            said, said_at = collector.state, runner.clock()
            say_state(said)
    for counts in collector.ended():
        tell_read(runner.report, side, counts)
    if collector.state is not None and collector.state is not said:
        say_state(collector.state)


def complete_side(runner: Runner, side: Side) -> str:
    """The tap that fed `target-reconciler` ended well: believe what its read did not show. A sentence about it."""
    check_side(runner.config, side)
    overlaps = {stream.entity: stream.overlap for stream in side_streams(runner.config, side)}
    unended = [
        name for name in overlaps if (cursor := runner.ledger.get(CURSOR, side, name)) is None or not cursor.read_ended
    ]
    if unended:
        raise ConfigError(
            f"no read of {side} {unended[0]} has ended", hint=f"run the tap of {side} into target-reconciler first"
        )
    tripped = complete(runner.ledger, side, overlaps, accept_empty=side in runner.accept_empty)
    if tripped:
        raise GuardTripped("\n".join(t.message for t in tripped), hint=tripped[0].hint)
    return f"the read of {side} was complete"


def give_out(runner: Runner, side: Side, state: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Settle the acknowledgement handed in, plan if there is something new, and emit the side's outbox."""
    check_side(runner.config, side)
    ledger, mapping = runner.ledger, runner.mapping()
    bookmark = parse_bookmark(state)
    remark = acknowledge(ledger, mapping, bookmark, side, runner.moment(mapping))
    if remark:
        runner.report.warn("acknowledgement", remark, side=side)

    settle_written(runner)
    runner.check(mapping)
    index(ledger, mapping)
    runner.leave_out(mapping)
    held = unread(ledger, mapping) | runner.without_target(mapping)
    plan = draft(ledger, mapping, runner.moment(mapping), held=held)
    if plan.tripped:
        raise GuardTripped("\n".join(t.message for t in plan.tripped), hint=plan.tripped[0].hint)
    for name, reason in held.items():
        if any(reason == said for said in plan.waits.values()):
            runner.report.warn("held", f"nothing new is written to {name}: {reason}", side=name)
    adopt(ledger, mapping, plan)
    levels, skipped = ready(ledger, mapping, side, runner.clock(), replay=True)
    first: int | None = None
    for level in levels:
        for start in range(0, len(level), _EMIT):
            now = runner.clock()
            intended = intend(ledger, mapping, side, level[start : start + _EMIT], now)
            first = first or (intended[0].seq if intended else None)
            yield from messages(ledger, mapping, side, intended, now, first)
    if not levels and bookmark is not None and (bookmark.ledger, bookmark.side) == (ledger.instance.id, side):
        yield {"type": "STATE", "value": bookmark.to_state()}  # a script that keeps the last line keeps its bookmark
    runner.report.say("gave", f"{sum(map(len, levels))} operations to {side}, {len(skipped)} wait", side=side)
    tell_given(runner.report, side, [op for level in levels for op in level])
    tell_waiting(runner.report, ledger, mapping.entities)


def settle_written(runner: Runner) -> dict[Side, int]:
    """Read the receipts of both sides that were not read yet; how many there were on each side that has a file."""
    mapping, found = runner.mapping(), {}
    for side in runner.config.side_names:

        def complain(words: str, side: Side = side) -> None:
            runner.report.warn("receipt", f"{words}; it is passed over", side=side)

        path = runner.receipts_path(side)
        if path is not None:
            moment = runner.moment(mapping)
            found[side] = read_receipts(runner.ledger, mapping, side, path, moment, complain, runner.hiding(side))
    return found


def side_streams(config: SyncConfig, side: Side) -> list[Stream]:
    """What a tap of this side is expected to send. Whether a read was full shows in the tap's own SCHEMA."""
    check_side(config, side)
    entities = config.entities.values()
    return [stream_of(e, side, full=e.sides[side].replication is Replication.FULL) for e in entities]


def check_side(config: SyncConfig, side: Side) -> None:
    """Raise `ConfigError` for a side that sync.yml does not have."""
    if side not in config.sides:
        raise ConfigError(
            f"the setting `side` is {side!r}: there is no such side",
            hint=f"the sides are {' and '.join(config.side_names)}",
        )
