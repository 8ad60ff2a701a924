"""sObject Collections: two hundred records in one request, one result for each, in Salesforce's words.

A record that another transaction holds (`UNABLE_TO_LOCK_ROW`) is written again a little later. A request that is
refused as a whole, since Salesforce cannot read one of the records, is made again in halves, until that one stands
alone.
Source: Salesforce docs, "sObject Collections"; results come in the order of the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tap_salesforce.api import MaybeApplied, NotAuthorized, Org, Refused, SalesforceError
from target_kit import Failed, Fault, Gone, Rejected, TargetError
from target_kit import split_on_error as split

MOST = 200
_ATTEMPTS = 4
_PAUSE = 0.5
"""Seconds before a locked record is written again, growing with each attempt."""

_LOCKED = "UNABLE_TO_LOCK_ROW"
_LATER = frozenset({_LOCKED, "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "REQUEST_LIMIT_EXCEEDED"})


@dataclass(frozen=True, slots=True)
class Done:
    """The record is written; its id."""

    id: str


Result: TypeAlias = Done | Rejected | Failed | Gone


@dataclass(frozen=True, slots=True)
class Batches:
    """Writes records of one object."""

    org: Org
    object: str

    def create(self, records: Sequence[Mapping[str, Any]]) -> list[Result]:
        """Make records. Raises the errors of `tap_salesforce.api.errors`, `MaybeApplied` where one may be made."""
        return self._written("POST", records)

    def update(self, records: Sequence[Mapping[str, Any]]) -> list[Result]:
        """Change records; each has its `Id`."""
        return self._written("PATCH", records)

    def delete(self, ids: Sequence[str]) -> list[Result]:
        """Put records into the recycle bin."""
        return self._settled(list(ids), self._delete)

    def _written(self, method: str, records: Sequence[Mapping[str, Any]]) -> list[Result]:
        def send(some: Sequence[Mapping[str, Any]]) -> list[Result]:
            body = {"allOrNone": False, "records": [{"attributes": {"type": self.object}, **each} for each in some]}
            return self._results(method, some, body=body)

        return self._settled(list(records), send)

    def _delete(self, ids: Sequence[str]) -> list[Result]:
        return self._results("DELETE", ids, params={"ids": ",".join(ids), "allOrNone": "false"})

    def _results(self, method: str, some: Sequence[Any], **more: Any) -> list[Result]:
        what = f"the writing of {len(some)} records of {self.object}"
        shown = self.org.session.call(method, "/composite/sobjects", repeatable=False, what=what, **more)
        if len(shown) != len(some):
            raise MaybeApplied(f"{what}: Salesforce answered with {len(shown)} results")
        return [Done(str(each["id"])) if each["success"] else refusal(each["errors"]) for each in shown]

    def _settled(self, items: list[Any], send: Any) -> list[Result]:
        """One result per item; those that are locked are sent again."""
        found: dict[int, Result] = {}
        waiting = list(range(len(items)))
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.org.session.pause(_PAUSE * attempt)
            for start in range(0, len(waiting), MOST):
                some = waiting[start : start + MOST]
                answers = split([items[n] for n in some], send, Refused, _refused)
                found |= dict(zip(some, answers, strict=True))
            waiting = [n for n in waiting if _is_locked(found[n])]
            if not waiting:
                break
        return [found[n] for n in range(len(items))]


def refusal(errors: Sequence[Mapping[str, Any]]) -> Rejected | Failed | Gone:
    """What the errors of a record mean for it, in Salesforce's words."""
    codes = [str(each.get("statusCode") or each.get("errorCode") or "Refused") for each in errors] or ["Refused"]
    told = "; ".join(_in_words(each) for each in errors) or "Salesforce did not say why"
    fault = Fault(codes[0], f"Salesforce says: {told}", 503 if codes[0] in _LATER else 400)
    if codes[0] == "ENTITY_IS_DELETED":
        return Gone()
    return Failed(fault) if codes[0] in _LATER else Rejected(fault)


def _in_words(error: Mapping[str, Any]) -> str:
    words = " ".join(str(error.get("message") or "").split())
    missing = [name for name in error.get("fields") or () if name not in words]
    return f"{words} ({', '.join(missing)})" if missing else words


def _refused(item: Any, error: Exception) -> Result:
    """A request of one record was refused as a whole."""
    del item
    code, status = (error.code, error.status) if isinstance(error, SalesforceError) else ("", None)
    return Rejected(Fault(code or "Refused", str(error), status or 400))


def _is_locked(result: Result) -> bool:
    return isinstance(result, Failed) and result.fault.name == _LOCKED


def outage(error: SalesforceError) -> Failed:
    """What an error that stops a whole request means for each of its rows. Raises `TargetError` for wrong settings."""
    if isinstance(error, NotAuthorized):
        raise TargetError(error.message, hint=error.hint) from error
    return Failed(Fault(type(error).__name__, error.message, 504 if isinstance(error, MaybeApplied) else 503))
