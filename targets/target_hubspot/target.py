"""The target: its settings, which sink writes which stream, and `--check`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from singer_sdk.helpers.capabilities import CapabilitiesEnum

from tap_hubspot.api import HubSpot, HubSpotError, NotAuthorized, connect
from tap_hubspot.api.types import ASSOCIATION_WRITE, OBJECT_TYPES, pair_of
from target_hubspot.operations import requests
from target_hubspot.settings import SETTINGS, StreamSettings
from target_hubspot.sinks import HubSpotSink, PairSink, RecordSink
from target_kit import Capability, Check, CheckReport, Kind, OperationTarget, SettingsError

_KEY_HINT = "a create could otherwise be done twice; `--fix` makes the property"


class TargetHubSpot(OperationTarget):
    """Writes HubSpot's CRM."""

    name = "target-hubspot"
    config_jsonschema = SETTINGS
    default_sink_class = RecordSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *OperationTarget.capabilities,
        Capability.PREFLIGHT,
        Capability.READ_BACK,
        Capability.IDEMPOTENT_CREATE,
        Capability.DELETES,
        Capability.ESTIMATE,
        Capability.HISTORY,
    ]

    @cached_property
    def hubspot(self) -> HubSpot:
        """The account. Raises `SettingsError` if the settings name no token."""
        try:
            return connect(self.config)
        except NotAuthorized as error:
            raise SettingsError(error.message, hint=error.hint) from error

    @property
    def workers(self) -> int:
        """How many batches are under way at once."""
        return max(1, int(self.config.get("workers") or 4))

    def get_sink_class(self, stream_name: str) -> type[HubSpotSink]:
        """Records, or pairs: associations and members of lists."""
        settings = StreamSettings.of(self.config, stream_name)
        if settings.list is not None or settings.object == "list_memberships":
            return PairSink
        return PairSink if pair_of(settings.object) and settings.object not in OBJECT_TYPES else RecordSink

    # ---- --check

    def check(self, streams: Sequence[str], *, fix: bool) -> CheckReport:
        """The token, the calls left for today, and for each stream its scope and the unique property for the key."""
        checks: list[Check] = []
        try:
            account = self.hubspot.account()
        except HubSpotError as error:
            return CheckReport(None, [Check("token", ok=False, message=error.message, hint=error.hint)])
        checks.append(Check("token", ok=True, message=f"account {account.portal}, time zone {account.timezone}"))
        limiter = self.hubspot.session.limiter
        if limiter.daily_left is not None:
            words = f"{limiter.daily_left} of {limiter.daily} calls are left for today"
            checks.append(Check("daily calls", ok=limiter.daily_left > 0, message=words, hint="wait for midnight"))
        for stream in streams:
            if issubclass(self.get_sink_class(stream), RecordSink):
                checks += self._check_stream(stream, account.scopes, fix=fix)
        return CheckReport(f"hubspot:{account.portal}", checks)

    def _check_stream(self, stream: str, scopes: frozenset[str] | None, *, fix: bool) -> list[Check]:
        name = StreamSettings.of(self.config, stream).object
        checks = []
        scope = f"crm.objects.{name}.write"
        if scopes is not None and name in _SCOPED:
            ok = scope in scopes
            words = f"the token {'may' if ok else 'may not'} write {name}"
            hint = "" if ok else f"grant {scope} to the private app or service key"
            checks.append(Check(f"{stream}: scope", ok=ok, message=words, hint=hint))
        try:
            checks.append(self._check_key(stream, name, fix=fix))
        except HubSpotError as error:
            checks.append(Check(f"{stream}: {self.sync_key}", ok=False, message=error.message, hint=error.hint))
        return checks

    def _check_key(self, stream: str, name: str, *, fix: bool) -> Check:
        key, label = self.sync_key, f"{stream}: {self.sync_key}"
        known = self.hubspot.properties(name).get(key)
        if known is None and fix:
            self.hubspot.make_key_property(name, key)
            known = self.hubspot.properties(name).get(key)
        if known is None:
            words = f"{name} has no property {key!r}"
            return Check(label, ok=False, message=words, hint=_KEY_HINT, fixable=True)
        if not known.unique:
            words = f"the property {key!r} of {name} is not unique, and HubSpot cannot make it so afterwards"
            return Check(label, ok=False, message=words, hint="name another in `sync_key`; `--fix` then makes it")
        return Check(label, ok=True, message=f"{name} has the unique property {key!r}")

    def estimate(self, planned: Mapping[str, Mapping[Kind, int]]) -> CheckReport:
        """The calls and minutes of each stream, and whether HubSpot's budget for today suffices."""
        try:
            account = self.hubspot.account()
        except HubSpotError as error:
            return CheckReport(None, [Check("token", ok=False, message=error.message, hint=error.hint)])
        limiter, checks, total = self.hubspot.session.limiter, [], 0
        for stream, numbers in planned.items():
            records = issubclass(self.get_sink_class(stream), RecordSink)
            calls = requests(numbers) if records else math.ceil(sum(numbers.values()) / ASSOCIATION_WRITE)
            total += calls
            number = sum(numbers.values())
            words = f"{number:,} operation{' needs' if number == 1 else 's need'} about {calls:,} calls"
            checks.append(Check(stream, ok=True, message=f"{words}, {limiter.minutes(calls):.1f} minutes at its pace"))
        if limiter.daily_left is not None:
            words = (
                f"about {total:,} calls are needed, {limiter.daily_left:,} of {limiter.daily or 0:,} are left for today"
            )
            hint = "what does not go out today is tried again in a later run"
            checks.append(Check("daily calls", ok=total <= limiter.daily_left, message=words, hint=hint))
        return CheckReport(f"hubspot:{account.portal}", checks)

    # ---- the end

    def process_endofpipe(self) -> Any:
        """Write the rest, and close the connections."""
        try:
            return super().process_endofpipe()
        finally:
            if "hubspot" in self.__dict__:
                self.hubspot.session.close()


_SCOPED = frozenset({"contacts", "companies", "deals", "leads"})
"""Types with a scope of their own; others share one, or have one for both rights."""


def main() -> None:
    """The program `target-hubspot`."""
    TargetHubSpot.cli()
