"""What the resources of the API have in common: a request, a reply, a route."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from antiphon_sandbox.salesforce.errors import Refused
from antiphon_sandbox.salesforce.jobs import Jobs
from antiphon_sandbox.salesforce.org import Org


@dataclass(slots=True)
class Request:
    """One request. `root` is the path of the API's version, `path` what the route's braces stand for.

    `body` is the JSON of one that has any, `raw` what was sent.
    """

    org: Org
    method: str
    url: str
    root: str
    query: Mapping[str, Sequence[str]]
    body: Any
    raw: bytes
    headers: Mapping[str, str]
    cursors: dict[str, Sequence[Mapping[str, Any]]]
    jobs: Jobs
    page: int
    path: dict[str, str] = field(default_factory=dict)

    def one(self, name: str, default: str = "") -> str:
        """A parameter of the query."""
        return self.query.get(name, [default])[-1]

    def wanted(self) -> dict[str, Any]:
        """The body, which must be an object. Raises `Refused`."""
        if not isinstance(self.body, dict):
            raise Refused("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
        return self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. No `body` is an empty one; bytes go as they are, all else as JSON.

    `whole`: the connection does not end in the middle.
    """

    status: int = HTTPStatus.OK
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json;charset=UTF-8"
    whole: bool = True


Handler: TypeAlias = Callable[[Request], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; its pattern begins behind the path of the API's version."""

    method: str
    pattern: str
    handler: Handler

    @property
    def regex(self) -> re.Pattern[str]:
        """The pattern with its braces as groups."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.pattern) + "/?")
