"""`target-sql --check`: the connection, the rights, and what two-way sync wants of each table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import quoted_name

from target_kit import Check, CheckReport, TargetError
from target_sql.engines import account
from target_sql.faults import ended
from target_sql.tables import SOFT, Address, Table, add_column, address_of, look

if TYPE_CHECKING:
    from target_sql.target import TargetSQL


def check(target: TargetSQL, streams: Sequence[str], *, fix: bool) -> CheckReport:
    """All checks. `fix` adds the link's key, unique, and for soft deletes `_sdc_deleted_at`."""
    try:
        connection = target.connection
        with ended("connecting"), connection.begin():
            fingerprint = account(connection)
    except TargetError as error:
        return CheckReport(None, [Check("connection", ok=False, message=error.message, hint=error.hint)])
    checks = [Check("connection", ok=True, message=f"{connection.dialect.name} answers")]
    checks.append(_receipts(target))
    for stream in streams:
        try:
            checks += _stream(target, stream, fix=fix)
        except TargetError as error:
            checks.append(Check(f"{stream}: table", ok=False, message=error.message, hint=error.hint))
    return CheckReport(fingerprint, checks)


def _receipts(target: TargetSQL) -> Check:
    try:
        table = target.receipts_table(target.config.get("schema"))
    except TargetError as error:
        hint = "have this user granted CREATE on the schema, or have its owner create the table"
        return Check("receipts", ok=False, message=error.message, hint=error.hint or hint)
    return Check("receipts", ok=True, message=f"receipts are kept in {table.table.fullname}, each with its row")


def _stream(target: TargetSQL, stream: str, *, fix: bool) -> Iterator[Check]:
    connection, own = target.connection, target.stream_settings(stream)
    address = address_of(
        stream, connection.dialect.name, target.config.get("schema"), own.get("table"), fold=target.rules.fold
    )
    with connection.begin():
        table = look(connection, address)
    if table is None:
        can = target.rules.create
        hint = "" if can else "create it, or set `create_tables`"
        message = f"there is no table {address}" + ("; it is made when its first record comes" if can else "")
        yield Check(f"{stream}: table", ok=can, message=message, hint=hint)
        return
    yield Check(f"{stream}: table", ok=True, message=f"{address} has {len(table.columns)} columns")
    yield _key(stream, table)
    yield _link_key(target, stream, address, table, fix=fix)
    if own.get("deletes", target.config.get("deletes")) == "soft":
        yield _soft(connection, stream, address, table, fix=fix)


def _key(stream: str, table: Table) -> Check:
    hint = "" if table.primary else "add a primary key or a unique constraint on the stream's key"
    message = f"the key is {', '.join(table.primary)}" if table.primary else f"{table.address} has no key"
    return Check(f"{stream}: key", ok=bool(table.primary), message=message, hint=hint)


def _link_key(target: TargetSQL, stream: str, address: Address, table: Table, *, fix: bool) -> Check:
    name, connection = target.sync_key, target.connection
    ready = name in table.columns and table.holds_unique([name])
    if not ready and fix:
        with ended(f"adding {name} to {address}"), connection.begin():
            if name not in table.columns:
                short = table.dialect in {"mysql", "mariadb"}
                add_column(connection, address, sa.Column(name, sa.String(36) if short else sa.Text()))
            core = address.table(sa.Column(name))
            sa.Index(quoted_name(f"{address.name}_{name}", quote=True), core.c[name], unique=True).create(connection)
        ready = True
    words = f"{name} is there and unique" if ready else f"{address} has no unique column {name}"
    hint = "without it a create is still made once, by the receipts of this target; it also shows which rows are ours"
    return Check(f"{stream}: link key", ok=ready, message=words, hint="" if ready else hint, fixable=not ready)


def _soft(connection: sa.Connection, stream: str, address: Address, table: Table, *, fix: bool) -> Check:
    ready = SOFT in table.columns
    if not ready and fix:
        with connection.begin():
            add_column(connection, address, sa.Column(SOFT, sa.TIMESTAMP(timezone=True)))
        ready = True
    message = f"{SOFT} is there" if ready else f"{address} has no column {SOFT}"
    return Check(f"{stream}: soft deletes", ok=ready, message=message, fixable=not ready)
