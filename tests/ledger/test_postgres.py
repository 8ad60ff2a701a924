"""What PostgreSQL adds: a schema for each sync, runners on several hosts, and servers that cannot be used."""

import builtins
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from antiphon.errors import AntiphonError, ConfigError, LedgerBusy, LedgerError
from antiphon.ledger import Ledger, advisory
from antiphon.ledger.postgres import schema_of
from antiphon.ledger.sql import SqlStore, open_store
from antiphon.ledger.tables import AUDIT, LINK, OBS
from antiphon_sandbox import postgres
from tests.ledger.processes import line_of, python
from tests.ledger.rows import link, obs, put

HOLDER = """
import sys
from antiphon.ledger import advisory
with advisory.hold(sys.argv[1], name=sys.argv[2], wait=5, who="antiphon sync (process 7 on elsewhere)"):
    print("held", flush=True)
    sys.stdin.readline()
"""
RACER = """
import sys, time
from antiphon.errors import LedgerBusy
from antiphon.ledger import Ledger, advisory
from antiphon.ledger.sql import open_store
url, name = sys.argv[1:]
store = open_store(url, name=name)
ledger = Ledger(store)
print("ready", flush=True)
for line in sys.stdin:
    time.sleep(max(0.0, float(line) - time.time()))
    try:
        with advisory.hold(url, name=name, wait=0, who="racer"):
            print("epoch", ledger.acquire("racer"), flush=True)
            sys.stdin.readline()
    except LedgerBusy:
        print("busy", flush=True)
        sys.stdin.readline()
    try:
        with ledger.transaction():
            ledger.update_instance(deletes_blocked="")
        print("wrote", flush=True)
    except LedgerBusy as error:
        print("refused", flush=True)
"""
NUMBERS = """
import sys
from antiphon.ledger import Ledger
from antiphon.ledger.sql import open_store
from antiphon.model import Audit, Cause
ledger = Ledger(open_store(sys.argv[1], name=sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(50):
    with ledger.transaction():
        ledger.put([Audit("l1", "crm", "name", None, n, Cause.DELIVERED, "o1", "r1", 9)])
print("done", flush=True)
"""


@pytest.fixture
def url(cluster: postgres.Cluster) -> str:
    return cluster.url()


@pytest.fixture
def opened(url: str, name: str) -> Iterator[Ledger]:
    with closing(open_store(url, name=name)) as store:
        ledger = Ledger(store)
        ledger.create(ledger_id="0001", name=name, now=1)
        yield ledger


def run_sql(cluster: postgres.Cluster, *statements: str, database: str = "postgres") -> None:
    with postgres.connect(cluster, database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def lids(store: SqlStore) -> list[str]:
    return [row.lid for row in store.scan(LINK)]


def refused(url: str, name: str = "contacts", **options: Any) -> AntiphonError:
    """The error of opening it, which shows no password and says the way on."""
    with pytest.raises(AntiphonError) as caught:
        open_store(url, name=name, **options)
    assert caught.value.hint
    password = url.partition("@")[0].rpartition(":")[2]
    assert password not in caught.value.message + caught.value.hint
    return caught.value


# ---- schemas


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("crm-warehouse", "antiphon_crm_warehouse"),
        ("CRM", "antiphon_crm"),
        ('a"; drop schema public; --', "antiphon_a___drop_schema_public____"),
        ("long" * 20, "antiphon_longlonglonglonglonglonglonglonglonglonglongl_"),
    ],
)
def test_the_schema_of_a_sync(name: str, schema: str) -> None:
    found = schema_of(name)
    assert found.startswith(schema)
    assert len(found) == (63 if len(name) > 54 else len(schema))


def test_each_sync_has_a_schema_of_its_own(url: str, opened: Ledger, name: str) -> None:
    put(opened.store, LINK, link("l1"))
    with closing(open_store(url, name=f"{name}-too")) as other:
        assert lids(other) == []
        put(other, LINK, link("l2"))
    with closing(open_store(url, name=name, make=False)) as again:
        assert lids(again) == ["l1"]


def test_two_names_of_one_schema_are_told_apart(url: str, name: str, opened: Ledger) -> None:
    with (
        closing(open_store(url, name=name.replace("-", "_"))) as store,
        pytest.raises(LedgerError, match=f"belongs to the sync '{name}'"),
    ):
        Ledger(store).create(ledger_id="0002", name=name.replace("-", "_"), now=2)


def test_looking_makes_nothing(url: str, name: str) -> None:
    for _ in range(2):
        assert "there is no ledger at antiphon_sync" in refused(url, name, make=False).message


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_the_url(url: str, name: str, scheme: str) -> None:
    open_store(url.replace("postgresql+psycopg", scheme), name=name).close()


def test_a_failed_founding_leaves_nothing(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Any) -> None:
        raise ValueError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr("antiphon.ledger.statements.METADATA.create_all", broken)
        with pytest.raises(ValueError, match="half-way"):
            open_store(url, name=name)
    refused(url, name, make=False)
    open_store(url, name=name).close()


