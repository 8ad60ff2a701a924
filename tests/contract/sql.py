"""tap-sql and target-sql, in an SQLite file."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from typing import Any, ClassVar, Self

from antiphon.testing import Lab
from tap_sql.tap import TapSql
from target_sql.target import TargetSQL

TABLE = "create table people (id text primary key, name text not null, city text, antiphon_key text unique)"


class SqlLab(Lab):
    """A table of people. It compares in the statement that writes: nobody can come in between."""

    tap, target = TapSql, TargetSQL
    stream, values, edit = "people", {"name": "P{n}", "city": "Rome"}, ("city", "Oslo")
    bad: ClassVar[Mapping[str, Any]] = {"name": None}
    knows_keys, replication = True, "DIFF"

    def __enter__(self) -> Self:
        self._sql(TABLE)
        return self

    def config(self) -> Mapping[str, Any]:
        return {"url": f"sqlite:///{self.folder}/people.db"}

    def _sql(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.folder / "people.db")) as connection, connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, parameters)]

    def enter(self, values: Mapping[str, Any]) -> str:
        key = str(uuid.uuid4())
        self._sql("insert into people (id, name, city) values (?, ?, ?)", key, values["name"], values["city"])
        return key

    def change(self, key: Any, values: Mapping[str, Any]) -> None:
        for column, value in values.items():
            self._sql(f"update people set {column} = ? where id = ?", value, key)  # noqa: S608  # its own columns

    def remove(self, key: Any) -> None:
        self._sql("delete from people where id = ?", key)

    def record(self, key: Any) -> Mapping[str, Any] | None:
        return next(iter(self._sql("select * from people where id = ?", key)), None)

    def count(self) -> int:
        return len(self._sql("select id from people"))
