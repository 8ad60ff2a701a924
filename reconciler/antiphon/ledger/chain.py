"""The audit's chain: each row bears a hash of itself and of the row before it, so that no row changes unseen.

The hash is taken over keyed hashes of the old and the new value, not over the values: when a person is erased, the
values go and the chain stays whole. The key is the ledger's own, so a hash alone does not let anybody try out values.

What the chain proves: that no row was changed, moved or removed by whoever does not know how it is made. Who may write
to the ledger's database and reads its key could make a whole new chain; `antiphon verify --json` prints the chain's
head, and whoever keeps it elsewhere can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from antiphon.equivalence import canonical_json
from antiphon.ledger.store import Store
from antiphon.ledger.tables import AUDIT, INSTANCE, LINK
from antiphon.model import Audit, LinkState, replace

_BYTES = 16


def keyed(secret: str, *parts: object) -> str:
    """128 bits of BLAKE2b of the parts as canonical JSON, with the ledger's key (RFC 7693, section 2.5)."""
    return blake2b(canonical_json(list(parts)).encode(), digest_size=_BYTES, key=bytes.fromhex(secret)).hexdigest()


def chained(rows: Iterable[Audit], secret: str, seq: int, head: str) -> list[Audit]:
    """The rows with their places after `seq`, their hashes, and their links in the chain that ends in `head`."""
    done = []
    for place, row in enumerate(rows, seq + 1):
        numbered = replace(
            row, seq=place, old_digest=keyed(secret, "value", row.old), new_digest=keyed(secret, "value", row.new)
        )
        head = _link(secret, head, numbered)
        done.append(replace(numbered, chain=head))
    return done


def _link(secret: str, before: str, row: Audit) -> str:
    facts: tuple[Any, ...] = (row.seq, row.lid, row.side, row.field, row.cause.value, row.op_id, row.run_id, row.at)
    return keyed(secret, "chain", before, *facts, row.old_digest, row.new_digest)


@dataclass(frozen=True, slots=True)
class Checked:
    """The chain's length and end, and what is wrong with it, in sentences."""

    rows: int
    head: str
    faults: tuple[str, ...]


def check_chain(store: Store) -> Checked:
    """Follow the audit from its first row to its last."""
    instance = next(iter(store.scan(INSTANCE)))
    rows = 0
    faults = []
    seq, head = 0, ""
    for row in store.scan(AUDIT):
        rows += 1
        missing = row.seq - seq - 1
        if missing > 0:
            faults.append(_missing(seq + 1, row.seq - 1))
        elif row.chain != _link(instance.secret, head, row):
            faults.append(
                f"audit row {row.seq} is not as it was written: it was changed, or stands in another row's place"
            )
        faults += _changed(store, instance.secret, row)
        seq, head = row.seq, row.chain
    if seq < instance.audit_seq:
        faults.append(_missing(seq + 1, instance.audit_seq))
    elif (seq, head) != (instance.audit_seq, instance.audit_head):
        faults.append(f"the audit ends with row {seq}, which is not the row that was written last")
    return Checked(rows, instance.audit_head, tuple(faults))


def _missing(first: int, last: int) -> str:
    return f"audit row {first} was removed" if first == last else f"audit rows {first} to {last} were removed"


def _changed(store: Store, secret: str, row: Audit) -> Iterator[str]:
    """Values that are not those the hashes were made of. An erased record's are gone, and nothing else may be."""
    for name, value, digest in (("old", row.old, row.old_digest), ("new", row.new, row.new_digest)):
        if keyed(secret, "value", value) == digest:
            continue
        if value is None and _erased(store, row.lid):
            continue
        yield f"audit row {row.seq}: its {name} value was changed"


def _erased(store: Store, lid: str) -> bool:
    link = store.get(LINK, [(lid,)]).get((lid,))
    return link is not None and link.state is LinkState.ERASED
