"""Confirm: STATE and receipts become bases, audit and closed operations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from antiphon.equivalence import canonical_json
from antiphon.errors import ConfigError, PluginFailed
from antiphon.ledger import Ledger
from antiphon.ledger.tables import OUTBOX, RECEIPT_FILE
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Op, OpState, Receipt, ReceiptFile, Side, replace
from antiphon.protocol import Bookmark, ReceiptLine, parse_receipt
from antiphon.receipts import delivered, receipt
from antiphon.settle import Moment, reject

_CHUNK = 1000

AHEAD = (
    "the acknowledgement handed in is ahead of this ledger, which must be an older copy: "
    "no deletes until both sides were read in full"
)


def acknowledge(ledger: Ledger, mapping: SyncMapping, bookmark: Bookmark | None, side: Side, at: Moment) -> str:
    """Settle what a target's STATE covers. Returns a remark for the log, empty if all is as it should be.

    A bookmark of another ledger is none. One that is ahead of this ledger shows that the ledger was restored.
    """
    instance = ledger.instance
    if bookmark is None:
        return ""
    if bookmark.ledger != instance.id or bookmark.side != side:
        return (
            f"the acknowledgement handed in is of another ledger or side ({bookmark.ledger}, {bookmark.side}); "
            "it is ignored"
        )
    if bookmark.seq > instance.seq or bookmark.epoch > instance.epoch:
        with ledger.transaction():
            ledger.update_instance(deletes_blocked=AHEAD, blocked_at=at.now, seq=max(instance.seq, bookmark.seq))
        return AHEAD
    covered = [
        op
        for op in ledger.open_ops(side)
        if op.state is OpState.INFLIGHT and op.seq is not None and bookmark.first <= op.seq <= bookmark.seq
    ]
    _settle(ledger, covered, lambda ws, op: delivered(ws, mapping, op, at))
    return ""


def read_receipts(
    ledger: Ledger,
    mapping: SyncMapping,
    side: Side,
    path: Path,
    at: Moment,
    complain: Callable[[str], None] = lambda _words: None,
    hide: Callable[[str], str] = str,
) -> int:
    """Settle the receipts that were not read yet; a line still being written is left for later. Returns how many.

    A line that is no receipt says nothing of any operation: `complain` is told, and it is passed over.
    `hide` takes the secrets out of what a target says of an error.
    """
    known = ledger.get(RECEIPT_FILE, str(path)) or ReceiptFile(str(path), side, 0)
    size = path.stat().st_size if path.exists() else known.offset
    if size == known.offset:
        return 0
    total = 0
    with path.open("rb") as file:
        if size < known.offset:
            known = replace(known, offset=0)  # a new file stands in its place
        file.seek(known.offset)
        while True:
            lines = list(islice(file, _CHUNK))
            whole = [line for line in lines if line.endswith(b"\n")]
            if not whole:
                return total
            parsed = [found for line in whole if line.strip() and (found := _parsed(line, path, complain, hide))]
            known = replace(known, offset=known.offset + sum(len(line) for line in whole))
            settle_receipts(ledger, mapping, parsed, at, known)
            total += len(parsed)
            if len(whole) < len(lines):
                return total


def _parsed(line: bytes, path: Path, complain: Callable[[str], None], hide: Callable[[str], str]) -> ReceiptLine | None:
    try:
        found = parse_receipt(line, str(path))
        return replace(found, message=hide(found.message))
    except PluginFailed as error:
        complain(error.message)
        return None


def end_line(path: Path) -> None:
    """Before a target begins to write: end the line that a killed one left, lest the next receipt be lost with it.

    Raises `ConfigError` if no receipts can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)  # for its owner alone: it will hold what two systems hold of people
        with path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
    except OSError as error:
        raise ConfigError(
            f"no receipts can be written to {path}: {error.strerror}", hint="see `receipts_path` in sync.yml"
        ) from error


def rotate(ledger: Ledger, mapping: SyncMapping, path: Path) -> None:
    """Set a receipts file aside once every line of it is settled, so that it does not grow for ever.

    One that may hold the values of sensitive fields is removed: nobody needs it any more.
    """
    known = ledger.get(RECEIPT_FILE, str(path))
    if known is None or not known.offset or not path.exists() or path.stat().st_size != known.offset:
        return
    with ledger.transaction():  # durable, and with it what was settled; the file read again would settle nothing anew
        ledger.put([replace(known, offset=0)])
    if any(field.sensitive for entity in mapping.entities.values() for field in entity.fields.values()):
        path.unlink()
    else:
        path.replace(path.with_name(path.name + ".1"))


def settle_receipts(
    ledger: Ledger, mapping: SyncMapping, lines: Iterable[ReceiptLine], at: Moment, file: ReceiptFile | None = None
) -> None:
    """Settle receipts, each once, together with how far their file was read."""
    lines = list(lines)
    with ledger.transaction(durable=False):  # they stand in their file until `rotate`
        named = [(line.op_id,) for line in lines]
        lids = {lid for (lid,) in ledger.store.pick(OUTBOX, ("lid",), None, named)}
        ws = ledger.workspace(lids)
        known = {op.op_id: op for lid in lids for op in ws.ops(lid).values()}
        over = ledger.store.get(OUTBOX, [key for key in named if key[0] not in known])
        known.update((op.op_id, op) for op in over.values())
        kept = []
        for line in lines:
            op = ws.ops_by_id.get(line.op_id) or known.get(line.op_id)
            rid = None if line.id is None else canonical_json(line.id)
            if op is not None:  # else it is of another ledger, or of a time that a restored one knows nothing of
                kept.append(
                    Receipt(line.op_id, line.status.value, rid, line.stored, at.now, line.version, line.message)
                )
                receipt(ws, mapping, op, line, at)
        ledger.put(kept)
        ledger.apply_workspace(ws)
        if file is not None:
            ledger.put([file])


def refuse(ledger: Ledger, op: Op, message: str, at: Moment) -> None:
    """A foreign target died on this one operation: park it with the target's last words."""
    _settle(ledger, [op], lambda ws, found: reject(ws, found, message, at))


def _settle(ledger: Ledger, ops: list[Op], settle: Callable[..., None]) -> None:
    for start in range(0, len(ops), _CHUNK):
        with ledger.transaction(durable=False):
            chunk = ops[start : start + _CHUNK]
            ws = ledger.workspace({op.lid for op in chunk})
            for op in chunk:
                settle(ws, op)
            ledger.apply_workspace(ws)
