"""Collect: a read whose records are as they were, record by record and in bulk.

    python -m tests.benchmarks.collect --links 1000000 --records 200000

The same lines are taken in three ways into the same ledger: record by record, as in an incremental read, which does not
recognise lines (each is parsed, its values are hashed and compared); in a full read line by line, and in blocks as they
come through a pipe. Beside them stand the limits of the same run: msgspec that only decodes the lines, DuckDB's reader
that only counts them, and the hashes alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import duckdb
import msgspec

from antiphon.ledger import Ledger
from antiphon.singer.messages import Lines
from antiphon.sync.collect import Collector
from antiphon.sync.lines import hash_lines
from antiphon.sync.run import our_clock, stream_of
from tests.benchmarks.made import Made, asked, machine, make, tell

BLOCK = 180
"""Lines that a pipe holds at a time: 64 KiB of them."""


def main() -> None:
    given = asked(__doc__, records=200_000)
    made = make(given.links, given.folder)
    records = min(given.records, given.links)
    with made.output("crm").open("rb") as file:
        texts = [text.rstrip() for text in islice(file, records + 1)]
    ledger = made.copy()
    limits = {
        "msgspec decodes": lambda: decode(texts),
        "duckdb parses": lambda: duckdb_parses(made, records),
        "hashes": lambda: hashes(texts),
    }
    ways: dict[str, Callable[[], None]] = {
        "record by record": lambda: take(made, ledger, texts, BLOCK, full=False),
        "line by line": lambda: take(made, ledger, texts, 1),
        "in bulk": lambda: take(made, ledger, texts, BLOCK),
    }
    rates = {name: rate(run, records) for name, run in {**limits, **ways}.items()}
    for name in ways:
        tell(
            benchmark="collect of unchanged records",
            way=name,
            links=given.links,
            records=records,
            records_per_s=rates[name][0],
            records_per_processor_s=rates[name][1],
            **{f"of_what_{limit.replace(' ', '_')}": round(rates[name][0] / rates[limit][0], 3) for limit in limits},
        )
    tell(limits={name: rates[name] for name in limits}, machine=machine())
    ledger.close()


def rate(run: Callable[[], None], records: int, turns: int = 3) -> tuple[int, int]:
    """Records in a second by the clock, and in one of the processor, at the best of some turns."""
    taken, spent = [], []
    for _ in range(turns):
        began, busy = time.perf_counter(), time.process_time()
        run()
        taken.append(time.perf_counter() - began)
        spent.append(time.process_time() - busy)
    return round(records / min(taken)), round(records / min(spent))


def take(made: Made, ledger: Ledger, texts: list[bytes], block: int, *, full: bool = True) -> None:
    """In a full read lines are recognised. The time includes the loading of all marks."""
    stream = stream_of(made.config.entities["contact"], "crm", full=full)
    collector = Collector(ledger, "crm", [stream], our_clock)
    for lines in blocks(texts, block):
        collector.take(lines)
    collector.flush()


def blocks(texts: list[bytes], size: int) -> Iterator[Lines]:
    for at in range(0, len(texts), size):
        yield Lines(texts[at : at + size], "tap", at + 1)


def decode(texts: list[bytes]) -> None:
    """What no reader of Singer lines in Python is faster than."""
    decoder = msgspec.json.Decoder()
    for text in texts:
        decoder.decode(text)


def duckdb_parses(made: Made, records: int) -> None:
    """The whole file is parsed into columns; what is told is the share of the records asked."""
    part = made.folder / "part.jsonl"
    if not part.exists() or part.stat().st_size == 0:
        _cut(made.output("crm"), part, records)
    query = f"SELECT count(*), max(record.id) FROM read_json('{part}', format = 'newline_delimited')"
    duckdb.execute(query).fetchall()


def _cut(whole: Path, part: Path, records: int) -> None:
    with whole.open("rb") as file, part.open("wb") as cut:
        file.readline()
        cut.writelines(islice(file, records))


def hashes(texts: list[bytes]) -> None:
    """The lines are only hashed."""
    for at in range(0, len(texts), BLOCK):
        hash_lines(texts[at : at + BLOCK])


if __name__ == "__main__":
    main()
