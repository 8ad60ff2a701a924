"""What became of a record: the tap's envelope, and the column `_sdc_deleted_at` that any tap may set."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.tables import OBS
from antiphon.model import RecordState
from antiphon.singer.messages import encode, parse
from antiphon.sync.collect import Collector, Stream

SCHEMA = {"type": "SCHEMA", "stream": "people", "schema": {"properties": {"id": {}}}, "key_properties": ["id"]}
MERGED = {"state": "merged", "merged_into": "2"}


@pytest.mark.parametrize(
    ("deleted_at", "sync", "state"),
    [
        (None, {}, RecordState.LIVE),
        ("2026-01-01T00:00:00Z", {}, RecordState.GONE),
        ("2026-01-01T00:00:00Z", {"state": "live"}, RecordState.GONE),
        (None, {"state": "gone"}, RecordState.GONE),
        (None, MERGED, RecordState.MERGED),
        ("2026-01-01T00:00:00Z", MERGED, RecordState.MERGED),
        ("2026-01-01T00:00:00Z", {"state": "hidden"}, RecordState.HIDDEN),
    ],
)
def test_the_column_tells_a_deletion_of_which_the_envelope_says_nothing_else(
    deleted_at: str | None, sync: dict[str, Any], state: RecordState
) -> None:
    ledger = Ledger(MemoryStore())
    ledger.create(ledger_id="l", name="n", now=0)
    collector = Collector(ledger, "crm", [Stream("contact", "people", ("id",), ("id",))], lambda: 1, tap="tap-x")
    record = {"id": "1", "_sdc_deleted_at": deleted_at}
    message = {"type": "RECORD", "stream": "people", "record": record, **({"sync": sync} if sync else {})}
    for each in (SCHEMA, message):
        collector.feed(parse(encode(each), "tap-x"))
    collector.flush()
    (row,) = ledger.store.scan(OBS)
    assert row.state is state
    assert bool(row.merged_into) == (state is RecordState.MERGED)
