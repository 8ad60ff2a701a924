"""Which schema a ledger's database has, and how an older one is brought up to date.

A new ledger gets its tables from `ledger.tables` at once, stamped with the newest revision: they equal what the
migrations make (Alembic's cookbook, "Building an Up to Date Database from Scratch"), and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from antiphon.errors import LedgerError
from antiphon.ledger.database import Database
from antiphon.ledger.statements import METADATA
from antiphon.ledger.tables import INSTANCE, REVISION

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION = sa.Table(  # as Alembic makes it
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def revision_of(database: Database) -> str | None:
    """The revision of the ledger, `None` if the database is empty.

    Raises `LedgerError` if it is neither, if a newer Antiphon wrote it, or if its tables are not those of its revision.
    """
    connection, place, schema = database.connection, database.place, database.schema
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names(schema))
    if not names:
        return None
    stamped = {INSTANCE.name, VERSION.name} <= names
    revision = connection.execute(sa.select(VERSION.c.version_num)).scalar() if stamped else None
    if revision is None or not revision.isdecimal():
        raise LedgerError(f"{place} is a database, but not a ledger of Antiphon", hint=database.foreign)
    if revision > REVISION:
        raise LedgerError(
            f"the ledger {place} was written by a newer Antiphon (its schema is {revision}, this one knows {REVISION})",
            hint="upgrade this installation, or restore a backup that this version made",
        )
    if revision == REVISION:
        _check(inspector, database, names)
    return str(revision)


def _check(inspector: sa.Inspector, database: Database, names: set[str]) -> None:
    known = names & set(METADATA.tables)
    columns = inspector.get_multi_columns(database.schema, filter_names=sorted(known)).items()
    found = {name: {column["name"] for column in each} for (_, name), each in columns}
    for name, table in METADATA.tables.items():
        if found.get(name) != set(table.c.keys()):
            raise LedgerError(
                f"the ledger {database.place} is of another version: its table {name!r} is not as this Antiphon "
                "knows it",
                hint="use the installation that made it, or restore a backup that this version made",
            )


def found(connection: sa.Connection) -> None:
    """Make the tables of a new ledger, inside a transaction."""
    METADATA.create_all(connection)
    VERSION.create(connection)
    connection.execute(sa.insert(VERSION).values(version_num=REVISION))


def migrate(connection: sa.Connection, to: str) -> None:
    """Bring the tables to a revision, inside a transaction: an empty database, or an older ledger."""
    from alembic import command  # noqa: PLC0415 # only a ledger that needs it waits for Alembic to load
    from alembic.config import Config  # noqa: PLC0415

    if not connection.in_transaction():
        connection.begin()  # so that Alembic takes the transaction for ours, and leaves its end to us
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, to)
