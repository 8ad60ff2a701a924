"""What the database adds to a store: durability, speed by indexes, several processes, and files that are not ours."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import Struct

from antiphon.errors import ConfigError, LedgerBusy, LedgerError
from antiphon.ledger import Ledger
from antiphon.ledger.columns import Codec
from antiphon.ledger.sql import SqlStore, open_store
from antiphon.ledger.statements import METADATA
from antiphon.ledger.tables import LINK, OBS, TABLES, Table
from antiphon.model import replace
from tests.ledger.processes import python, run
from tests.ledger.rows import link, obs, put

LOCKER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""
DIES_IN_A_TRANSACTION = """
import sys
from antiphon.ledger.sql import open_store
from antiphon.ledger.tables import LINK
from tests.ledger.rows import link, put
store = open_store(sys.argv[1])
put(store, LINK, link("committed"))
with store.transaction():
    store.put(LINK, [link(f"l{n}") for n in range(50_000)])  # more than the cache: pages are written before the commit
    print("half-way", flush=True)
    sys.stdin.readline()
"""
FILLS_THE_DISK = """
import resource, sys
from antiphon.errors import LedgerError
from antiphon.ledger.sql import open_store
from antiphon.ledger.tables import LINK
from tests.ledger.rows import link, put
store = open_store(sys.argv[1])
put(store, LINK, link("before"))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    put(store, LINK, *(link(f"l{n}") for n in range(50_000)))
except LedgerError as error:
    print(error.message, error.hint, sep="|")
print([row.lid for row in store.scan(LINK)])
put(store, LINK, link("after"))
store.close()
"""

MAY_NOT_WRITE = """
import os, tempfile
from pathlib import Path
from antiphon.errors import LedgerError
from antiphon.ledger.sql import open_store
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    open_store(f"sqlite:///{folder}/old.db").close()
    folder.joinpath("old.db").chmod(0o444)
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65534)  # permissions do not bind root
    for path in ("old.db", "new.db", "deep/new.db"):
        try:
            open_store(f"sqlite:///{folder}/{path}")
        except LedgerError as error:
            print(error.message)
    os.seteuid(os.getuid())
    folder.chmod(0o755)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def make(path: Path, *lids: str) -> None:
    store = open_store(url(path))
    Ledger(store).create(ledger_id="0001", name="contacts", now=1)
    put(store, LINK, *map(link, lids))
    store.close()


def lids(store: SqlStore) -> list[str]:
    return [row.lid for row in store.scan(LINK)]


def refused(path: Path, **options: Any) -> LedgerError:
    """The error of opening a file, which is left as it was."""
    before = path.read_bytes()
    with pytest.raises(LedgerError) as caught:
        open_store(url(path), **options)
    assert path.read_bytes() == before
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


# ---- one file


def test_what_was_committed_is_there_when_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "ledger.db"
    make(path, "l1")
    make(path, "l2")
    store = open_store(url(path))
    assert lids(store) == ["l1", "l2"]
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]


def test_nothing_is_lost_at_a_power_cut_and_nothing_deleted_stays(path: Path) -> None:
    store = open_store(url(path))
    pragmas = {name: store._rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "secure_delete")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    put(store, LINK, link("a-name-to-be-erased"), link("l2"))
    for durable, level in ((False, 1), (True, 2)):
        with store.transaction(durable=durable):
            assert store._rows("PRAGMA synchronous") == [(level,)]
    with store.transaction():
        store.remove(LINK, [("a-name-to-be-erased",)])
    store.close()
    assert b"erased" not in path.read_bytes()


def test_the_tables_are_made_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: sa.Connection) -> None:
        METADATA.tables["obs"].create(connection)
        raise ValueError("half-way")

    with monkeypatch.context() as patched:
        patched.setattr(METADATA, "create_all", broken)
        with pytest.raises(ValueError, match="half-way"):
            open_store(url(path))
    make(path, "l1")


def test_another_store_on_the_file_sees_what_is_committed(path: Path) -> None:
    writer, reader = open_store(url(path)), open_store(url(path), busy_timeout=0.1)
    with writer.transaction():
        writer.put(LINK, [link("l1")])
        assert lids(reader) == []
        with pytest.raises(LedgerBusy, match="locked by another process"), reader.transaction():
            pass
    assert lids(reader) == ["l1"]
    put(reader, LINK, link("l2"))
    assert lids(writer) == ["l1", "l2"]
    writer.close()
    reader.close()


