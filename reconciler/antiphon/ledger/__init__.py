"""The ledger: the durable store of observations, links, bases, operations, conflicts and audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from antiphon.errors import LedgerBusy, LedgerError
from antiphon.facts import ObsKey, Workspace
from antiphon.ledger.chain import chained
from antiphon.ledger.facts import LedgerFacts, find_touched
from antiphon.ledger.store import Store
from antiphon.ledger.tables import AUDIT, INSTANCE, LINK, OBS, OPEN, OUTBOX, TABLE_OF, Table
from antiphon.model import Audit, Instance, Instant, LinkState, Member, Op, Row, Side, replace

__all__ = ["Ledger", "LedgerFacts", "Store"]

R = TypeVar("R")


class Ledger:
    """One sync's ledger over a store. Every write happens in `transaction()`, which refuses a fenced-off runner."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._epoch: int | None = None
        self._together = False

    # ---- the instance

    def create(self, *, ledger_id: str, name: str, now: Instant, secret: str = "") -> Instance:
        """Begin a ledger, or find the one that is there. `secret` is the key of its hashes: up to 64 bytes as hex.

        Raises `LedgerError` if it is of another sync.
        """
        found = next(iter(self.store.scan(INSTANCE)), None)
        if found is None:
            found = Instance(ledger_id, name, now, secret=secret)
            with self.store.transaction():
                self.store.put(INSTANCE, [found])
        if found.name != name:
            raise LedgerError(
                f"the ledger belongs to the sync {found.name!r}, not to {name!r}",
                hint="give each sync its own `ledger:`",
            )
        return found

    @property
    def instance(self) -> Instance:
        """The ledger's own row."""
        return next(iter(self.store.scan(INSTANCE)))

    def acquire(self, holder: str) -> int:
        """Take over as the only writer: the epoch rises, and whoever wrote before is fenced off."""
        with self.store.transaction():
            instance = self.instance
            self._epoch = instance.epoch + 1
            self.store.put(INSTANCE, [replace(instance, epoch=self._epoch, holder=holder)])
        self.store.remember()
        return self._epoch

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """One transaction of the runner that holds the ledger. Raises `LedgerBusy` if another one took over.

        What need not be `durable` (see `Store.transaction`) is told to nobody before something else was committed.
        """
        if self._together:
            yield
            return
        with self.store.transaction(durable=durable):
            if self._epoch is not None and self.instance.epoch != self._epoch:
                raise LedgerBusy("another run took this ledger over", hint="let it finish, then run again")
            yield

    @property
    def is_together(self) -> bool:
        """Whether a transaction by `together` is open."""
        return self._together

    @contextmanager
    def together(self) -> Iterator[None]:
        """All transactions within as a single one, which happens or is undone as a whole.

        It is not durable before `make_durable` was called, and must be told to nobody until then.
        """
        with self.transaction(durable=False):
            self._together = True
            try:
                yield
            finally:
                self._together = False

    def make_durable(self) -> None:
        """Have whatever was committed until now outlive a power cut."""
        with self.transaction():
            self.update_instance()  # a transaction that writes nothing would not be

    def update_instance(self, **changes: object) -> None:
        """Change the ledger's own row, inside a transaction."""
        self.store.put(INSTANCE, [replace(self.instance, **changes)])  # type: ignore[arg-type]  # field names of Instance

    # ---- reading

    def facts(self, sides: tuple[Side, Side]) -> LedgerFacts:
        """The planner's view, as of now."""
        return LedgerFacts(self.store, find_touched(self.store, sides))

    def workspace(self, lids: Iterable[str]) -> Workspace:
        """A workspace to settle deliveries of these links in; store it by `apply_workspace`."""
        return Workspace(LedgerFacts(self.store, lids=lids))

    def get(self, table: Table[R], *key: object) -> R | None:
        """One row by its primary key."""
        return self.store.get(table, [key]).get(key)

    def open_ops(self, side: Side) -> list[Op]:
        """The side's operations that are not finished."""
        return self.store.find(OUTBOX, "state", [(side, state) for state in OPEN])

    def linked(self, entity: str, most: int | None = None) -> int:
        """How many links the entity has that hold a record on both sides or did, counted no further than to `most`."""
        found = 0
        for state in (LinkState.ACTIVE, LinkState.PARKED, LinkState.DELETING, LinkState.QUARANTINED):
            if most is None or found < most:
                found += self.store.count(LINK, "state", (entity, state), None if most is None else most - found)
        return found

    # ---- writing

    def put(self, rows: Iterable[Row]) -> None:
        """Store rows of any tables, inside a transaction. Audit rows are chained; ids are freed before taken."""
        by_kind: dict[type[Row], list[Row]] = {}
        for row in rows:
            by_kind.setdefault(type(row), []).append(row)
        audits = [row for row in by_kind.pop(Audit, ()) if isinstance(row, Audit)]
        if audits:
            instance = self.instance
            numbered = chained(audits, instance.secret, instance.audit_seq, instance.audit_head)
            self.update_instance(audit_seq=numbered[-1].seq, audit_head=numbered[-1].chain)
            self.store.put(AUDIT, numbered)
        for kind, group in by_kind.items():
            if kind is Member:
                group.sort(key=lambda row: isinstance(row, Member) and row.held)
            self.store.put(TABLE_OF[kind], group)

    def apply(self, rows: Iterable[Row], *, touch: Iterable[ObsKey] = (), untouch: Iterable[ObsKey] = ()) -> None:
        """Store what a planning or settling wrote down, inside a transaction."""
        self.put(rows)
        self.mark(touch, touched=True)
        self.mark(untouch, touched=False)

    def apply_workspace(self, ws: Workspace) -> None:
        """Store what a workspace holds, inside a transaction."""
        self.apply(
            ws.rows(),
            touch=sorted(ws.touch),
            untouch=sorted(ws.untouch - ws.touch),
        )

    def mark(self, keys: Iterable[ObsKey], *, touched: bool) -> None:
        """Ask the planner to look at records, or not to any more."""
        self.store.set(OBS, list(keys), "touched", touched)

    def number(self, ops: Sequence[Op]) -> list[Op]:
        """Give operations their place in the outbox's order, inside a transaction."""
        first = self.instance.seq
        self.update_instance(seq=first + len(ops))
        return [replace(op, seq=first + n) for n, op in enumerate(ops, 1)]

    def totals(self) -> Mapping[str, int]:
        """How many links stand in each state, over all entities."""
        return Counter(link.state.value for link in self.store.scan(LINK))

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()
