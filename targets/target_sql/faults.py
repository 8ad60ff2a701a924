"""What a database says no to: this row, this moment, or everything.

| class of error                       | PostgreSQL SQLSTATE      | what it is                                        |
|--------------------------------------|--------------------------|---------------------------------------------------|
| data, constraint, trigger            | 22, 23, P0, 44, 09       | `RowRefused`: this row, for ever                  |
| lock, deadlock, serialisation, busy  | 40, 55P03, 57014         | `RowBusy`: this row, for now                      |
| connection, rights, resources        | 08, 28, 42501, 53, 57P   | `TargetError`: the run ends; nothing half-written |

PostgreSQL 18 documentation, appendix A "PostgreSQL Error Codes"; MySQL 8.4 reference, "Server Error Message Reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sqlalchemy import exc

from target_kit import Fault, TargetError

_SHOWN = 60
_ROW_CLASSES = ("22", "23", "P0", "44", "09", "38", "39")
_BUSY_STATES = ("40001", "40P01", "55P03", "57014")
_MYSQL_BUSY = {1205, 1213}
_MYSQL_ROW = {1048, 1062, 1216, 1217, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 1644, 3819, 4025}
_BUSY_WORDS = re.compile(
    r"database is locked|database table is locked|write-write conflict|conflict on (update|tuple)", re.IGNORECASE
)
_ROW_WORDS = re.compile(
    r"constraint|conversion|no whole number|cannot be cast|could not convert|out of range|datatype mismatch|overflow",
    re.IGNORECASE,
)


class RowRefused(Exception):
    """A statement failed for the sake of its rows; nothing of it was done."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class RowBusy(RowRefused):
    """A statement met another's lock; it may work later."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what a driver raises into `RowRefused`, `RowBusy` or one `TargetError` in the database's words."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _told(what, error.orig or error, lost=error.connection_invalidated) from error
    except exc.StatementError as error:  # a value that the driver cannot even send
        raise RowRefused(Fault(type(error.orig or error).__name__, _words(error.orig or error))) from error
    except exc.SQLAlchemyError as error:
        raise TargetError(f"{what}: {_words(error)}") from error


@contextmanager
def ended(what: str) -> Iterator[None]:
    """The same for statements that concern no row of a stream: whatever is refused there ends the run."""
    try:
        with told(what):
            yield
    except RowBusy as error:
        hint = "another program holds a lock; run again when it has let go, or raise `lock_timeout`"
        raise TargetError(f"{what}: {error}", hint=hint) from error
    except RowRefused as error:
        raise TargetError(f"{what}: {error}") from error


@contextmanager
def told_by_driver(what: str, kind: type[Exception]) -> Iterator[None]:
    """The same for a driver that is used without SQLAlchemy. `kind`: the root of its errors."""
    try:
        yield
    except kind as error:
        raise _told(what, error, lost=False) from error


def _told(what: str, error: BaseException, *, lost: bool) -> Exception:
    state = str(getattr(error, "sqlstate", None) or "")
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    words = _words(error)
    fault = Fault(type(error).__name__, words, state or number)
    if not lost:
        if state in _BUSY_STATES or number in _MYSQL_BUSY or (not state and _BUSY_WORDS.search(words)):
            return RowBusy(fault)
        if state[:2] in _ROW_CLASSES or number in _MYSQL_ROW:
            return RowRefused(fault)
        if not state and (_ROW_WORDS.search(words) or type(error).__name__ in {"IntegrityError", "DataError"}):
            return RowRefused(fault)
    return TargetError(f"{what}: {words}", hint=_hint(words))


def _words(error: BaseException) -> str:
    """The database's first line, with its DETAIL, and with the column that COPY was at."""
    code, *rest = error.args or ("",)
    text = str(rest[0]) if rest and isinstance(code, int) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for number, line in enumerate(lines) if number == 0 or line.startswith("DETAIL")]
    kept += [f"column {found[1]}" for line in lines if (found := _COPIED.match(line))]
    return "; ".join(kept)[:500] or type(error).__name__


_COPIED = re.compile(r"CONTEXT: +COPY .*?, line \d+, column (.+?):")


_HINTS = (
    (r"password authentication failed|access denied|no password supplied", "correct user and password in `url`"),
    (r"permission denied|command denied|read.only", "have the owner GRANT what is needed to this user"),
    (r"refused|name or service|resolve|can't connect|timeout expired", "see that the server runs where `url` says"),
    (r"terminat|closed|lost|gone away|consuming input", "the server went away; nothing is half-written: run again"),
    (r"conflicting lock|could not set lock", "another process has the file open; run again when it has ended"),
    (r"unable to open|cannot open", "see that the file's folder is there and may be written by this user"),
    (r"not a database|not a valid duckdb", "`url` names a file of another kind"),
    (r"does not exist|unknown database", "create it, or correct the name in `url` or `streams`"),
)


def _hint(words: str) -> str:
    return next((hint for pattern, hint in _HINTS if re.search(pattern, words, re.IGNORECASE)), "")


def fault_of(error: Exception) -> Fault:
    """What a refused row is told."""
    return error.fault if isinstance(error, RowRefused) else Fault(type(error).__name__, str(error))


def value_refused(column: str, value: Any, why: str) -> RowRefused:
    """A value that the column cannot hold unchanged."""
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return RowRefused(Fault("ValueRefused", f"the column {column!r} cannot hold {shown}: {why}"))
