"""A backup goes from either kind of database into either kind, with every row as it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from antiphon.errors import LedgerError
from antiphon.ledger import Ledger
from antiphon.ledger.backup import save
from antiphon.ledger.chain import check_chain
from antiphon.ledger.postgres import schema_of
from antiphon.ledger.restore import RESTORED, restore
from antiphon.ledger.sql import open_store
from antiphon.ledger.tables import INSTANCE, LINK, OBS, REVISION, TABLES
from antiphon.model import Audit, Bases, Cause, replace
from antiphon_sandbox import postgres
from tests.ledger.rows import base, link, member, obs, op

NASTY = "nul\x00one\x01é😀'%s"


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    cluster: postgres.Cluster | None = request.getfixturevalue("cluster") if kind == "postgresql" else None
    return cluster.url() if cluster is not None else f"sqlite:///{tmp_path}/ledger.db"


def filled(url: str, name: str, ledger_id: str) -> Ledger:
    ledger = Ledger(open_store(url, name=name))
    ledger.create(ledger_id=ledger_id, name=name, now=1, secret="5e" * 32)
    rows: list[Any] = [
        link(NASTY),
        member(NASTY, f'["{ledger_id}"]'),
        Bases(NASTY, {"city": {"crm": base(NASTY)}}),
        op("op1", NASTY),
        replace(obs("[1]"), error=NASTY),
        Audit(NASTY, "crm", None, NASTY, None, Cause.DELIVERED, "op1", "r1", 3),
    ]
    with ledger.transaction():
        ledger.put([*rows, *(obs(f"[{n}]") for n in range(2, 6000))])
    return ledger


def content(ledger: Ledger) -> dict[str, list[Any]]:
    return {table.name: list(ledger.store.scan(table)) for table in TABLES if table is not INSTANCE}


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_row_comes_back(kind: str, into: str, request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    with closing(filled(url_of(kind, request, tmp_path / "from"), name, "0001")) as ledger:
        save(ledger.store.database, tmp_path / "saved.db", REVISION)  # type: ignore[attr-defined]
        wanted = content(ledger)
    target = url_of(into, request, tmp_path)
    if kind != into:
        with closing(filled(target, name, "0002")) as other:
            for _ in range(7):
                other.acquire("a later runner")
    instance = restore(tmp_path / "saved.db", target, name=name, backups=tmp_path / "backups", now=9)
    assert (instance.id, instance.deletes_blocked, instance.blocked_at) == ("0001", RESTORED, 9)
    assert instance.epoch == (7 if kind != into else 0)
    with closing(Ledger(open_store(target, name=name))) as again:
        assert content(again) == wanted
        assert check_chain(again.store).faults == ()
        again.acquire("the next runner")
    if kind != into:
        (aside,) = (tmp_path / "backups").glob("replaced-*.db")
        with closing(Ledger(open_store(f"sqlite:///{aside}"))) as replaced:
            assert replaced.instance.id == "0002"
    assert not list((tmp_path / "backups").glob("restoring*"))


def test_a_restore_that_fails_half_way_changes_nothing(
    cluster: postgres.Cluster, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(filled(f"sqlite:///{tmp_path}/ledger.db", name, "0001")) as ledger:
        save(ledger.store.database, tmp_path / "saved.db", REVISION)  # type: ignore[attr-defined]
    with closing(filled(cluster.url(), name, "0002")) as other:
        before = content(other)

    def broken(*_: object) -> None:
        raise LedgerError("half-way")

    monkeypatch.setattr("antiphon.ledger.restore.copy_rows", broken)
    with pytest.raises(LedgerError, match="half-way"):
        restore(tmp_path / "saved.db", cluster.url(), name=name, backups=tmp_path / "backups", now=9)
    with closing(Ledger(open_store(cluster.url(), name=name))) as again:
        assert content(again) == before


def test_a_spoilt_schema_is_set_aside_and_restored(cluster: postgres.Cluster, name: str, tmp_path: Path) -> None:
    with closing(filled(cluster.url(), name, "0001")) as ledger:
        save(ledger.store.database, tmp_path / "saved.db", REVISION)  # type: ignore[attr-defined]
    schema = schema_of(name)
    with postgres.connect(cluster) as connection:
        connection.execute(f"DROP TABLE {schema}.link".encode())
    restore(tmp_path / "saved.db", cluster.url(), name=name, backups=tmp_path / "backups", now=123456789012)
    with closing(Ledger(open_store(cluster.url(), name=name))) as again:
        assert [row.lid for row in again.store.scan(LINK)] == [NASTY]
        assert sum(1 for _ in again.store.scan(OBS)) == 5999
    with postgres.connect(cluster) as connection:
        found = connection.execute("SELECT to_regclass(%s)::text", [f"{schema}_56789012.obs"]).fetchone()
    assert found == (f"{schema}_56789012.obs",)
