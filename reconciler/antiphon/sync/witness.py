"""What our own taps say beside their records: which account the side is, what time it is there, when values changed.

A SCHEMA may carry `"sync": {"account", "clock"}`, a RECORD `"sync": {"field_times": {column: instant}}`. Evidence of
when a value changed comes in three classes, and only the first two may decide who was later:

| class    | what is known                                          | what it proves                                  |
|----------|--------------------------------------------------------|-------------------------------------------------|
| certain  | the side's own time of this change, and its clock      | it happened then, within the bounds of the skew |
| interval | the last read without the change and the first with it | it happened between the two, by our own clock   |
| possible | a record's time stamp, or a time by a clock unknown    | nothing: stamps move, and clocks differ         |

Both kinds of proof are intervals of our own clock, so that what remains of both is the interval of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from antiphon.errors import GuardTripped, PluginFailed
from antiphon.ledger import Ledger
from antiphon.ledger.tables import FINGERPRINT
from antiphon.model import Fingerprint, Instant, Side, replace

SECOND: Instant = 1_000_000
HEAD_START: Instant = 10 * SECOND
"""So long before we looked at our clock a tap may have asked for its side's: in a pipe both programs start at once."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a side's clock may be from ours: our time less theirs is between the two, in microseconds."""

    least: Instant
    most: Instant

    def narrowed(self, span: tuple[Instant, Instant], told: Instant) -> tuple[Instant, Instant]:
        """The part of an interval (after, until] of our clock in which what the side says it did at `told` happened.

        If there is none, the side's word and our own reads contradict each other (a stamp from before a long
        transaction, a clock that was set): the reads are believed.
        """
        after, until = max(span[0], told + self.least - 1), min(span[1], told + grain(told) + self.most)
        return (after, until) if after < until else span


def grain(told: Instant) -> Instant:
    """How coarse an instant is written: to the second, the millisecond or the microsecond."""
    return SECOND if told % SECOND == 0 else 1000 if told % 1000 == 0 else 0


def instant(text: Any, where: str) -> Instant:
    """An instant of ISO 8601 with a zone, in microseconds since 1970. Raises `PluginFailed` naming `where`."""
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError):  # a TypeError also where it names no zone
        raise PluginFailed(
            f"{where}: found {text!r}, which is no instant", hint="instants are ISO 8601 with a zone"
        ) from None


def instants(shown: Any, where: str) -> dict[str, Instant]:
    """`field_times` of an envelope. Raises `PluginFailed` naming `where`."""
    if not shown:
        return {}
    if not isinstance(shown, Mapping):
        raise PluginFailed(f"{where}: `field_times` is no object", hint="it maps columns to instants")
    return {column: instant(text, f"{where}: field_times.{column}") for column, text in shown.items()}


class Witness:
    """What one read hears of its side. `asked`: our clock when the read began."""

    def __init__(self, ledger: Ledger, side: Side, asked: Instant, tap: str) -> None:
        self._ledger, self._side, self._asked, self._tap = ledger, side, asked, tap
        self.skew: Skew | None = None

    def hear(self, sync: Mapping[str, Any], heard: Instant) -> None:
        """Take in the envelope of a SCHEMA.

        Raises:
            GuardTripped: the side is another account than it was.
            PluginFailed: the envelope is none.
        """
        account, clock = sync.get("account"), sync.get("clock")
        if account is None and clock is None:
            return
        where = f"{self._tap}: the envelope of a SCHEMA"
        if account is not None and not isinstance(account, str):
            raise PluginFailed(f"{where} names the account {account!r}", hint="a fingerprint is a text")
        if clock is not None:
            theirs = instant(clock, f"{where}: clock")
            self.skew = self._met(Skew(self._asked - HEAD_START - theirs - grain(theirs), heard - theirs))
        self._compare(account, heard)

    def times(self, sync: Mapping[str, Any], stream: str) -> dict[str, Instant]:
        """When the values of a record changed, by its side's clock."""
        return instants(sync.get("field_times"), f"{self._tap}: a RECORD of {stream}")

    def _met(self, measured: Skew) -> Skew:
        """Two measurements in one read narrow each other; if the clock was set between them, the later one holds."""
        if self.skew is None:
            return measured
        both = Skew(max(self.skew.least, measured.least), min(self.skew.most, measured.most))
        return both if both.least <= both.most else measured

    def _compare(self, account: str | None, heard: Instant) -> None:
        known = self._ledger.get(FINGERPRINT, self._side)
        if known is not None and known.account and account is not None and known.account != account:
            side = self._side
            raise GuardTripped(
                f"{side} is another account than it was: {account!r} instead of {known.account!r}; "
                "nothing of it was stored",
                hint=f"point `sides.{side}` back to the account that this ledger knows; if another one is meant, give "
                f"the sync a new `ledger:`; if it is the same one renamed: `antiphon sync --accept-account {side}`",
            )
        row = known or Fingerprint(self._side, "", heard)
        row = replace(row, account=account or row.account, at=heard)
        if self.skew is not None:
            row = replace(row, skew_least=self.skew.least, skew_most=self.skew.most)
        if known is None or replace(known, at=heard) != row:
            with self._ledger.transaction():
                self._ledger.put([row])


def accept_account(ledger: Ledger, side: Side) -> None:
    """A person says that the side is rightly another account: the next read tells which."""
    with ledger.transaction():
        ledger.store.remove(FINGERPRINT, [(side,)])
