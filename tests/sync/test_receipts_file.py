"""How a receipts file is read: every line once, and from where the last read ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from antiphon.ledger import Ledger
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.tables import RECEIPT_FILE
from antiphon.mapping import Mapping
from antiphon.settle import Moment
from antiphon.sync.confirm import read_receipts

LINES = 2_500


def test_no_line_of_a_long_file_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"
    receipt = {"status": "applied", "at": "2026-11-28T08:00:00Z"}
    path.write_text("".join(json.dumps({"op_id": f"op {n}", **receipt}) + "\n" for n in range(LINES)))
    ledger = Ledger(MemoryStore())
    complaints: list[str] = []

    read = read_receipts(ledger, cast("Mapping", None), "crm", path, Moment(0, "run", "1"), complaints.append)

    known = ledger.get(RECEIPT_FILE, str(path))
    assert known is not None
    assert (read, known.offset, complaints) == (LINES, path.stat().st_size, [])
