"""The tap: its settings, which streams the account has, and `--check`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum

from tap_hubspot.api import (
    CONNECTION,
    OBJECT_TYPES,
    HubSpot,
    HubSpotError,
    MissingScopes,
    ObjectType,
    Refused,
    connect,
)
from tap_hubspot.api.types import ASSOCIATIONS, association_stream, pair_of
from tap_hubspot.client import HubSpotStream
from tap_hubspot.directory import DIRECTORY, PIPELINES, DirectoryStream
from tap_hubspot.following import SETTINGS as FOLLOWING
from tap_hubspot.following import Following
from tap_hubspot.streams import AssociationStream, CrmStream
from tap_kit import FOLLOW, Capability, Check, CheckedTap


class TapHubSpot(CheckedTap):
    """Reads HubSpot's CRM."""

    name = "tap-hubspot"
    dynamic_catalog = True
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *CheckedTap.capabilities,
        Capability.DELETES,
        Capability.MERGES,
        Capability.FIELD_TIMES,
        Capability.FOLLOW,
    ]
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "start_date",
            th.DateTimeType,
            title="Start",
            description="The first incremental read begins with what changed since then; without it, with everything.",
        ),
        th.Property(
            "overlap_seconds",
            th.NumberType,
            default=300,
            title="Overlap",
            description="How far an incremental read goes back behind its bookmark: longer than search ever trails.",
        ),
        th.Property(
            "archived",
            th.BooleanType,
            default=True,
            title="Deletions",
            description="Also list the recycle bin, so that archived records arrive as deletions.",
        ),
        th.Property(
            "history",
            th.StringType,
            allowed_values=["never", "changes", "always"],
            default="changes",
            title="Histories",
            description="When to read, with each record, when its values were set and by whom: `never`; with the "
            "`changes` of an incremental read; or `always`. Twice the requests: half as many records fit into one.",
        ),
        th.Property(
            "objects",
            th.ArrayType(th.StringType),
            title="Objects",
            description="Streams of records, as `contacts` or the full name of a custom object, that discovery shows; "
            "all by default. Discovery asks HubSpot once for each.",
        ),
        th.Property(
            "associations",
            th.ArrayType(th.StringType),
            title="Associations",
            description="Streams of associations, as `deals_to_contacts`; the usual pairs by default.",
        ),
        th.Property(
            "pipelines",
            th.ArrayType(th.StringType),
            default=list(PIPELINES),
            title="Pipelines",
            description="Objects whose pipelines and stages are read, custom ones among them.",
        ),
        th.Property(
            "workers",
            th.IntegerType,
            default=4,
            title="Requests at once",
            description="How many batch reads are under way at once.",
        ),
        *FOLLOWING,
        FOLLOW,
    ).to_dict()

    # ---- settings

    @cached_property
    def hubspot(self) -> HubSpot:
        """The account."""
        return connect(self.config)

    @property
    def archived(self) -> bool:
        """Whether the recycle bin is read."""
        return bool(self.config.get("archived", True))

    def history(self, *, incremental: bool) -> bool:
        """Whether histories are read."""
        return str(self.config.get("history", "changes")) in {"always", "changes" if incremental else "always"}

    @property
    def workers(self) -> int:
        """How many requests are under way at once."""
        return max(1, int(self.config.get("workers", 4)))

    @property
    def pipelines(self) -> list[str]:
        """Object types whose pipelines are read."""
        return list(self.config["pipelines"])

    # ---- streams

    def discover_streams(self) -> Sequence[HubSpotStream]:
        """The streams of a catalog that is handed in, else all that the token may read."""
        if (asked := self.asked_for) is not None:
            return [self._stream(name) for name in asked]
        return [*self._records(), *(self._stream(name) for name in [*self._pairs(), *DIRECTORY])]

    def _stream(self, name: str) -> HubSpotStream:
        if name in DIRECTORY:
            return DirectoryStream(self, name)
        pair = pair_of(name)
        if pair is not None and name not in OBJECT_TYPES:
            return AssociationStream(self, *pair)
        return CrmStream(self, OBJECT_TYPES.get(name) or ObjectType(name, custom=True))

    def _pairs(self) -> list[str]:
        configured: list[str] | None = self.config.get("associations")
        return configured if configured is not None else [association_stream(a, b) for a, b in ASSOCIATIONS]

    def _records(self) -> list[CrmStream]:
        wanted: list[str] | None = self.config.get("objects")
        kinds = [*OBJECT_TYPES.values(), *(self._custom() if wanted is None else ())]
        if wanted is not None:
            kinds = [OBJECT_TYPES.get(name) or ObjectType(name, custom=True) for name in wanted]
        found = []
        for kind in kinds:
            try:
                self.hubspot.properties(kind.name)
            except (MissingScopes, Refused) as error:
                self.logger.warning("%s is left out: %s", kind.name, error.message)
                continue
            found.append(CrmStream(self, kind))
        return found

    def _custom(self) -> list[ObjectType]:
        try:
            return self.hubspot.custom_types()
        except (MissingScopes, Refused) as error:
            self.logger.warning("custom objects are left out: %s", error.message)
            return []

    def followed(self) -> Following:
        """The selected streams."""
        selected = [each for each in self.streams.values() if each.selected and isinstance(each, HubSpotStream)]
        return Following(self.hubspot, selected, self.config, cast("dict[str, Any]", self.state))

    # ---- --check

    def check(self, streams: Sequence[str]) -> tuple[str | None, list[Check]]:
        """The token, and whether each stream may be read."""
        try:
            account = self.hubspot.account()
        except HubSpotError as error:
            return None, [Check.of("token", error)]
        checks = [Check("token", ok=True, message=f"account {account.portal}, time zone {account.timezone}")]
        for name in streams:
            try:
                next(iter(self._stream(name).get_records(None)), None)
                checks.append(Check(name, ok=True, message="may be read"))
            except HubSpotError as error:
                checks.append(Check.of(name, error))
        return f"hubspot:{account.portal}", checks


def main() -> None:
    """The program `tap-hubspot`."""
    TapHubSpot.cli()
