"""Prints what target-sql and tap-sql send to a cloud, as its own dialect writes it. Run in the environment `clouds`.

python compiled.py redshift|databricks
"""

import json
import sys
from typing import Any

import sqlalchemy as sa

from tap_sql.dialects import dialect_of
from tap_sql.dialects.base import Since
from tap_sql.engines import make_engine, parsed
from tap_sql.relations import Column, Kind, Relation
from target_sql.batches import Batch, key_of, line_of
from target_sql.columns import Column as TargetColumn
from target_sql.columns import kind_of, new_type
from target_sql.tables import Address, Table, _create, add_column
from target_sql.writers import Mode, writer_for
from tests.clouds.people import PEOPLE

URLS = {
    "redshift": "redshift://me:secret@cluster.example.com:5439/shop",
    "databricks": "databricks://token:secret@host.example.com?http_path=/sql&catalog=main&schema=shop",
}
RECORD = {"id": 1, "email": "ada", "amount": 1.5}


class Recorder:
    """A connection that keeps the SQL it is asked to run, compiled by its dialect."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.dialect = engine, engine.dialect
        self.said: list[str] = []

    def execute(self, statement: Any, *_: Any) -> None:
        self.said.append(" ".join(str(statement.compile(dialect=self.dialect)).split()))

    def exec_driver_sql(self, statement: str, *_: Any) -> None:
        self.said.append(" ".join(statement.split()))

    def commit(self) -> None:
        """Nothing is held back."""


def sent(name: str) -> dict[str, list[str]]:
    """The SQL of each thing that is done."""
    url = parsed(URLS[name])
    recorder = Recorder(sa.create_engine(url))
    connection: Any = recorder
    found: dict[str, list[str]] = {}

    def keep(what: str) -> None:
        found[what], recorder.said = recorder.said, []

    address = Address("shop", "people")
    _create(connection, Address(None, "people"), PEOPLE, ["id"])
    keep("create")
    add_column(connection, address, sa.Column("phone", new_type({"type": "string"}, name, in_key=False)))
    keep("add column")
    columns = {}
    for column, schema in PEOPLE.items():
        kind = new_type(schema, name, in_key=False)
        columns[column] = TargetColumn(column, kind_of(kind), kind)
    table = Table(address, columns, frozenset(), name)
    writer = writer_for(connection, lock_timeout=5)
    keep("session")
    key = key_of(RECORD, ["id"])
    for mode in (Mode.APPEND, Mode.INSERT, Mode.UPDATE, Mode.UPSERT):
        batch = Batch(tuple(RECORD))
        batch.add(line_of(RECORD, tuple(RECORD)), key)
        writer.load(table, batch, ["id"], mode, fresh=False)
        keep(mode.value)
    writer.delete(table, [key], ["id"], soft=False)
    keep("delete")
    found["read"] = [_read(name)]
    return found


def _read(name: str) -> str:
    dialect = dialect_of(make_engine(URLS[name]))
    seen = Column("seen", Kind.TIMESTAMPTZ, "TIMESTAMP")
    columns = (Column("id", Kind.INTEGER, "BIGINT"), seen, Column("more", Kind.JSON, "SUPER"))
    relation = Relation("shop-people", columns, ("id",), "shop", "people")
    return " ".join(dialect.select(relation, Since(seen, "2026-11-20T10:00:00+00:00", 60.0), 5).sql.split())


if __name__ == "__main__":
    print(json.dumps(sent(sys.argv[1]), indent=1))
