"""The calls of Salesforce's REST API that tap and target make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeAlias

from tap_salesforce.api.errors import Refused
from tap_salesforce.api.fields import Field
from tap_salesforce.api.session import Session

USUAL = ("Account", "Contact", "Lead", "Opportunity")
"""What is read if nothing is named."""

_LEAST = timedelta(minutes=1)
"""The shortest time that the logs of changes can be asked about."""

Shown: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SObject:
    """An object type. `fields` are those that a column can hold and that the user may see."""

    name: str
    fields: Mapping[str, Field]
    prefix: str = ""
    logged: bool = False  # whether `deleted` and `updated` speak of it


def as_literal(at: datetime) -> str:
    """A moment in SOQL."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Org:
    """A Salesforce org, over one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._objects: dict[str, SObject] = {}

    @cached_property
    def id(self) -> str:
        """The org's id. Raises the errors of `tap_salesforce.api.errors`."""
        (found,) = self.session.call("GET", "/query", params={"q": "SELECT Id FROM Organization"})["records"]
        return str(found["Id"])

    @property
    def account(self) -> str:
        """The fingerprint of the org."""
        return f"salesforce:{self.id}"

    def names(self) -> list[str]:
        """The objects that the user may query and that say when a record was changed."""
        shown = self.session.call("GET", "/sobjects", what="the list of objects")["sobjects"]
        return [str(each["name"]) for each in shown if each["queryable"] and each.get("replicateable")]

    def describe(self, name: str) -> SObject:
        """An object type. Raises `Refused` for one that is not there or that the user may not read."""
        if name not in self._objects:
            shown = self.session.call("GET", f"/sobjects/{name}/describe", what=f"the fields of {name}")
            if not shown.get("queryable"):
                raise Refused(f"{name} cannot be queried", hint="leave it out, or give the user the right to read it")
            fields = [field for each in shown["fields"] if (field := Field.of(each)) is not None]
            known = {each.name: each for each in fields}
            self._objects[name] = SObject(
                str(shown["name"]), known, str(shown.get("keyPrefix") or ""), bool(shown.get("replicateable"))
            )
        return self._objects[name]

    def forget(self, name: str) -> None:
        """Have an object described anew: its fields have changed."""
        self._objects.pop(name, None)

    def pages(self, query: str, what: str) -> Iterator[Sequence[Shown]]:
        """The pages of a query, as of `found`."""
        yield from self.found(query, what)[1]

    def found(self, query: str, what: str) -> tuple[int, Iterator[Sequence[Shown]]]:
        """How many rows a query has, and their pages; what lies in the recycle bin too.

        A page may have fewer rows than others. Raises `ExpiredCursor` where a later one is not kept any longer.
        """
        answer = self.session.call("GET", "/queryAll", params={"q": query}, what=what)
        return int(answer["totalSize"]), self._pages(answer, what)

    def _pages(self, answer: Any, what: str) -> Iterator[Sequence[Shown]]:
        while True:
            if answer["records"]:
                yield answer["records"]
            if answer["done"]:
                return
            answer = self.session.call("GET", answer["nextRecordsUrl"], what=what)

    def read(self, name: str, ids: Sequence[str], fields: Sequence[str], what: str) -> list[Shown | None]:
        """Records by id, at most two thousand, None for what is not there or in the recycle bin.

        What is asked for goes in the body, so there may be any number of fields (Salesforce docs, "Get Records Using
        sObject Collections").
        """
        body = {"ids": list(ids), "fields": list(fields)}
        found: list[Shown | None] = self.session.call("POST", f"/composite/sobjects/{name}", body, what=what)
        return found

    def deleted(self, name: str, start: datetime, end: datetime) -> Mapping[str, Any]:
        """`deletedRecords`, `earliestDateAvailable`, `latestDateCovered`: what was deleted, purged records too.

        Of more than 600,000 ids Salesforce tells none: then the time is halved (Salesforce docs, "Get Deleted").
        """
        params = {"start": as_literal(start), "end": as_literal(end)}
        what = f"what was deleted of {name}"
        try:
            found: Mapping[str, Any] = self.session.call("GET", f"/sobjects/{name}/deleted/", params=params, what=what)
        except Refused as refused:
            if refused.code != "EXCEEDED_ID_LIMIT" or end - start < 2 * _LEAST:
                raise
            middle = start + (end - start) / 2
            early, late = self.deleted(name, start, middle), self.deleted(name, middle, end)
            return {**late, "deletedRecords": [*early["deletedRecords"], *late["deletedRecords"]]}
        return found
