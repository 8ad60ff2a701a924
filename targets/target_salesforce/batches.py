"""sObject Collections: two hundred records in one request, one result for each, in Salesforce's words.

Records that belong to one other record are sent together, so that two requests do not wait for the same lock. A record
that another transaction holds (`UNABLE_TO_LOCK_ROW`) is written again a little later. A request that is refused as a
whole, since Salesforce cannot read one of the records, is made again in halves, until that one stands alone.
Source: Salesforce docs, "sObject Collections"; results come in the order of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

from tap_salesforce.api import MaybeApplied, NotAuthorized, Org, Refused, SalesforceError, SObject
from target_kit import Failed, Fault, Gone, Rejected, TargetError
from target_kit import split_on_error as split

MOST = 200
COMPOSED = 25
"""Requests in one composite request."""

_ATTEMPTS = 4
_PAUSE = 0.5
"""Seconds before a locked record is written again, growing with each attempt."""

LOCKED = "UNABLE_TO_LOCK_ROW"
_LATER = frozenset({
    LOCKED, "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "REQUEST_LIMIT_EXCEEDED",
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
})  # fmt: skip
_OF_ONE = frozenset({"JSON_PARSER_ERROR", "INVALID_FIELD", "MALFORMED_ID"})
"""Why one record can have a whole request refused."""

Sent: TypeAlias = Mapping[str, Any]
"""A record as it is sent."""


@dataclass(frozen=True, slots=True)
class Done:
    """The record is written; its id."""

    id: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Nothing was written, since the record was modified after it was looked at."""


Result: TypeAlias = Done | Changed | Rejected | Failed | Gone