@contextmanager
def asked(store: SqlStore) -> Iterator[list[str]]:
    """The statements that the database is given meanwhile."""
    texts: list[str] = []
    connection: Any = store.database.connection.connection.driver_connection
    connection.set_trace_callback(texts.append)
    yield texts
    connection.set_trace_callback(None)


def test_what_was_read_is_not_asked_for_again_by_the_only_writer(path: Path) -> None:
    make(path, "l1", "l2")
    store = open_store(url(path))
    Ledger(store).acquire("run")
    read = store.get(LINK, [("l1",)])
    found = store.find(LINK, "state", [(link("l2").entity, link("l2").state)])
    with asked(store) as texts:
        assert store.get(LINK, [("l2",), ("l1",)]) == {("l2",): found[1], **read}
        assert texts == []
        assert list(store.get(LINK, [("l1",), ("l3",)])) == [("l1",)]
        assert len(texts) == 1
    store.close()


def changed(store: SqlStore) -> None:
    store.put(LINK, [replace(link("l1"), match_rule="phone")])


def set_(store: SqlStore) -> None:
    store.set(LINK, [("l1",)], "match_rule", "phone")


def removed(store: SqlStore) -> None:
    store.remove(LINK, [("l1",)])


def write_read_and_raise(store: SqlStore, write: Callable[[SqlStore], None]) -> None:
    before = store.get(LINK, [("l1",)])
    with store.transaction():
        write(store)
        assert store.get(LINK, [("l1",)]) != before
        raise ValueError("undone")


@pytest.mark.parametrize("write", [changed, set_, removed])
def test_what_was_read_and_written_since_is_read_again(path: Path, write: Callable[[SqlStore], None]) -> None:
    make(path, "l1")
    store, other = open_store(url(path)), open_store(url(path))
    store.remember()
    before = store.get(LINK, [("l1",)])
    with pytest.raises(ValueError, match="undone"):
        write_read_and_raise(store, write)
    assert store.get(LINK, [("l1",)]) == before
    with store.transaction():
        write(store)
    assert store.get(LINK, [("l1",)]) == other.get(LINK, [("l1",)]) != before
    store.close()
    other.close()


def test_who_takes_the_ledger_over_sees_what_the_one_before_wrote(path: Path) -> None:
    make(path, "l1")
    store, other = open_store(url(path)), open_store(url(path))
    mine, theirs = Ledger(store), Ledger(other)
    mine.acquire("one")
    store.get(LINK, [("l1",)])
    theirs.acquire("other")
    with theirs.transaction():
        changed(other)
    with pytest.raises(LedgerBusy), mine.transaction():  # whatever it still takes for true, it writes nothing of it
        pass
    mine.acquire("one")
    assert store.get(LINK, [("l1",)]) == other.get(LINK, [("l1",)])
    assert store.get(LINK, [("l1",)])["l1",].match_rule == "phone"
    store.close()
    other.close()


def test_not_everything_that_was_read_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon.ledger.recent._MOST", 10)
    store = open_store("sqlite://")
    store.remember()
    keys = [(f"l{number:03}",) for number in range(100)]
    with store.transaction():
        store.put(LINK, [link(lid) for (lid,) in keys])
    assert list(store.get(LINK, keys)) == keys
    with asked(store) as texts:
        assert list(store.get(LINK, keys)) == keys
    assert 1 <= len(texts) <= 2
    assert len(store._recent.of(LINK)) <= 10
    store.close()


def test_stores_in_memory_are_apart() -> None:
    first, second = open_store("sqlite://"), open_store("sqlite:///:memory:")
    put(first, LINK, link("l1"))
    assert lids(second) == []
    first.close()
    second.close()


def test_a_store_belongs_to_one_thread(path: Path) -> None:
    store = open_store(url(path))
    with ThreadPoolExecutor() as pool, pytest.raises(LedgerError, match="thread"), store.transaction():
        pool.submit(store.put, LINK, [link("l1")]).result()
    assert lids(store) == []
    store.close()


def test_a_store_may_be_closed_twice(path: Path) -> None:
    store = open_store(url(path))
    store.close()
    store.close()


def test_a_killed_process_leaves_what_it_committed(path: Path) -> None:
    with python(DIES_IN_A_TRANSACTION, url(path)) as writer:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    store = open_store(url(path))
    assert lids(store) == ["committed"]
    put(store, LINK, link("next"))
    store.close()


# ---- queries

