"""The tap: its settings, which objects it reads, and `--check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum, TapCapabilities

from tap_kit import FOLLOW, Capability, Check, CheckedTap, Followed, Polled
from tap_salesforce.api import SETTINGS, STAMP, USUAL, Org, Refused, SalesforceError, WrongSettings, connect
from tap_salesforce.streams import ObjectStream

if TYPE_CHECKING:
    from tap_salesforce.api.events import Events


class TapSalesforce(CheckedTap):
    """Reads the records of a Salesforce org: accounts, contacts, leads, opportunities, any object, custom ones too."""

    name = "tap-salesforce"
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *CheckedTap.capabilities,
        TapCapabilities.LOG_BASED,
        Capability.DELETES,
        Capability.MERGES,
        Capability.FOLLOW,
    ]
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        *SETTINGS,
        th.Property(
            "objects",
            th.ArrayType(th.StringType),
            title="Objects",
            description="What is read, by API name, as `Account` or `Invoice__c`; `*` stands for all. Without it "
            "accounts, contacts, leads and opportunities.",
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            title="Start",
            description="The first incremental read begins with what changed since then; without it, with everything.",
        ),
        th.Property(
            "overlap_seconds",
            th.NumberType,
            default=600,
            title="Overlap",
            description="How far an incremental read goes back behind its bookmark: longer than any transaction takes, "
            "since a record bears a time before it can be seen. Salesforce ends a request after ten minutes.",
        ),
        th.Property(
            "api",
            th.StringType,
            default="auto",
            allowed_values=["auto", "rest", "bulk"],
            title="API",
            description="`rest` reads two thousand records to a request; `bulk` has Salesforce gather them in a job of "
            "Bulk API 2.0, a hundred thousand to a request, with a few to ask whether it is done; `auto` takes `bulk` "
            "where a read has `bulk_from` records or more, or a query that is too long for REST.",
        ),
        th.Property(
            "bulk_from",
            th.IntegerType,
            default=20_000,
            title="Bulk from",
            description="From how many records on `auto` uses the Bulk API.",
        ),
        th.Property(
            "pubsub_address",
            th.StringType,
            default="api.pubsub.salesforce.com:7443",
            title="Pub/Sub",
            description="Where LOG_BASED reads change events; in Europe `api.deu.pubsub.salesforce.com:7443`.",
        ),
        th.Property(
            "log_seconds",
            th.NumberType,
            default=5,
            title="Log seconds",
            description="After how long without a change event LOG_BASED takes an object's events for read.",
        ),
        th.Property(
            "poll_seconds",
            th.NumberType,
            default=60,
            title="Poll seconds",
            description="How often a tap that follows reads objects that are not LOG_BASED; each read takes two "
            "requests of the day's.",
        ),
        FOLLOW,
    ).to_dict()

    @cached_property
    def org(self) -> Org:
        """The org."""
        return connect(self.config)

    @property
    def api(self) -> str:
        """Which API reads: `auto`, `rest`, `bulk`."""
        return str(self.config["api"])

    @property
    def bulk_from(self) -> int:
        """From how many records on `auto` takes the Bulk API."""
        return int(self.config["bulk_from"])

    def log(self, stream: ObjectStream, mark: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What change events tell of a stream after its bookmark. Raises `WrongSettings` without the extra for it."""
        with _extra(), closing(self._events()) as events:
            from tap_salesforce.changes import Log  # noqa: PLC0415 - comes with an extra of its own

            yield from Log(stream, mark, place, timedelta(seconds=self.overlap)).rows(events)

    def _events(self) -> Events:
        from tap_salesforce.api.events import Events  # noqa: PLC0415 - comes with an extra of its own

        address, silence = str(self.config["pubsub_address"]), float(self.config["log_seconds"])
        return Events(self.org.session, self.org.id, address, silence)

    def followed(self) -> Followed:
        """The selected streams: by their change events, if they are LOG_BASED; the others every `poll_seconds`."""
        selected = [each for each in self.streams.values() if each.selected and isinstance(each, ObjectStream)]
        logged = [each for each in selected if each.replication_method == "LOG_BASED"]
        others = [each for each in selected if each not in logged]
        polled = Polled(others, self.state, every=float(self.config["poll_seconds"]))
        if not logged:
            return polled
        with _extra():
            from tap_salesforce.changes import Log  # noqa: PLC0415 - comes with an extra of its own
            from tap_salesforce.following import Following  # noqa: PLC0415

            overlap = timedelta(seconds=self.overlap)
            logs = [(each, Log(each, *each.log_state, overlap)) for each in logged]
            return Following(logs, self._events(), polled, self.state)

    def discover_streams(self) -> Sequence[ObjectStream]:
        """The streams of a catalog that is handed in, else those of the objects."""
        if (asked := self.asked_for) is not None:
            return [ObjectStream(self, name) for name in asked]
        named: list[str] | None = self.config.get("objects")
        found = []
        for name in self.org.names() if named and "*" in named else named or USUAL:
            try:
                found.append(ObjectStream(self, name))
            except Refused as error:
                if named and "*" not in named:
                    raise
                self.logger.warning("%s is left out: %s", name, error.message)
        return found

    def check(self, streams: Sequence[str]) -> tuple[str | None, list[Check]]:
        """Whether the token is taken, what of the day's requests is left, and whether each stream can be read."""
        try:
            account = self.org.account
        except SalesforceError as error:
            return None, [Check.of("login", error)]
        checks = [Check("login", ok=True, message=f"the org is {account.removeprefix('salesforce:')}")]
        if self.org.session.usage is not None:
            used, all_of = self.org.session.usage
            checks.append(Check("requests", ok=True, message=f"{used} of {all_of} requests of a day are used"))
        for name in streams:
            try:
                found = self.org.describe(name)
            except SalesforceError as error:
                checks.append(Check.of(name, error))
                continue
            timed = "" if STAMP in found.fields else f"; it has no {STAMP}, and is read in full each time"
            checks.append(Check(name, ok=True, message=f"{len(found.fields)} fields may be read{timed}"))
        return account, checks


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise WrongSettings(f"LOG_BASED needs {error.name}", hint="pip install 'antiphon[salesforce-cdc]'") from None


def main() -> None:
    """The program `tap-salesforce`."""
    TapSalesforce.cli()
