"""The target: its settings, and `--check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from singer_sdk.helpers.capabilities import CapabilitiesEnum

from tap_salesforce.api import Org, SalesforceError, WrongSettings, connect, make_key_field
from target_kit import Capability, Check, CheckReport, Kind, OperationTarget, SettingsError
from target_salesforce.operations import requests
from target_salesforce.records import Records
from target_salesforce.settings import SETTINGS, StreamSettings
from target_salesforce.sinks import ObjectSink

_CUSTOM = "__c"
_BY_HAND = (
    "in Setup, Object Manager, add a text field of 36 characters with External ID and Unique, and let a permission set "
    "of the user read and edit it"
)


class TargetSalesforce(OperationTarget):
    """Writes the records of a Salesforce org, two hundred in one request, or any number in a job."""

    name = "target-salesforce"
    config_jsonschema = SETTINGS
    default_sink_class = ObjectSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *OperationTarget.capabilities,
        Capability.PREFLIGHT,
        Capability.READ_BACK,
        Capability.IDEMPOTENT_CREATE,
        Capability.DELETES,
        Capability.ESTIMATE,
    ]

    @cached_property
    def org(self) -> Org:
        """The org. Raises `SettingsError` if the settings do not say who logs in."""
        try:
            return connect(self.config)
        except WrongSettings as error:
            raise SettingsError(error.message, hint=error.hint) from error

    @property
    def link_field(self) -> str:
        """The field that holds the key of a link: `sync_key`, with the ending of custom fields."""
        name = str(self.sync_key)
        return name if name.endswith(_CUSTOM) else f"{name}{_CUSTOM}"

    def takes_bulk(self, number: int) -> bool:
        """Whether so many records are written by a job."""
        api = self.config["api"]
        return not self.write_headers and (api == "bulk" or (api == "auto" and number >= int(self.config["bulk_from"])))

    @property
    def write_headers(self) -> dict[str, str]:
        """What goes with each write (Salesforce docs, "Duplicate Rule Header")."""
        return {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if self.config.get("allow_duplicates") else {}

    def drain_parents_of(self, sink: ObjectSink) -> None:
        """Write what waits in the sinks of objects to which the records of this one may refer."""
        others = [each for each in self._sinks_active.values() if isinstance(each, ObjectSink) and each.current_size]
        for other in others:
            if sink.refers_to(other) and not other.refers_to(sink):
                self.drain_one(other)

    def check(self, streams: Sequence[str], *, fix: bool) -> CheckReport:
        """Whether the token is taken, and whether each object has the field for the key of the link; `fix` makes it."""
        try:
            account = self.org.account
        except SalesforceError as error:
            return CheckReport(None, [Check("login", ok=False, message=error.message, hint=error.hint)])
        checks = [Check("login", ok=True, message=f"the org is {account.removeprefix('salesforce:')}")]
        for stream in streams:
            try:
                checks.append(self._check_key(stream, fix=fix))
            except SalesforceError as error:
                checks.append(Check(stream, ok=False, message=error.message, hint=error.hint or _BY_HAND))
        return CheckReport(account, checks)

    def _check_key(self, stream: str, *, fix: bool) -> Check:
        name, link = StreamSettings.of(self.config, stream).object, self.link_field
        known = self.org.describe(name)
        if link not in known.fields and fix:
            make_key_field(self.org.session, known.name, link)
            self.org.forget(name)
            known = self.org.describe(name)
        if Records(self.org, known, link, ()).has_link:
            return Check(stream, ok=True, message=f"{known.name} keeps the key of a link in {link}")
        if link in known.fields:
            words = f"{known.name}.{link} is no unique external id that the user may write: no record can be created"
            return Check(stream, ok=False, message=words, hint=f"mend it, or name another in `sync_key`; {_BY_HAND}")
        words = f"{known.name} has no field {link} for the key of a link: no record can be created"
        return Check(stream, ok=False, message=words, hint=_BY_HAND, fixable=True)

    def estimate(self, planned: Mapping[str, Mapping[Kind, int]]) -> CheckReport:
        """The requests of each stream, and whether what is left of our share of the day's suffices."""
        try:
            account = self.org.account
        except SalesforceError as error:
            return CheckReport(None, [Check("login", ok=False, message=error.message, hint=error.hint)])
        checks, total, few = [], 0, int(self.config["conditional_up_to"])
        for stream, numbers in planned.items():
            needed = 1 + requests(numbers, few, self.takes_bulk)  # one asks for the fields
            total, number = total + needed, sum(numbers.values())
            words = f"{number:,} operation{' needs' if number == 1 else 's need'} about {needed:,} requests"
            checks.append(Check(stream, ok=True, message=words))
        session = self.org.session
        if session.usage is not None:
            used, daily = session.usage
            left = max(0, int(daily * session.share) - used)
            words = f"about {total:,} requests are needed, {left:,} of {daily:,} are left of our share of a day's"
            hint = "what does not go out today is tried again in a later run"
            checks.append(Check("daily requests", ok=total <= left, message=words, hint=hint))
        return CheckReport(account, checks)

    def process_endofpipe(self) -> Any:
        """Write the rest, and close the connections."""
        try:
            return super().process_endofpipe()
        finally:
            if "org" in self.__dict__:
                self.org.session.close()


def main() -> None:
    """The program `target-salesforce`."""
    TargetSalesforce.cli()