class Writer(Protocol):
    """A way to write records of one object: one result for each, in the order of the records.

    Raises the errors of `tap_salesforce.api.errors`; `MaybeApplied` where some may be written.
    """

    def create(self, records: Sequence[Sent], key: str) -> list[Result]:
        """Make records. `key`: the unique field by which a result can be told; empty for none."""

    def update(self, records: Sequence[Sent], seen: Mapping[str, str]) -> list[Result]:
        """Change records; each has its `Id`. `seen`: by id, the `LastModifiedDate` of what was looked at."""

    def upsert(self, by: str, records: Sequence[Sent]) -> list[Result]:
        """Make or change the records with these values in the external id `by`; doing it twice is as good as once."""

    def delete(self, ids: Sequence[str]) -> list[Result]:
        """Put records into the recycle bin."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Writes by collections. `headers` go with each write; `conditional`: how many updates may be made on condition."""

    org: Org
    object: SObject
    headers: Mapping[str, str] = field(default_factory=dict)
    conditional: int = COMPOSED

    def create(self, records: Sequence[Sent], key: str) -> list[Result]:
        """By POST; results come in the order of the records."""
        del key
        return self._written("POST", "/composite/sobjects", records)

    def update(self, records: Sequence[Sent], seen: Mapping[str, str]) -> list[Result]:
        """By PATCH; a few of them only if they were not modified since: collections know no such condition."""
        if len(records) <= self.conditional and all(seen.get(str(each["Id"])) for each in records):
            return self._settled(records, lambda some: self._unless_modified(some, seen), COMPOSED)
        return self._written("PATCH", "/composite/sobjects", records)

    def upsert(self, by: str, records: Sequence[Sent]) -> list[Result]:
        """By PATCH of the field's path."""
        path = f"/composite/sobjects/{self.object.name}/{by}"
        return self._written("PATCH", path, records, repeatable=True)

    def delete(self, ids: Sequence[str]) -> list[Result]:
        """By DELETE, with the ids in the address."""

        def send(some: Sequence[str]) -> list[Result]:
            params = {"ids": ",".join(some), "allOrNone": "false"}
            return self._results("DELETE", "/composite/sobjects", some, params=params)

        return self._settled(list(ids), send)

    def _unless_modified(self, records: Sequence[Sent], seen: Mapping[str, str]) -> list[Result]:
        """Change records that nobody modified since they were looked at: one alone, several in one composite request.

        Source: Salesforce docs, "Conditional Requests" (whole seconds), "Composite Subrequest" (`httpHeaders`).
        """
        root, asked = self.org.session.root, []
        for number, record in enumerate(records):
            key, values = str(record["Id"]), {name: value for name, value in record.items() if name != "Id"}
            since = format_datetime(datetime.fromisoformat(seen[key]).astimezone(UTC), usegmt=True)
            path, headers = f"/sobjects/{self.object.name}/{key}", {**self.headers, "If-Unmodified-Since": since}
            if len(records) == 1:
                return [self._unless_one_is_modified(key, path, values, headers)]
            one = {"method": "PATCH", "url": root + path, "referenceId": f"r{number}"}
            asked.append({**one, "httpHeaders": headers, "body": values})
        what = f"the writing of {len(records)} records of {self.object.name}"
        body = {"allOrNone": False, "compositeRequest": asked}
        shown = self.org.session.call("POST", "/composite", body, repeatable=False, what=what)["compositeResponse"]
        told = {str(each["referenceId"]): each for each in shown}
        return [_composed(str(record["Id"]), told.get(f"r{number}")) for number, record in enumerate(records)]

    def _unless_one_is_modified(
        self, key: str, path: str, values: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Result:
        what = f"the writing of {self.object.name} {key}"
        try:
            self.org.session.call("PATCH", path, values, headers=headers, repeatable=False, what=what)
        except Refused as error:
            return _composed(key, {"httpStatusCode": error.status, "body": error.errors})
        return Done(key)

    def _written(self, method: str, path: str, records: Sequence[Sent], *, repeatable: bool = False) -> list[Result]:
        def send(some: Sequence[Sent]) -> list[Result]:
            body = {
                "allOrNone": False,
                "records": [{"attributes": {"type": self.object.name}, **each} for each in some],
            }
            return self._results(method, path, some, body=body, repeatable=repeatable)

        return self._settled(list(records), send)

    def _results(self, method: str, path: str, some: Sequence[Any], **more: Any) -> list[Result]:
        what = f"the writing of {len(some)} records of {self.object.name}"
        try:
            shown = self.org.session.call(
                method, path, what=what, headers=self.headers, **{"repeatable": False, **more}
            )
        except Refused as error:
            if error.code in _OF_ONE:
                raise
            return [_refused(each, error) for each in some]
        if len(shown) != len(some):
            raise MaybeApplied(f"{what}: Salesforce answered with {len(shown)} results")
        return [Done(str(each["id"])) if each["success"] else refusal(each["errors"]) for each in shown]

    def _settled(self, items: Sequence[Any], send: Callable[[Sequence[Any]], list[Any]], most: int = MOST) -> list[Any]:
        """One result per item; those that are locked are sent again."""
        found: dict[int, Result] = {}
        waiting = by_parents(self.object, items)
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.org.session.pause(_PAUSE * attempt)
            for start in range(0, len(waiting), most):
                some = waiting[start : start + most]
                answers = split([items[n] for n in some], send, Refused, _refused)
                found |= dict(zip(some, answers, strict=True))
            waiting = [n for n in waiting if _is_locked(found[n])]
            if not waiting:
                break
        return [found[n] for n in range(len(items))]


def _composed(key: str, shown: Mapping[str, Any] | None) -> Result:
    """What one answer of a composite request means."""
    if shown is None:
        raise MaybeApplied(f"the writing of {key}: Salesforce's answer does not speak of it")
    if shown["httpStatusCode"] == HTTPStatus.PRECONDITION_FAILED:
        return Changed()
    if shown["httpStatusCode"] < HTTPStatus.BAD_REQUEST:
        return Done(key)
    return refusal(shown["body"] or ())


def by_parents(known: SObject, records: Sequence[Sent | str]) -> list[int]:
    """The places of records in an order in which those that belong to the same other record stand together."""
    names = [(each.name, each.relationship) for each in known.fields.values() if each.refers_to]

    def others(place: int) -> tuple[str, ...]:
        record = records[place]
        if isinstance(record, str):
            return ()
        return tuple(str(record.get(name) or record.get(relationship) or "") for name, relationship in names)

    return sorted(range(len(records)), key=others)


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


def _is_locked(result: Any) -> bool:
    return isinstance(result, Failed) and result.fault.name == LOCKED


def outage(error: SalesforceError) -> Failed:
    """What an error that stops a whole request means for each of its rows. Raises `TargetError` for wrong settings."""
    if isinstance(error, NotAuthorized):
        raise TargetError(error.message, hint=error.hint) from error
    return Failed(Fault(type(error).__name__, error.message, 504 if isinstance(error, MaybeApplied) else 503))