LISTED = ("SCAN wanted", "SCAN 100 CONSTANT ROWS")
"""To read the list of what is looked for."""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_query_reads_a_whole_table(table: Table[Any]) -> None:
    store = open_store("sqlite://")
    statements = store._of(table)
    asked = {"primary key": table.key, **table.indexes}
    texts = {"page": (statements.next_page, len(table.key))}
    for name, columns in asked.items():
        shape = tuple(True if isinstance(METADATA.tables[table.name].c[c].type, sa.Boolean) else ... for c in columns)
        index = name if name in table.indexes else None
        texts[f"{name}, one"] = (statements.look(index, shape, 1), shape.count(...))
        if ... in shape:
            texts[f"{name}, many"] = (statements.look(index, shape, 100), shape.count(...) * 100)
        if index is not None:
            asked_for = tuple("x" if value is ... else value for value in shape)
            texts[f"{name}, count"] = (statements.count(index, asked_for, None)[0], shape.count(...))
        if name in table.riders and len(table.key) == 1:
            ((newest, values),) = statements.newest(name, [("x",) * len(columns)] * 100)
            texts[f"{name}, newest"] = (newest, len(values))
            texts[f"{name}, latest"] = (statements.latest(name, (), 10, 0)[0], len(columns) + 1)
    for name, (text, bound) in texts.items():
        for *_, step in store._rows(f"EXPLAIN QUERY PLAN {text}", ("x",) * bound):
            flag = name.partition(",")[0]
            by_flag = flag in ("touched", "unseen") and f"USING INDEX obs_{flag}" in step
            assert by_flag or step in LISTED or not step.startswith("SCAN"), (name, step)
            assert by_flag or flag not in ("touched", "unseen"), (name, step)
            assert flag not in table.covers or step in LISTED or f"{table.name}_{flag}" in step, (name, step)
            assert "TEMP B-TREE" not in step, (name, step)
    store.close()


@pytest.mark.parametrize("count", [0, 1, 2, 9, 10, 11, 99, 100, 101, 110, 111, 200, 201, 1234])
def test_any_number_of_keys_is_found(count: int) -> None:
    store = open_store("sqlite://")
    put(store, OBS, *(obs(f"[{n}]") for n in range(0, 1234, 2)))
    wanted = range(count)
    found = store.get(OBS, [("crm", "contact", f"[{n}]") for n in wanted])
    assert [key[2] for key in found] == [f"[{n}]" for n in wanted if n % 2 == 0]
    store.close()


class Odd(Struct, frozen=True):
    when: complex


class Odder(Struct, frozen=True):
    when: int | str


@pytest.mark.parametrize("row", [Odd, Odder])
def test_a_type_without_a_column_is_refused(row: type[Any]) -> None:
    with pytest.raises(TypeError, match=r"no column can hold .*, the type of when"):
        Codec(Table("odd", row, ("when",)))


# ---- files that cannot be used


def test_locked_by_another_process(path: Path) -> None:
    make(path, "l1")
    store = open_store(url(path), busy_timeout=0.1)
    with python(LOCKER, path) as other:
        with pytest.raises(LedgerBusy, match="locked by another process"), store.transaction():
            pass
        assert lids(store) == ["l1"]  # reading goes on
        late = open_store(url(path), busy_timeout=0.1)  # and so does opening
        late.close()
        other.communicate("end\n")
    put(store, LINK, link("l2"))
    store.close()


def test_a_writer_waits_for_another_process(path: Path) -> None:
    make(path)
    store = open_store(url(path), busy_timeout=30)
    with python("import threading, time\nthreading.Timer(.5, __import__('os')._exit, [0]).start()\n" + LOCKER, path):
        put(store, LINK, link("l1"))
    assert lids(store) == ["l1"]
    store.close()


