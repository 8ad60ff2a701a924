"""A Tryton and a PostgreSQL warehouse, synced by `antiphon` with our own plugins as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antiphon_sandbox import postgres
from tests.e2e.crm import Done
from tests.tryton.proxy import Proxy
from tests.tryton.server import KEY, PASSWORD, Server

BIN = Path(sys.executable).parent
SABOTEUR = Path(__file__).parents[1] / "e2e" / "saboteur.py"
LONGEST = 240
INCREMENTAL = "replication: incremental, replication_key: last_modified_at, overlap: 1s, full_read: every 24h"

SYNC = """\
name: erp-warehouse
sides:
  erp:
    config: {{url: "{url}", database: crm, {who}}}
    tap: {{command: "{wrap} {bin}/tap-tryton", config: {{overlap_seconds: 2}}, catalog: erp-catalog.json}}
    target: {{command: "{wrap} {bin}/{target}"}}
  warehouse:
    config: {{url: "{warehouse}"}}
    tap: {{command: "{wrap} {bin}/tap-sql", catalog: warehouse-catalog.json}}
    target: {{command: "{wrap} {bin}/target-sql"}}
entities:
  party:
    sides:
      erp: {{stream: party-party, key: id, on_create: assigned, {incremental}}}
      warehouse: {{stream: public-parties, key: party_id, on_create: uuid}}
    match: [name]
    on_delete: {{erp: archive, warehouse: delete}}
    policy: {{latest: {{else: erp}}}}
    fields: {{name: name}}
  mechanism:
    sides:
      erp: {{stream: party-contact_mechanism, key: id, on_create: assigned, {incremental}}}
      warehouse: {{stream: public-mechanisms, key: mechanism_id, on_create: uuid}}
    match: [value]
    on_delete: delete
    policy: {{latest: {{else: erp}}}}
    fields: {{type: {{erp: type, warehouse: kind}}, value: value, label: {{erp: name, warehouse: label}}}}
    references: {{party: {{erp: party, warehouse: party_id, entity: party}}}}
  deal:
    sides:
      erp: {{stream: sale-opportunity, key: id, on_create: assigned, {incremental}}}
      warehouse: {{stream: public-deals, key: deal_id, on_create: uuid}}
    match: [title]
    policy: {{latest: {{else: erp}}}}
    fields: {{title: {{erp: description, warehouse: title}}, amount: amount}}
    references: {{party: {{erp: party, warehouse: party_id, entity: party}}}}
guards: {{max_change: 100%, max_delete: 100%}}
"""

TABLES = """
create table parties (party_id uuid primary key, name text, note text default 'untouched');
create table mechanisms (mechanism_id uuid primary key, party_id uuid, kind text, value text, label text);
create table deals (deal_id uuid primary key, party_id uuid, title text, amount numeric(16, 2));
"""


@dataclass(slots=True)
class World:
    """The project folder between the two."""

    server: Server
    proxy: Proxy
    cluster: postgres.Cluster
    folder: Path
    database: str = field(default_factory=lambda: f"tryton_{uuid.uuid4().hex[:10]}")
    secret: str = ""

    def set_up(self, api: str) -> None:
        """An empty warehouse, a sync.yml over this API, and the catalogs as the taps discover them."""
        postgres.create_database(self.cluster, self.database)
        self.sql(TABLES)
        who = "username: sync, password: $TRYTON_SECRET" if api == "json-rpc" else "key: $TRYTON_SECRET"
        text = SYNC.format(
            url=self.proxy.url,
            who=who,
            bin=BIN,
            wrap=f"{sys.executable} {SABOTEUR}",
            target="target-tryton" if api == "json-rpc" else "target-tryton-rest",
            warehouse=self.cluster.url(self.database),
            incremental=INCREMENTAL,
        )
        (self.folder / "sync.yml").write_text(text, encoding="utf-8")
        self.secret = PASSWORD if api == "json-rpc" else KEY
        self._discover("erp", "tap-tryton", self.server.settings(api))
        self._discover("warehouse", "tap-sql", {"url": self.cluster.url(self.database)})

    def _discover(self, side: str, tap: str, settings: Mapping[str, Any]) -> None:
        config = self.folder / f"{side}-settings.json"
        config.write_text(json.dumps(settings))
        done = subprocess.run(
            [str(BIN / tap), "--config", str(config), "--discover"], capture_output=True, text=True, check=True
        )
        (self.folder / f"{side}-catalog.json").write_text(done.stdout)
        config.unlink()

    # ---- the warehouse

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL as a user of the warehouse; what it returns."""
        with postgres.connect(self.cluster, self.database) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, **values: Any) -> str:
        """A user of the warehouse enters a row; its key."""
        key = str(uuid.uuid4())
        columns = {f"{'party' if table == 'parties' else table[:-1]}_id": key, **values}
        marks = ", ".join("%s" for _ in columns)
        self.sql(f"insert into {table} ({', '.join(columns)}) values ({marks})", *columns.values())
        return key

    # ---- the sync

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `antiphon`, to be listened to."""
        return subprocess.Popen(
            [str(BIN / "antiphon"), *words],
            cwd=self.folder,
            env={**os.environ, "TRYTON_SECRET": self.secret},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, kill: str = "") -> Done:
        """Run `antiphon` as its user does. `kill` names a moment and a victim of the saboteur."""
        token = self.folder / "killed"
        token.unlink(missing_ok=True)
        env = {**os.environ, "TRYTON_SECRET": self.secret, **({"KILL": f"{kill} {token}"} if kill else {})}
        done = subprocess.run(
            [str(BIN / "antiphon"), *words],
            cwd=self.folder, env=env, capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert self.secret not in done.stdout + done.stderr
        assert not kill or token.exists(), f"nobody was killed: {done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def sync(self) -> Done:
        """A sync that ends well."""
        done = self.run("sync")
        assert done.code == 0, done.err[-6000:]
        return done

    def until_quiet(self, most: int = 8) -> int:
        """Rounds until one writes nothing; how many there were."""
        for number in range(1, most + 1):
            if not sum(self.sync().wrote.values()):
                return number
        raise AssertionError(f"{most} rounds, and still something is written")

    # ---- what stands in both

    def erp(self) -> dict[str, list[tuple[Any, ...]]]:
        """What users of Tryton see: active parties, their mechanisms, opportunities."""
        names = {each["id"]: each["name"] for each in self.server.show("party.party", "name")}
        parties = [(e["name"],) for e in self.server.show("party.party", "name", "active") if e["active"]]
        mechanisms = [
            (names[e["party"]], e["type"], e["value"], e["name"] or None)
            for e in self.server.show("party.contact_mechanism", "party", "type", "value", "name", "active")
            if e["active"]
        ]
        deals = [
            (names[e["party"]], e["description"], str(e["amount"]) if e["amount"] is not None else None)
            for e in self.server.show("sale.opportunity", "party", "description", "amount")
        ]
        return {
            "parties": sorted(parties),
            "mechanisms": sorted(mechanisms, key=repr),
            "deals": sorted(deals, key=repr),
        }

    def warehouse(self) -> dict[str, list[tuple[Any, ...]]]:
        """The same of the warehouse."""
        mechanisms = self.sql("select p.name, kind, value, label from mechanisms left join parties p using (party_id)")
        deals = self.sql("select p.name, title, amount::text from deals left join parties p using (party_id)")
        found = {"parties": self.sql("select name from parties"), "mechanisms": mechanisms, "deals": deals}
        return {name: sorted(rows, key=repr) for name, rows in found.items()}
