"""The traces of a person in the files beside a ledger: backups, receipts, plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from antiphon.equivalence import from_json
from antiphon.ledger import Ledger
from antiphon.ledger.tables import RECEIPT_FILE
from antiphon.model import Side, replace

_PLAN = b'{"antiphon_plan"'


def remove_backups(folder: Path) -> list[Path]:
    """The backups that nobody asked for: every one holds values that were erased since. Returns what was removed."""
    return [_removed(path) for path in sorted(folder.glob("*")) if path.is_file()]


def empty_receipts(ledger: Ledger, paths: Iterable[tuple[Side, Path]]) -> list[Path]:
    """Receipts that are settled, in the file itself and in the one set aside. What is not settled yet stays.

    No target writes meanwhile: the caller holds the lease.
    """
    done = []
    for _, path in paths:
        aside = path.with_name(path.name + ".1")
        if aside.exists():
            done.append(_removed(aside))
        known = ledger.get(RECEIPT_FILE, str(path))
        if known is None or not known.offset or not path.exists():
            continue
        rest = path.read_bytes()[known.offset :]
        part = path.with_name(path.name + ".part")
        part.write_bytes(rest)
        part.replace(path)
        with ledger.transaction():
            ledger.put([replace(known, offset=0)])
        done.append(path)
    return done


def remove_plans(folders: Iterable[Path], ledger_id: str, lids: frozenset[str]) -> list[Path]:
    """Plan files of this ledger with an operation of one of the links."""
    found = dict.fromkeys(path for folder in folders for path in sorted(folder.glob("*")) if path.is_file())
    return [_removed(path) for path in found if _names(path, ledger_id, lids)]


def _names(path: Path, ledger_id: str, lids: frozenset[str]) -> bool:
    with path.open("rb") as file:
        if file.read(len(_PLAN)) != _PLAN:
            return False
    try:
        plan = from_json(path.read_bytes().decode())
    except (msgspec.DecodeError, UnicodeError):  # a damaged one: what it holds is not known
        return True
    return plan.get("ledger") == ledger_id and not lids.isdisjoint(_lids(plan))


def _lids(plan: dict[str, object]) -> Iterator[str]:
    operations = plan.get("operations")
    for op in operations if isinstance(operations, list) else []:
        if isinstance(op, dict):
            yield str(op.get("lid"))


def _removed(path: Path) -> Path:
    path.unlink()
    return path
