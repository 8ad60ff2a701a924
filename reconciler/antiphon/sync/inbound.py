"""Reading both sides at once: taps run side by side, their messages are collected by one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from antiphon.errors import GuardTripped, PluginFailed
from antiphon.ledger import Ledger
from antiphon.model import Instant, Side
from antiphon.singer.listening import Ended, TapRun, ending
from antiphon.sync.absence import complete
from antiphon.sync.collect import Collector, Counts, Stream
from antiphon.sync.report import Reporter

_PAUSE = 0.02
_NAMED = 5
"""So many unreadable records are told by name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One side to read: its running tap and what is expected of it."""

    side: Side
    tap: TapRun
    streams: list[Stream]


def read_sides(
    ledger: Ledger,
    sources: list[Source],
    clock: Callable[[], Instant],
    *,
    accept_empty: frozenset[Side],
    progress: Callable[[Callable[[], str]], None],
) -> dict[Side, list[Counts]]:
    """Collect every source to its end. Raises `PluginFailed` if a tap failed; what it showed before is kept."""
    collectors = {s.side: Collector(ledger, s.side, s.streams, clock, tap=s.tap.name, durable=False) for s in sources}

    def taken() -> str:
        return ", ".join(f"{side} {c.taken:,}" for side, c in sorted(collectors.items())) + " records read"

    counts: dict[Side, list[Counts]] = {}
    failed: list[str] = []
    words = ""
    waiting = list(sources)
    while waiting:
        for source in list(waiting):
            found = source.tap.poll(_PAUSE)
            collector = collectors[source.side]
            if isinstance(found, Ended):
                waiting.remove(source)
                if found.code != 0:
                    collector.flush()
                    failed.append(f"{source.tap.name} {ending(found.code)}")
                    words = words or found.words
                else:
                    counts[source.side] = collector.ended()
            elif found is not None:
                collector.take(found)
                progress(taken)
    if failed:
        raise PluginFailed(
            f"{' and '.join(failed)}; nothing was planned or written", hint=words or "mend the tap, then run again"
        )
    tripped = []
    for source in sources:
        overlaps: Mapping[str, Instant] = {stream.entity: stream.overlap for stream in source.streams}
        tripped += complete(ledger, source.side, overlaps, accept_empty=source.side in accept_empty, durable=False)
    if tripped:
        raise GuardTripped("\n".join(t.message for t in tripped), hint=tripped[0].hint)
    return counts


def tell_read(report: Reporter, side: Side, counts: Counts, **facts: object) -> None:
    """Say what the read of one entity brought, and which records could not be believed."""
    report.say(
        "read",
        f"read {side} {counts.entity}: {counts.seen} records, {counts.changed} changed, {counts.missing} missing",
        side=side,
        entity=counts.entity,
        seen=counts.seen,
        changed=counts.changed,
        missing=counts.missing,
        **facts,
    )
    for rid, reason in list(counts.unreadable.items())[:_NAMED]:
        report.warn(
            "unreadable",
            f"{side} {counts.entity} {rid} is left out until it can be read: {reason}",
            side=side,
            entity=counts.entity,
            id=rid,
        )
    if len(counts.unreadable) > _NAMED:
        report.warn(
            "unreadable",
            f"{side} {counts.entity}: {len(counts.unreadable)} records are left out, among them these",
            side=side,
        )
