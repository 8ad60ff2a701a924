"""The twin in memory and the database, side by side through any history: they never differ."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from antiphon.errors import LedgerError
from antiphon.ledger import Store
from antiphon.ledger.memory import MemoryStore
from antiphon.ledger.sql import open_store
from antiphon.ledger.tables import LINK, MEMBER, OBS, OUTBOX, TABLE_OF, Table
from antiphon.model import LinkState, OpState, RecordState, Row
from antiphon_sandbox import postgres
from tests.ledger.rows import SIDES, link, member, obs, op

_TABLES: tuple[Table[Any], ...] = (OBS, LINK, MEMBER, OUTBOX)
_RIDS = st.sampled_from(["[1]", "[2]", "[3]"])
_LIDS = st.sampled_from(["l1", "l2", "l3"])
_SIDES = st.sampled_from(SIDES)
_TIMES = st.none() | st.integers(1, 3)
_ROWS: st.SearchStrategy[Row] = st.one_of(
    st.builds(obs, _RIDS, side=_SIDES, touched=st.booleans(), state=st.sampled_from(RecordState)),
    st.builds(link, _LIDS, st.sampled_from(LinkState), alias_of=st.none() | _LIDS),
    st.builds(member, _LIDS, _RIDS, side=_SIDES, held=st.booleans()),
    st.builds(op, st.sampled_from(["o1", "o2", "o3"]), _LIDS, st.sampled_from(OpState), side=_SIDES, acked_at=_TIMES),
)


class _FailedError(Exception):
    pass


def _change(store: Store, rows: list[Row], removed: list[Row], *, fail: bool) -> None:
    for row in rows:
        store.put(TABLE_OF[type(row)], [row])
    for row in removed:
        store.remove(TABLE_OF[type(row)], [TABLE_OF[type(row)].key_of(row)])
    if fail:
        raise _FailedError


def _outcome(store: Store, rows: list[Row], removed: list[Row], *, fail: bool) -> str:
    try:
        with store.transaction():
            _change(store, rows, removed, fail=fail)
    except (_FailedError, LedgerError) as error:
        return type(error).__name__
    return "committed"


class Twins(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.memory, self.sql = MemoryStore(), self.opened()
        self.seen: dict[str, list[Any]] = {table.name: [] for table in _TABLES}

    @staticmethod
    def opened() -> Store:
        return open_store("sqlite://")

    @rule(rows=st.lists(_ROWS, max_size=5), removed=st.lists(_ROWS, max_size=2), fail=st.booleans())
    def transaction(self, rows: list[Row], removed: list[Row], *, fail: bool) -> None:
        outcomes = [_outcome(store, rows, removed, fail=fail) for store in (self.memory, self.sql)]
        assert outcomes[0] == outcomes[1]
        for row in rows:
            self.seen[TABLE_OF[type(row)].name].append(row)

    @rule(data=st.data(), touched=st.booleans())
    def mark(self, data: st.DataObject, *, touched: bool) -> None:
        asked = data.draw(st.lists(st.sampled_from(self.seen["obs"]))) if self.seen["obs"] else []
        for store in (self.memory, self.sql):
            with store.transaction(durable=False):
                store.set(OBS, [row.key for row in asked], "touched", touched)

    @rule(table=st.sampled_from(_TABLES), data=st.data())
    def questions(self, table: Table[Any], data: st.DataObject) -> None:
        asked = data.draw(st.lists(st.sampled_from(self.seen[table.name]))) if self.seen[table.name] else []
        keys = [table.key_of(row) for row in asked]
        assert list(self.sql.get(table, keys).items()) == list(self.memory.get(table, keys).items())
        for index in table.indexes:
            entries = [entry for row in asked if (entry := table.entry_of(index, row)) is not None]
            assert self.sql.find(table, index, entries) == self.memory.find(table, index, entries)
            for entry in entries:
                assert self.sql.count(table, index, entry) == self.memory.count(table, index, entry)
                if index == "acked":
                    least = data.draw(st.integers(0, 3))
                    latest = [list(store.latest(table, index, entry, least)) for store in (self.sql, self.memory)]
                    assert latest[0] == latest[1]
            if index == "acked":
                assert self.sql.newest(table, index, entries) == self.memory.newest(table, index, entries)

    @invariant()
    def same_rows(self) -> None:
        for table in _TABLES:
            assert list(self.sql.scan(table)) == list(self.memory.scan(table))

    def teardown(self) -> None:
        self.sql.close()


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_twins_on_postgresql(cluster: postgres.Cluster, name: str) -> None:
    class OnPostgresql(Twins):
        @staticmethod
        def opened() -> Store:
            store = open_store(cluster.url(), name=name)
            with store.transaction():
                for table in _TABLES:
                    store.remove(table, [table.key_of(row) for row in store.scan(table)])
            return store

    run_state_machine_as_test(OnPostgresql, settings=settings(max_examples=20, stateful_step_count=15, deadline=None))
