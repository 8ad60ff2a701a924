"""The calls that tap and target make, typed by what they are for. Paths of objects follow the version that is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tap_hubspot.api.errors import HubSpotError, MissingScopes, NotAuthorized, Refused, Unavailable
from tap_hubspot.api.paging import Page, page_of, pages
from tap_hubspot.api.properties import Property
from tap_hubspot.api.session import Session
from tap_hubspot.api.types import ObjectType

_READS = 4
"""Attempts at a batch read whose answer is in doubt."""

Shown = Mapping[str, Any]
"""A record as HubSpot shows it: id, properties, createdAt, updatedAt, archived."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A batch's results in HubSpot's order, and the errors beside them."""

    results: Sequence[Shown]
    errors: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """What the account and the token say of themselves. `app` and `scopes` are None where HubSpot does not tell."""

    portal: str
    timezone: str
    app: str | None = None
    scopes: frozenset[str] | None = None


@dataclass(slots=True)
class HubSpot:
    """An account of HubSpot, as its API shows it."""

    session: Session
    version: str = "v3"
    _account: Account | None = None
    _known: dict[str, dict[str, Property]] = field(default_factory=dict)

    # ---- the account

    def account(self) -> Account:
        """Who answers (HubSpot docs, "Account information API", "OAuth | Token information")."""
        if self._account is None:
            shown = self.session.call("GET", "/account-info/v3/details").body
            app, scopes = self._token_info()
            self._account = Account(str(shown["portalId"]), str(shown.get("timeZone") or "UTC"), app, scopes)
        return self._account

    def _token_info(self) -> tuple[str | None, frozenset[str] | None]:
        token = self.session.token()
        try:
            if token.startswith("pat-"):
                path, body = "/oauth/v2/private-apps/get/access-token-info", {"tokenKey": token}
                shown = self.session.call("POST", path, body).body
                return str(shown["appId"]), frozenset(shown["scopes"])
            shown = self.session.call("GET", f"/oauth/v1/access-tokens/{token}", what="token information").body
            return str(shown["app_id"]), frozenset(shown["scopes"])
        except (Refused, NotAuthorized, MissingScopes):
            return None, None  # of some kinds of token HubSpot tells nothing; it is good, since the account answered

    def custom_types(self) -> list[ObjectType]:
        """The account's own object types (HubSpot docs, "Schemas API")."""
        shown = self.session.call("GET", "/crm-object-schemas/v3/schemas").body
        return [
            ObjectType(str(each["fullyQualifiedName"]), label=str(each["labels"].get("plural") or ""), custom=True)
            for each in shown["results"]
        ]

    # ---- properties

    def properties(self, name: str) -> dict[str, Property]:
        """The properties of an object type, by name."""
        if name not in self._known:
            shown = self.session.call("GET", f"/crm/v3/properties/{name}").body["results"]
            self._known[name] = {each["name"]: Property.parse(each) for each in shown if not each.get("archived")}
        return self._known[name]

    def make_key_property(self, name: str, key: str) -> None:
        """Define a unique text property (HubSpot docs, "Properties API", "Create unique identifier properties")."""
        body = {
            "name": key,
            "label": "Antiphon key",
            "description": "Names the record for Antiphon, so that it is never created twice. Please leave it alone.",
            "groupName": self._group(name),
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": True,
        }
        self.session.call("POST", f"/crm/v3/properties/{name}", body)
        self._known.pop(name, None)

    def _group(self, name: str) -> str:
        """Every property belongs to a group; that of another one of the type will do."""
        shown = self.session.call("GET", f"/crm/v3/properties/{name}").body["results"]
        return next((str(each["groupName"]) for each in shown if each.get("groupName")), f"{name}information")

    # ---- records

    def _objects(self, name: str) -> str:
        return f"/crm/v3/objects/{name}" if self.version == "v3" else f"/crm/objects/{self.version}/{name}"

    def page(
        self,
        name: str,
        properties: Iterable[str],
        after: str | None,
        *,
        limit: int,
        archived: bool = False,
        history: Iterable[str] = (),
    ) -> Page:
        """One page of the list, and where the next begins."""
        params: dict[str, Any] = {"limit": limit, "archived": str(archived).lower()}
        params |= {"properties": ",".join(properties)} if properties else {}
        params |= {"propertiesWithHistory": ",".join(history)} if history else {}
        params |= {"after": after} if after else {}
        return page_of(self.session.call("GET", self._objects(name), params=params).body)

    def read(
        self,
        name: str,
        ids: Sequence[str],
        properties: Sequence[str],
        *,
        by: str | None = None,
        archived: bool = False,
        history: Sequence[str] = (),
    ) -> list[Shown]:
        """The records that are there; a merged id shows its survivor. At most a hundred ids, fifty with history.

        `by` is a unique property, of which the ids are values; it must be among the `properties`.
        """
        body: dict[str, Any] = {"properties": list(properties), "propertiesWithHistory": list(history)}
        body |= {"idProperty": by} if by else {}
        params = {"archived": "true"} if archived else None
        found: dict[str, Shown] = {}
        for shown in self._told(
            f"{self._objects(name)}/batch/read",
            {each.lower(): {"id": each} for each in ids},
            lambda shown: str(shown["properties"].get(by) if by else shown["id"]),
            body,
            params,
        ):
            found[str(shown["id"])] = shown
        return list(found.values())

    def _told(
        self,
        path: str,
        inputs: Mapping[str, Any],
        name: Callable[[Shown], str],
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[Shown]:
        """The results of a batch read, all of them. Raises `Unavailable` as `_whole` does.

        What HubSpot says nothing of, neither that it is there nor that it is not, is asked for again, and believed to
        be missing if it is passed over every time.
        """
        rest = dict(inputs)
        for _ in range(_READS):
            shown, missing = self._whole(path, {**(body or {}), "inputs": list(rest.values())}, params)
            yield from shown
            if len(shown) + len(missing) >= len(rest):  # a merged record has another name than the one that was asked
                return
            for each in (*map(name, shown), *missing):
                rest.pop(each.lower(), None)

    def _whole(
        self, path: str, body: Mapping[str, Any], params: Mapping[str, Any] | None = None
    ) -> tuple[list[Any], list[str]]:
        """The results of a batch read, and ids of what is not there. Raises `Unavailable` while that is not sure."""
        for attempt in range(1, _READS + 1):
            shown = self.session.call("POST", path, body, params=params).body
            errors = shown.get("errors") or ()
            doubts = [each for each in errors if each.get("category") != "OBJECT_NOT_FOUND"]
            if not doubts:
                contexts = [each.get("context") or {} for each in errors]
                missing = [str(key) for c in contexts for name in ("ids", "fromObjectId") for key in c.get(name) or ()]
                return list(shown["results"]), missing
            self.session.sleep(attempt)
        raise Unavailable(
            f"POST {path}: HubSpot showed a part of the records, again and again, and said of the others: "
            f"{doubts[0].get('message')}",
            hint="try again later",
        )

    def search(self, name: str, body: Mapping[str, Any]) -> Page:
        """One page of a search, and where the next begins. One that shows less than its total is asked for again.

        The index may still count what the store has no more, so that a page which falls short twice is believed.
        """
        before: int | None = None
        while True:
            shown = self.session.call("POST", f"{self._objects(name)}/search", body, kind="search").body
            found, after = page_of(shown)
            number = len(found)
            if after or number == before or int(body.get("after") or 0) + number >= int(shown.get("total") or 0):
                return found, after
            before = number

    def write(self, name: str, action: str, inputs: Sequence[Mapping[str, Any]], *, repeatable: bool) -> Answer:
        """A batch create, update or upsert. Raises `Refused` for the whole of it, having done nothing."""
        path = f"{self._objects(name)}/batch/{action}"
        shown = self.session.call("POST", path, {"inputs": list(inputs)}, repeatable=repeatable).body
        return Answer(shown["results"], shown.get("errors") or ())

    def archive(self, name: str, ids: Sequence[str]) -> None:
        """Move records to the recycle bin; one that is there already stays there."""
        self.session.call("POST", f"{self._objects(name)}/batch/archive", {"inputs": [{"id": each} for each in ids]})

    # ---- associations

    def _pairs(self, from_type: str, to_type: str) -> str:
        return f"/crm/v4/associations/{from_type}/{to_type}"

    def labels(self, from_type: str, to_type: str) -> list[Mapping[str, Any]]:
        """The kinds of association of a pair of types: category, typeId, label."""
        found: list[Mapping[str, Any]] = self.session.call("GET", f"{self._pairs(from_type, to_type)}/labels").body[
            "results"
        ]
        return found

    def associations(
        self, from_type: str, to_type: str, ids: Sequence[str]
    ) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """For each of these records that has any, its associations; long lists come in pages of their own."""
        path, inputs = f"{self._pairs(from_type, to_type)}/batch/read", {each: {"id": each} for each in ids}
        while inputs:
            more: dict[str, dict[str, str]] = {}
            for each in self._told(path, inputs, lambda shown: str(shown["from"]["id"])):
                start = str(each["from"]["id"])
                yield start, each["to"]
                after = ((each.get("paging") or {}).get("next") or {}).get("after")
                if after:
                    more[start] = {"id": start, "after": after}
            inputs = more

    def associate(self, from_type: str, to_type: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        """Make associations, with their kinds; one that is there already stays."""
        shown = self.session.call("POST", f"{self._pairs(from_type, to_type)}/batch/create", {"inputs": list(inputs)})
        return Answer(shown.body["results"], shown.body.get("errors") or ())

    def part(self, from_type: str, to_type: str, inputs: Sequence[Mapping[str, Any]], *, labels: bool) -> None:
        """Remove associations whole, or only the kinds that the inputs name."""
        end = "batch/labels/archive" if labels else "batch/archive"
        self.session.call("POST", f"{self._pairs(from_type, to_type)}/{end}", {"inputs": list(inputs)})

    # ---- lists, people, processes

    def lists(self) -> Iterator[Mapping[str, Any]]:
        """Every list of the account."""
        offset = 0
        while True:
            shown = self.session.call("POST", "/crm/v3/lists/search", {"offset": offset, "count": 100}).body
            yield from shown["lists"]
            offset = int(shown["offset"])
            if not shown["hasMore"]:
                return

    def members(self, list_id: str) -> Iterator[Mapping[str, Any]]:
        """The records of a list: recordId, membershipTimestamp."""
        yield from self.pages(f"/crm/v3/lists/{list_id}/memberships", key="recordId")

    def change_members(self, list_id: str, add: Sequence[str], remove: Sequence[str]) -> Mapping[str, Any]:
        """Put records into a static list and take others out; tells those that are missing."""
        body = {"recordIdsToAdd": list(add), "recordIdsToRemove": list(remove)}
        shown: Mapping[str, Any] = self.session.call(
            "PUT", f"/crm/v3/lists/{list_id}/memberships/add-and-remove", body
        ).body
        return shown

    def pages(
        self, path: str, params: Mapping[str, Any] | None = None, *, key: str = "id"
    ) -> Iterator[Mapping[str, Any]]:
        """All results of an endpoint that pages by `after`; `key` names them."""

        def ask(after: str | None) -> Page:
            asked = {**(params or {}), "limit": 100, **({"after": after} if after else {})}
            return page_of(self.session.call("GET", path, params=asked).body)

        for found in pages(path, ask, key=key):
            yield from found


__all__ = ["Account", "Answer", "HubSpot", "HubSpotError", "Shown"]
