"""`--check`: whether the settings work, the database answers, and the streams can be read and keyed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from tap_sql.dialects import Dialect
from tap_sql.engines import hide
from tap_sql.errors import TapError
from tap_sql.relations import Relation


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `hint`: the way on if it is not `ok`."""

    name: str
    ok: bool
    message: str
    hint: str = ""
    fixable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, and the database's fingerprint; None if it could not be reached."""

    account: str | None
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        """Whether nothing is amiss."""
        return all(check.ok for check in self.checks)

    def text(self, form: str | None) -> str:
        """As one JSON document, or for people."""
        if form == "json":
            return hide(json.dumps({"account": self.account, "checks": [asdict(c) for c in self.checks]}, indent=2))
        lines = [f"account: {self.account or 'not reached'}"]
        for check in self.checks:
            lines.append(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.message}")
            if check.hint and not check.ok:
                lines.append(f"     {check.hint}")
        return hide("\n".join(lines))


def look(
    dialect: Callable[[], Dialect], relations: Callable[[sa.Connection], list[Relation]], streams: Sequence[str]
) -> Report:
    """Look at everything that `streams` need, at every stream if none is named."""
    try:
        database = dialect()
    except TapError as error:
        return Report(None, [_failed("settings", error)])
    checks = [Check("settings", ok=True, message=f"url names {database.engine.dialect.name}")]
    try:
        with database.session() as connection:
            account = database.account(connection)
            checks.append(
                Check("connection", ok=True, message=f"the database answers; its clock says {database.now(connection)}")
            )
            return Report(account, [*checks, *_streams(database, connection, relations, streams)])
    except TapError as error:
        return Report(None, [*checks, _failed("connection", error)])


def _streams(
    database: Dialect,
    connection: sa.Connection,
    relations: Callable[[sa.Connection], list[Relation]],
    streams: Sequence[str],
) -> Iterator[Check]:
    try:
        found = {relation.stream: relation for relation in relations(connection)}
    except TapError as error:
        yield _failed("discovery", error)
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
            yield _failed(f"stream {name}", error)
            continue
        if repeated is not None:
            message = f"its key {', '.join(found[name].key)} is not unique: {repeated} stands there more than once"
            yield Check(f"stream {name}", ok=False, message=message, hint="name a key that is, in `keys`")
        elif not found[name].key:
            hint = "name the columns that tell its rows apart in `keys`"
            yield Check(f"stream {name}", ok=False, message="nothing in it is known to be unique", hint=hint)
        else:
            yield Check(f"stream {name}", ok=True, message=f"can be read; its key is {', '.join(found[name].key)}")


def _failed(name: str, error: TapError) -> Check:
    return Check(name, ok=False, message=str(error), hint=error.hint)
