"""`--check`: whether the settings work, the database answers, and the streams can be read and keyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa

from tap_kit import Check
from tap_sql.dialects import Dialect
from tap_sql.errors import TapError
from tap_sql.relations import Relation


def look(
    dialect: Callable[[], Dialect], relations: Callable[[sa.Connection], list[Relation]], streams: Sequence[str]
) -> tuple[str | None, list[Check]]:
    """Look at everything that `streams` need, at every stream if none is named.

    The database's fingerprint, None if it could not be reached, and the checks.
    """
    try:
        database = dialect()
    except TapError as error:
        return None, [Check.of("settings", error)]
    checks = [Check("settings", ok=True, message=f"url names {database.engine.dialect.name}")]
    try:
        with database.session() as connection:
            account = database.account(connection)
            clock = database.now(connection)
            checks.append(Check("connection", ok=True, message=f"the database answers; its clock says {clock}"))
            return account, [*checks, *_streams(database, connection, relations, streams)]
    except TapError as error:
        return None, [*checks, Check.of("connection", error)]


def _streams(
    database: Dialect,
    connection: sa.Connection,
    relations: Callable[[sa.Connection], list[Relation]],
    streams: Sequence[str],
) -> Iterator[Check]:
    try:
        found = {relation.stream: relation for relation in relations(connection)}
    except TapError as error:
        yield Check.of("discovery", error)
        return
    yield Check("discovery", ok=True, message=f"{len(found)} streams")
    for name in streams or found:
        if name not in found:
            hint = f"there are {', '.join(sorted(found)) or 'none'}"
            yield Check(f"stream {name}", ok=False, message="there is no such stream", hint=hint)
            continue
        try:
            next(iter(database.read(connection, found[name], limit=0)), None)
            repeated = database.repeated_key(connection, found[name])
        except TapError as error:
            connection.rollback()
            yield Check.of(f"stream {name}", error)
            continue
        if repeated is not None:
            message = f"its key {', '.join(found[name].key)} is not unique: {repeated} stands there more than once"
            yield Check(f"stream {name}", ok=False, message=message, hint="name a key that is, in `keys`")
        elif not found[name].key:
            hint = "name the columns that tell its rows apart in `keys`"
            yield Check(f"stream {name}", ok=False, message="nothing in it is known to be unique", hint=hint)
        else:
            yield Check(f"stream {name}", ok=True, message=f"can be read; its key is {', '.join(found[name].key)}")