def test_an_index_is_used_at_once(opened: Ledger) -> None:
    put(opened.store, OBS, *(obs(f"[{n}]", touched=n % 100 == 0) for n in range(3000)))
    statements = opened.store._of(OBS)  # type: ignore[attr-defined]
    for index, entries in ((None, [("crm", "contact", "[7]")]), ("touched", [(True,)])):
        ((text, parameters),) = statements.lookups(index, entries)
        plan = "\n".join(row[0] for row in opened.store._rows(f"EXPLAIN {text}", parameters))  # type: ignore[attr-defined]
        assert f"obs_{index or 'pkey'}" in plan, plan


# ---- several runners


def test_the_runner_is_named(url: str, name: str) -> None:
    with python(HOLDER, url, name) as other:
        began = time.monotonic()
        expected = rf"{schema_of(name)} .*: antiphon sync \(process 7 on elsewhere\), since 20"
        with pytest.raises(LedgerBusy, match=expected), advisory.hold(url, name=name, wait=0.3, who="me"):
            pass
        assert 0.3 <= time.monotonic() - began < 5
        with advisory.hold(url, name=f"{name}-too", wait=0, who="me"):  # another sync is no matter
            pass
        other.communicate("end\n")
    with advisory.hold(url, name=name, wait=0, who="me"):
        pass


def test_a_killed_runner_frees_the_lease(url: str, name: str) -> None:
    with python(HOLDER, url, name) as other:
        other.kill()
        other.wait()
        with advisory.hold(url, name=name, wait=10, who="me"):
            pass


def test_of_two_that_race_one_gets_it_and_the_older_epoch_is_refused(url: str, name: str, opened: Ledger) -> None:
    with python(RACER, url, name) as first, python(RACER, url, name) as second:
        racers = (first, second)
        epochs: list[int] = []
        fenced: set[Any] = set()
        for _ in range(20):
            at = time.time() + 0.02
            for racer in racers:
                tell(racer, at)
            said = {racer: line_of(racer.stdout).split() for racer in racers}
            assert sorted(words[0] for words in said.values()) == ["busy", "epoch"], said
            for racer in racers:
                tell(racer, "go on")
            for racer, words in said.items():
                outcome = line_of(racer.stdout).strip()
                if words[0] == "epoch":
                    assert outcome == "wrote"
                    epochs.append(int(words[1]))
                    fenced.add(racer)
                else:
                    assert outcome == ("refused" if racer in fenced else "wrote")  # who never had an epoch is no runner
        assert epochs == list(range(1, 21))
        with advisory.hold(url, name=name, wait=5, who="me"):
            Ledger(opened.store).acquire("me")
            for racer in fenced:
                tell(racer, 0)
                assert line_of(racer.stdout).strip() == "busy"
                tell(racer, "go on")
                assert line_of(racer.stdout).strip() == "refused"


def tell(process: Any, text: object) -> None:
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def test_a_runner_that_lost_its_lease_is_refused(cluster: postgres.Cluster, name: str, opened: Ledger) -> None:
    other = Ledger(opened.store)
    with advisory.hold(cluster.url(), name=name, wait=0, who="runner to lose it"):
        opened.acquire("first")
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runner to lose it'"
        run_sql(cluster, kill)
        with advisory.hold(cluster.url(), name=name, wait=5, who="second"):
            other.acquire("second")
        with pytest.raises(LedgerBusy, match="took this ledger over"), opened.transaction():
            pass
    assert opened.instance.holder == "second"


def test_transactions_of_two_processes_stand_in_one_line(url: str, name: str, opened: Ledger) -> None:
    with python(NUMBERS, url, name) as first, python(NUMBERS, url, name) as second:
        for writer in (first, second):
            tell(writer, "go")
        assert [line_of(writer.stdout) for writer in (first, second)] == ["done\n", "done\n"]
    assert [row.seq for row in opened.store.scan(AUDIT)] == list(range(1, 101))


def test_a_writer_waits_only_so_long_and_readers_never(url: str, name: str, opened: Ledger) -> None:
    with closing(open_store(url, name=name, busy_timeout=0.2)) as other, opened.transaction():
        opened.put([link("l1")])
        assert lids(other) == []
        with pytest.raises(LedgerBusy, match="locked by another process"), other.transaction():
            pass


# ---- servers that cannot be used


def test_nobody_answers(url: str, cluster: postgres.Cluster) -> None:
    error = refused(url.replace(f":{cluster.port}/", ":1/"))
    assert "no server answered" in error.message
    with pytest.raises(LedgerError), advisory.hold(url.replace(f":{cluster.port}/", ":1/"), name="x", wait=0, who="me"):
        pass


def test_the_wrong_password(url: str, cluster: postgres.Cluster) -> None:
    error = refused(url.replace(cluster.password, "wr0ng-s3cret"))
    assert "wrong user or password" in error.message


def test_a_database_that_is_not_there(url: str) -> None:
    error = refused(url.replace("/postgres", "/nobody"))
    assert "no such database" in error.message
    assert "CREATE DATABASE" in error.hint