@pytest.mark.parametrize("content", [b"no database\n" * 500, b"ledger: x\n", b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refused(path)
    assert "damaged" in error.message
    assert "the file is left as it is" in error.hint


def test_a_truncated_file(path: Path) -> None:
    make(path, *(f"l{n}" for n in range(2000)))
    path.write_bytes(path.read_bytes()[:-9000])
    assert "damaged" in refused(path).message


def test_a_file_damaged_inside(path: Path) -> None:
    make(path, *(f"l{n}" for n in range(5000)))
    content = bytearray(path.read_bytes())
    half = len(content) // 2  # the tables are described on the first pages
    content[half:] = b"\x55" * (len(content) - half)
    path.write_bytes(content)
    store = open_store(url(path))
    with pytest.raises(LedgerError, match="damaged") as caught:
        lids(store)
    assert "restore the last backup" in caught.value.hint
    store.close()


@pytest.mark.parametrize(
    ("column", "value"), [("state", "'from the future'"), ("fields", "'{\"cut'"), ("dirty", "'7'"), ("fields", "x'ff'")]
)
def test_a_row_that_cannot_be_read(path: Path, column: str, value: str) -> None:
    store = open_store(url(path))
    put(store, OBS, obs("[1]"))
    with store.transaction():
        store._run(f"UPDATE obs SET {column} = {value}")  # noqa: S608  # the cases above
    with pytest.raises(LedgerError, match="holds a row of 'obs' that cannot be read"):
        store.get(OBS, [("crm", "contact", "[1]")])
    store.close()


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    path.touch()
    make(path, "l1")


def alter(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_newer_schema(path: Path) -> None:
    make(path, "l1")
    alter(path, "UPDATE alembic_version SET version_num = '0099'", "ALTER TABLE link ADD COLUMN colour TEXT")
    error = refused(path)
    assert "newer Antiphon (its schema is 0099" in error.message
    assert "upgrade" in error.hint


@pytest.mark.parametrize(
    "change",
    ["DROP TABLE match_key", "ALTER TABLE link ADD COLUMN colour TEXT", "ALTER TABLE base RENAME COLUMN fields TO f"],
)
def test_tables_that_are_not_as_we_know_them(path: Path, change: str) -> None:
    make(path)
    alter(path, change)
    assert "is of another version: its table" in refused(path).message


@pytest.mark.parametrize("foreign", ["CREATE TABLE contact (id)", "CREATE TABLE instance (id, name)"])
def test_the_database_of_another_program(path: Path, foreign: str) -> None:
    alter(path, foreign, "CREATE TABLE link (lid)")
    assert "not a ledger of Antiphon" in refused(path).message


def test_the_database_of_a_program_with_like_names(path: Path) -> None:
    alter(path, "CREATE TABLE instance (id)", "CREATE TABLE alembic_version (version_num)")
    alter(path, "INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    assert "not a ledger of Antiphon" in refused(path).message


def test_a_table_of_somebody_else_beside_ours_is_left_alone(path: Path) -> None:
    make(path, "l1")
    alter(path, "CREATE TABLE notes (text)")
    make(path, "l2")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be made"):
        open_store(url(tmp_path / "file" / "ledger.db"))


def test_a_file_that_is_a_folder(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_store(url(path))


def test_a_ledger_that_may_not_be_written(path: Path) -> None:
    store = open_store(url(path))
    store._run("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match="is read-only") as caught:
        put(store, LINK, link("l1"))
    assert "folder" in caught.value.hint
    store.close()


def test_a_folder_that_may_not_be_written() -> None:
    ended = run(MAY_NOT_WRITE)
    assert (ended.returncode, ended.stderr) == (0, "")
    old, new, deep = ended.stdout.splitlines()
    assert "is read-only" in old
    assert "cannot be opened" in new
    assert "cannot be made: Permission denied" in deep


def test_no_room_left(path: Path) -> None:
    store = open_store(url(path))
    put(store, LINK, link("before"))
    pages = store._rows("PRAGMA page_count")[0][0]
    store._rows(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(LedgerError, match="the disk is full") as caught:
        put(store, LINK, *(link(f"l{n}") for n in range(5000)))
    assert "nothing half-written" in caught.value.hint
    assert lids(store) == ["before"]
    put(store, LINK, link("after"))
    assert lids(store) == ["after", "before"]
    store.close()


def test_a_file_that_may_not_grow(path: Path) -> None:
    ended = run(FILLS_THE_DISK, url(path))
    assert (ended.returncode, ended.stderr) == (0, "")
    message, rows = ended.stdout.splitlines()
    assert "failed to read or write" in message
    assert "the disk is full" in message
    assert rows == "['before']"
    store = open_store(url(path))
    assert lids(store) == ["after", "before"]
    store.close()


@pytest.mark.parametrize("wrong", ["ledger.db", "postgresql+asyncpg://host/db", "oracle://host/db", ""])
def test_a_url_that_names_no_ledger(wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(wrong)
    assert "sqlite:///" in caught.value.hint


def test_contradictions_are_ours_to_answer_for() -> None:
    store = open_store("sqlite://")
    with pytest.raises(LedgerError, match="contradict") as caught, store.transaction():
        store._run("INSERT INTO link (lid) VALUES ('l1')")
    assert "report" in caught.value.hint
    assert lids(store) == []
    store.close()
