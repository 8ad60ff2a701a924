"""`tap-sql`: tables, views and queries of a database as Singer streams."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities

from tap_kit import Capability, Check, CheckedTap
from tap_kit.command import FOLLOW
from tap_sql.catalog import asked_for, entry_of
from tap_sql.checks import look
from tap_sql.dialects import Dialect, dialect_of
from tap_sql.engines import SUPPORTED, make_engine
from tap_sql.errors import SettingsError
from tap_sql.following import Following
from tap_sql.named import model_streams, query_streams
from tap_sql.relations import Relation
from tap_sql.stream import Source, SqlStream


class TapSql(CheckedTap):
    """Tables, views and queries of PostgreSQL, DuckDB, SQLite, MySQL/MariaDB and more as Singer streams."""

    name = "tap-sql"
    dynamic_catalog = True
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.LOG_BASED,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        Capability.CHECK,
        Capability.DELETES,
        Capability.ENVELOPE,
        Capability.FOLLOW,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "url",
            th.StringType,
            required=True,
            secret=True,
            description="SQLAlchemy URL of the database: " + ", ".join(sorted(SUPPORTED)) + ".",
        ),
        th.Property(
            "schemas",
            th.ArrayType(th.StringType),
            description="The schemas to read; all that are not the system's own if none are named.",
        ),
        th.Property(
            "keys",
            th.ObjectType(additional_properties=th.ArrayType(th.StringType)),
            description="Stream to the columns that tell its rows apart, where no constraint says so (views, queries).",
        ),
        th.Property(
            "queries",
            th.ObjectType(
                additional_properties=th.ObjectType(
                    th.Property("sql", th.StringType, required=True),
                    th.Property("key", th.ArrayType(th.StringType)),
                    th.Property("description", th.StringType),
                )
            ),
            description="Streams of your own: name to `{sql: a SELECT, key: [column, …], description: …}`.",
        ),
        th.Property(
            "dbt_manifest",
            th.StringType,
            description="Path of a dbt project's `target/manifest.json`: its models become streams under their own "
            "names, with their descriptions, keyed by its constraints, `unique_key` and tests.",
        ),
        th.Property(
            "overlap_seconds",
            th.NumberType,
            default=60,
            description="How far an INCREMENTAL read of a time column goes back behind its bookmark, for transactions "
            "that were slow to commit: as long as the longest of them.",
        ),
        th.Property(
            "bad_rows",
            th.StringType,
            default="fail",
            allowed_values=["fail", "report"],
            description="What becomes of a row with a value that JSON cannot hold (NaN, infinity, a date before "
            "Christ): `fail` ends the run; `report` shows the row to the reconciler as one that could not be read, and "
            "goes on. Other targets would take such a row for one with empty columns.",
        ),
        th.Property(
            "batch_config",
            th.ObjectType(
                th.Property(
                    "encoding",
                    th.ObjectType(
                        th.Property(
                            "format", th.StringType, allowed_values=["jsonl", "parquet", "arrow", "postgres-copy"]
                        ),
                        th.Property("compression", th.StringType, allowed_values=["gzip", "none"]),
                    ),
                ),
                th.Property(
                    "storage",
                    th.ObjectType(th.Property("root", th.StringType), th.Property("prefix", th.StringType)),
                ),
            ),
            description="BATCH messages: `encoding.format` is `jsonl`, or, for full reads of PostgreSQL, `parquet`, "
            "`arrow`, or `postgres-copy` (the quickest, into PostgreSQL by target-sql); `storage.root` is the folder "
            "of the files, as `file:///…`.",
        ),
        th.Property(
            "diff_schema",
            th.StringType,
            default="antiphon",
            description="The schema in which the method DIFF keeps a hash of every row; it is made if it is not there.",
        ),
        th.Property(
            "slot",
            th.StringType,
            default="antiphon",
            description="PostgreSQL's logical slot that the method LOG_BASED reads; it is made if it is not there, and "
            "keeps the log until STATE acknowledges it: drop it when the tap is not to run again.",
        ),
        th.Property(
            "publication",
            th.StringType,
            default="antiphon",
            description="PostgreSQL's publication of the tables that are read by LOG_BASED; tables are added to it.",
        ),
        th.Property(
            "statement_timeout",
            th.NumberType,
            default=0,
            description="Seconds after which the server ends a query; 0 for never. PostgreSQL only.",
        ),
        FOLLOW,
    ).to_dict()

    def __init__(self, *args: Any, catalog: Any = None, state: Any = None, **kwargs: Any) -> None:
        """Take the SDK's arguments. Keeps catalog and STATE as they were handed over: the SDK alters its own."""
        self._given = catalog if isinstance(catalog, dict) else {}
        self._acknowledged = copy.deepcopy(state) if isinstance(state, dict) else {}
        super().__init__(*args, catalog=catalog, state=state, **kwargs)

    # ---- what there is

    @cached_property
    def dialect(self) -> Dialect:
        """The database. Connects to nothing yet."""
        return dialect_of(make_engine(self.config["url"]), statement_timeout=float(self.config["statement_timeout"]))

    def relations(self, connection: sa.Connection) -> list[Relation]:
        """Every relation, keyed. Raises `SettingsError` for settings that name what is not there."""
        shown = self.dialect.relations(connection, self.config.get("schemas") or ())
        found = [relation for relation in shown if not self._is_ours(relation)]
        if self.config.get("dbt_manifest"):
            found = model_streams(self.config["dbt_manifest"], found)
        found += query_streams(self.dialect, connection, self.config.get("queries") or {})
        return _keyed(found, self.config.get("keys") or {})

    def _is_ours(self, relation: Relation) -> bool:
        schema = self.config["diff_schema"]
        return relation.schema == schema or (relation.schema is None and relation.table.startswith(f"{schema}_"))

    def discover_streams(self) -> Sequence[Stream]:
        """A stream per relation; of a catalog, only its own, each as the database has it now."""
        with self.dialect.session() as connection:
            source = Source(
                self.dialect, self.dialect.account(connection), self.dialect.now(connection), self._acknowledged
            )
            relations = self.relations(connection)
        if self._given:
            relations = asked_for(self._given, relations)
        return [SqlStream(self, relation, source) for relation in relations]

    @property
    def catalog_dict(self) -> dict[str, Any]:
        """The catalog, with what the SDK's form of it leaves out: `readOnly`, `sql-datatype`."""
        streams = [stream for stream in self.streams.values() if isinstance(stream, SqlStream)]
        return {"streams": [entry_of(stream) for stream in streams]}

    # ---- the command

    def check(self, streams: Sequence[str]) -> tuple[str | None, list[Check]]:
        """Look at settings, rights and tables; read no rows."""
        return look(lambda: self.dialect, self.relations, [name.strip() for name in streams])

    def follow(self) -> None:
        """Stay; PostgreSQL's log tells by itself when something has changed."""
        selected = [each for each in self.streams.values() if isinstance(each, SqlStream) and each.selected]
        Following(selected, cast("dict[str, Any]", self.state)).run()


def _keyed(relations: list[Relation], keys: Mapping[str, Sequence[str]]) -> list[Relation]:
    names = {relation.stream: relation for relation in relations}
    for stream, columns in keys.items():
        if stream not in names:
            raise SettingsError(f"keys: there is no stream {stream!r}", hint=f"there are {_list(names)}")
        for column in columns:
            if names[stream].column(column) is None:
                hint = f"it has {_list(names[stream].names)}"
                raise SettingsError(f"keys: stream {stream} has no column {column!r}", hint=hint)
        guarded = set(columns) >= set(names[stream].key) and bool(names[stream].key)
        names[stream] = replace(names[stream], key=tuple(columns), key_is_guarded=guarded)
    return list(names.values())


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


main = TapSql.cli
