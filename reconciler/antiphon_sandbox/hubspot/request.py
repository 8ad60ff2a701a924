"""What the resources of the API have in common: a request, a reply, a route, and the portal that they speak for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from antiphon_sandbox.hubspot.errors import bad_json

if TYPE_CHECKING:
    from antiphon_sandbox.hubspot.account import Account
    from antiphon_sandbox.hubspot.directory import Directory
    from antiphon_sandbox.hubspot.lists import Lists
    from antiphon_sandbox.hubspot.oauth import Tokens
    from antiphon_sandbox.hubspot.records import Source


@dataclass(slots=True)
class Portal:
    """All that the resources need."""

    account: Account
    tokens: Tokens
    directory: Directory
    lists: Lists
    multi_status: bool = True


@dataclass(slots=True)
class Request:
    """One request. `path` holds what the route's braces stand for."""

    method: str
    url: str
    query: Mapping[str, Sequence[str]]
    body: Any
    source: Source
    token: str = ""
    path: dict[str, str] = field(default_factory=dict)

    def one(self, name: str, default: str = "") -> str:
        """A parameter of the query, once."""
        return self.query.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        """A parameter that is repeated, or a list between commas."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]

    def flag(self, name: str) -> bool:
        """A parameter that is true or false."""
        return self.one(name, "false").lower() == "true"

    def wanted(self) -> dict[str, Any]:
        """The body, which must be an object. Raises `Refused`."""
        if not isinstance(self.body, dict):
            kind = "START_ARRAY" if isinstance(self.body, list) else "VALUE_NULL"
            raise bad_json(f"Cannot deserialize value from this value (token `JsonToken.{kind}`)")
        return self.body

    def inputs(self) -> list[dict[str, Any]]:
        """The inputs of a batch. Raises `Refused`."""
        found = self.wanted().get("inputs")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise bad_json(
                "Cannot deserialize value of type "
                "`com.hubspot.inbounddb.publicobject.core.v2.SimplePublicObjectBatchInput$Json`"
            )
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. No `body` is an empty one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Portal, Request], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `scopes` are those of which a token needs one; `{needs}` stands for the object type's family."""

    method: str
    pattern: str
    handler: Handler
    scopes: tuple[str, ...] = ()
    kind: str = "api"  # or search, or open: neither counted nor guarded

    @property
    def regex(self) -> re.Pattern[str]:
        """The pattern with its braces as groups."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.pattern) + "/?")


_DATED = re.compile(r"/crm/(objects|properties|owners|pipelines|lists)/20\d\d-\d\d(/.*)?")
_DATED_LINKS = re.compile(r"/crm/associations/20\d\d-\d\d(/.*)")
_DATED_ENDS = re.compile(r"/crm/objects/20\d\d-\d\d(/[^/]+/[^/]+/associations/.*)")
_DATED_SCHEMAS = re.compile(r"/crm-object-schemas/20\d\d-\d\d(/.*)")


def undated(path: str) -> str:
    """A path of a dated version as the path of the numbered one, whose answers have the same shape.

    The objects' path is HubSpot's; that the others follow it is inferred, not recorded.
    """
    for dated, numbered in (
        (_DATED_ENDS, "/crm/v4/objects"),
        (_DATED_LINKS, "/crm/v4/associations"),
        (_DATED_SCHEMAS, "/crm-object-schemas/v3"),
    ):
        if found := dated.fullmatch(path):
            return numbered + found[1]
    found = _DATED.fullmatch(path)
    return f"/crm/v3/{found[1]}{found[2] or ''}" if found else path
