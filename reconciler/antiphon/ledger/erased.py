"""What is remembered of erased records: keyed hashes of their ids and of the values they were matched by.

They are enough to know such a record again, so that it is neither taken in nor created anew, and they say nothing to
whoever does not have the ledger's key. Who has it can try out an address and see whether it was erased, no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from antiphon.facts import ObsKey
from antiphon.ledger import Ledger
from antiphon.ledger.chain import keyed
from antiphon.ledger.tables import ERASURE
from antiphon.mapping import Entity
from antiphon.match import match_keys
from antiphon.model import Observation


class Erased:
    """The hashes of one ledger, as of now."""

    def __init__(self, ledger: Ledger) -> None:
        self._secret = ledger.instance.secret
        self._known = frozenset(row.digest for row in ledger.store.scan(ERASURE))

    def __bool__(self) -> bool:
        return bool(self._known)

    def knows(self, digests: Iterable[str]) -> bool:
        """Whether one of the hashes is among them."""
        return not self._known.isdisjoint(digests)

    def by_id(self, key: ObsKey) -> bool:
        """Whether the record with this id was erased."""
        return bool(self._known) and self.of_id(key) in self._known

    def by_values(self, entity: Entity, row: Observation) -> bool:
        """Whether a record that would have been joined with this one was erased."""
        return bool(self._known) and not self._known.isdisjoint(self.of_values(entity, row))

    def of_id(self, key: ObsKey) -> str:
        """The hash of an id."""
        return keyed(self._secret, "id", *key)

    def of_values(self, entity: Entity, row: Observation) -> Iterator[str]:
        """The hashes of the values that the record is matched by, one for each rule it has values for."""
        for rule, value in match_keys(entity, row.side, row.fields).items():
            yield self.of_value(entity, rule, value)

    def of_value(self, entity: Entity, rule: int, value: str) -> str:
        """The hash of a canonical value of a match rule."""
        return keyed(self._secret, "match", entity.name, list(entity.match[rule]), value)


def lift(ledger: Ledger, digests: Iterable[str]) -> int:
    """Forget hashes, inside a transaction, so that what bears them is taken in again. Returns how many there were."""
    known = ledger.store.get(ERASURE, [(digest,) for digest in dict.fromkeys(digests)])
    ledger.store.remove(ERASURE, list(known))
    return len(known)