def test_a_password_with_an_at_sign_is_not_repeated(url: str, cluster: postgres.Cluster) -> None:
    error = refused(url.replace(cluster.password, "tail@s3cret"))
    assert isinstance(error, ConfigError)
    assert "s3cret" not in error.message + error.hint
    assert "%40" in error.hint


def test_a_database_without_every_letter(cluster: postgres.Cluster) -> None:
    run_sql(cluster, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    assert "LATIN1" in refused(cluster.url("latin")).message


def test_the_driver_is_missing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "psycopg":
            raise ModuleNotFoundError("No module named 'psycopg'")
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "psycopg")
    error = refused(url)
    assert isinstance(error, ConfigError)
    assert error.hint == "pip install 'antiphon[postgres]'"


def account(cluster: postgres.Cluster, user: str) -> str:
    """The URL of an account that may do nothing by itself."""
    run_sql(cluster, f"CREATE ROLE {user} LOGIN PASSWORD 'of-{user}'")
    return f"postgresql+psycopg://{user}:of-{user}@{cluster.host}:{cluster.port}/postgres"


def test_no_right_to_make_the_schema_until_it_is_made(cluster: postgres.Cluster, name: str) -> None:
    limited = account(cluster, "limited")
    error = refused(limited, name)
    assert "may not make or use" in error.message
    command = error.hint.partition(": ")[2]
    assert command == f'CREATE SCHEMA {schema_of(name)} AUTHORIZATION "limited"'
    run_sql(cluster, command)
    open_store(limited, name=name).close()


def test_a_schema_that_is_closed_to_us(cluster: postgres.Cluster, name: str, opened: Ledger) -> None:
    error = refused(account(cluster, "stranger"), name)
    assert "closed to the account stranger" in error.message
    assert error.hint.endswith(f'ALTER SCHEMA {schema_of(name)} OWNER TO "stranger"')


def test_a_newer_schema(cluster: postgres.Cluster, name: str, opened: Ledger) -> None:
    run_sql(cluster, f"UPDATE {schema_of(name)}.alembic_version SET version_num = '0099'")  # noqa: S608
    assert "newer Antiphon (its schema is 0099" in refused(cluster.url(), name).message


def test_a_table_that_is_not_as_we_know_it(cluster: postgres.Cluster, name: str, opened: Ledger) -> None:
    run_sql(cluster, f"ALTER TABLE {schema_of(name)}.link DROP COLUMN alias_of")
    assert "is of another version: its table 'link'" in refused(cluster.url(), name).message


def test_a_schema_of_somebody_else(cluster: postgres.Cluster, name: str) -> None:
    run_sql(cluster, f"CREATE SCHEMA {schema_of(name)}", f"CREATE TABLE {schema_of(name)}.shopping (item text)")
    error = refused(cluster.url(), name)
    assert "not a ledger of Antiphon" in error.message
    assert "rename the sync" in error.hint


def test_tables_that_vanish_meanwhile(cluster: postgres.Cluster, name: str, opened: Ledger) -> None:
    run_sql(cluster, f"DROP TABLE {schema_of(name)}.link")
    with pytest.raises(LedgerError, match=r"tables of the ledger .* are gone"):
        opened.get(LINK, "l1")


def break_in_a_transaction(cluster: postgres.Cluster, store: SqlStore) -> None:
    with store.transaction():
        store.put(LINK, [link("l1")])
        run_sql(cluster, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        store.put(LINK, [link("l2")])


def test_a_connection_that_breaks(cluster: postgres.Cluster, name: str) -> None:
    with closing(open_store(cluster.url(), name=name)) as store:
        with pytest.raises(LedgerError, match="was lost") as caught:
            break_in_a_transaction(cluster, store)
        assert "run again" in caught.value.hint
        with pytest.raises(LedgerError, match="was lost"):
            lids(store)
    with closing(open_store(cluster.url(), name=name)) as store:
        assert lids(store) == []


def test_a_key_that_no_index_takes(opened: Ledger) -> None:
    long = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(3000))
    with pytest.raises(LedgerError, match="2,700 bytes") as caught:
        put(opened.store, LINK, link(long))
    assert "SQLite" in caught.value.hint


def test_a_contradiction_shows_no_values(opened: Ledger) -> None:
    with pytest.raises(LedgerError, match="contradict") as caught:
        put(opened.store, LINK, link("l1"), link("l2", alias_of=None), replace_key(link("l3"), "key-l1"))
    assert "key-l1" not in caught.value.message


def replace_key(row: Any, sync_key: str) -> Any:
    return type(row)(row.lid, row.entity, row.state, row.created, sync_key)


def test_what_is_written_is_kept_whatever_the_account_prefers(url: str, name: str) -> None:
    with closing(open_store(f"{url}?options=-c%20synchronous_commit%3Doff", name=name)) as store:
        assert store._rows("SHOW synchronous_commit") == [("on",)]
        for durable, level in ((False, "off"), (True, "on")):
            with store.transaction(durable=durable):
                assert store._rows("SHOW synchronous_commit") == [(level,)]
        assert store._rows("SHOW search_path") == [(schema_of(name),)]
