"""When a write that failed is tried again, and when it never is: by whose fault it failed.

| the target's code                                              | at fault | what follows                           |
|----------------------------------------------------------------|----------|----------------------------------------|
| HTTP 401, 407, 408, 423, 425, 429, 5xx without 501             | the side | again in a minute or so, however often |
| SQLSTATE classes 08 40 53 55 57 58; lost connections, timeouts | the side | the same                               |
| HTTP 400, 403, 404, 405, 410, 411, 413, 414, 415, 422, 501     | the row  | parked at once                         |
| SQLSTATE classes 0A 21 22 23 42 44                             | the row  | parked at once                         |
| anything else                                                  | unknown  | after 1 s, 2 s, 4 s … 1 h; then parked |

HTTP codes: RFC 9110, RFC 6585 (429), RFC 4918 (422, 423), RFC 8470 (425). SQLSTATE classes: PostgreSQL, "Error Codes".
"""

from __future__ import annotations

import enum

from antiphon.identity import short_id
from antiphon.model import Instant, Op
from antiphon.protocol import ReceiptLine

SECOND = 1_000_000
LONGEST_WAIT = 3600 * SECOND
SIDE_WAIT = 60 * SECOND

MAX_FAILURES = 12
"""So often a write may fail for a reason unknown before a person must look: over an hour of waiting at least."""


class Fault(enum.Enum):
    """Whose fault a failure was."""

    SIDE = "side"
    ROW = "row"
    UNKNOWN = "unknown"


_HTTP_SIDE = frozenset({401, 407, 408, 423, 425, 429, *range(500, 600)} - {501})
_HTTP_ROW = frozenset({400, 403, 404, 405, 410, 411, 413, 414, 415, 422, 501})
_SQL_SIDE = frozenset({"08", "40", "53", "55", "57", "58"})
_SQL_ROW = frozenset({"0A", "21", "22", "23", "42", "44"})
_NAMED_SIDE = ("timeout", "connectionerror", "connectionreset", "unavailable", "request_limit_exceeded", "lock_row")
_SQLSTATE = 5


def fault_of(line: ReceiptLine) -> Fault:
    """Whose fault the failure on a receipt was, by its code, or by the name of its class."""
    status = str(line.error_status or "").strip().upper()
    if status.isascii() and status.isdigit() and len(status) < _SQLSTATE:
        code = int(status)
        return Fault.SIDE if code in _HTTP_SIDE else Fault.ROW if code in _HTTP_ROW else Fault.UNKNOWN
    if len(status) == _SQLSTATE and status.isalnum():
        sort = status[:2]
        return Fault.SIDE if sort in _SQL_SIDE else Fault.ROW if sort in _SQL_ROW else Fault.UNKNOWN
    named = f"{line.error_class} {status}".lower()
    return Fault.SIDE if any(word in named for word in _NAMED_SIDE) else Fault.UNKNOWN


def wait(op: Op, fault: Fault) -> Instant:
    """How long the operation waits, in microseconds: half of it by the rule, half by the operation's own id.

    Many that failed together do so again together unless each waits a time of its own.
    """
    longest = SIDE_WAIT if fault is Fault.SIDE else min(SECOND << op.attempt, LONGEST_WAIT)
    share = int(short_id(op.op_id, str(op.attempt)), 16) % 1000
    return longest // 2 + longest * share // 2000
