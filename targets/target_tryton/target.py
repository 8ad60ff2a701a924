"""The targets: over JSON-RPC with locks, over REST without; their settings, and `--check`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum

from tap_tryton.api import KEY, SERVER, USER, Tryton, TrytonError, WrongSettings, connect
from target_kit import Capability, Check, CheckReport, OperationTarget, SettingsError
from target_tryton.settings import KEYS, WRITING, Place, StreamSettings
from target_tryton.sinks import ModelSink


class TargetTryton(OperationTarget):
    """Writes the records of a Tryton server over JSON-RPC, each write bound to what was read."""

    name = "target-tryton"
    config_jsonschema = th.PropertiesList(*SERVER, *USER, *WRITING).to_dict()
    default_sink_class = ModelSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *OperationTarget.capabilities,
        Capability.PREFLIGHT,
        Capability.COMPARE_AND_SET,
        Capability.READ_BACK,
        Capability.IDEMPOTENT_CREATE,
        Capability.DELETES,
    ]
    logs_in_with: ClassVar[tuple[str, ...]] = ("username", "password")

    @cached_property
    def tryton(self) -> Tryton:
        """The database. Raises `SettingsError` if the settings do not say who logs in."""
        own = {name: value for name, value in self.config.items() if name not in _WHO or name in self.logs_in_with}
        try:
            return connect(own)
        except WrongSettings as error:
            names = " and ".join(f"`{name}`" for name in self.logs_in_with)
            raise SettingsError(error.message, hint=f"{self.name} needs {names}") from error

    @property
    def archived_is_deleted(self) -> bool:
        """Whether a record that is not active counts as deleted."""
        return str(self.config.get("archived", "deleted")) == "deleted"

    def place_of(self, model: str) -> Place | None:
        """Where the key of a link is kept with the records of a model; None if there is no such place.

        Raises `SettingsError` for a place that is named and not there.
        """
        known = self.tryton.model(model)
        named = (self.config.get("keys") or {}).get(model)
        if not named and self.sync_key in known.fields:
            return Place("", self.sync_key)
        path = named or KEYS.get(model)
        if not path:
            return None
        place = Place.of(str(path))
        home = known
        if place.children:
            if place.children not in known.children:
                raise SettingsError(f"`keys.{model}`: {model} has no list of children {place.children!r}")
            home = self.tryton.model(known.children[place.children])
        if place.field not in home.fields or home.fields[place.field].type not in {"char", "text"}:
            raise SettingsError(f"`keys.{model}`: {home.name} has no text field {place.field!r}")
        return place

    def check(self, streams: Sequence[str], *, fix: bool) -> CheckReport:
        """Whether the user is taken, and for each stream whether there is a place for the key of the link."""
        del fix  # nothing of Tryton's can be made from outside
        try:
            account = self.tryton.account()
        except TrytonError as error:
            return CheckReport(None, [Check("login", ok=False, message=error.message, hint=error.hint)])
        checks = [Check("login", ok=True, message=f"{self.config['database']} takes {self.logs_in_with[0]}")]
        for stream in streams:
            model = StreamSettings.of(self.config, stream).model
            try:
                place = self.place_of(model)
            except (TrytonError, SettingsError) as error:
                checks.append(Check(stream, ok=False, message=error.message, hint=error.hint))
                continue
            if place is None:
                words = f"{model} has no known place for the key of a link: no record can be created"
                checks.append(Check(stream, ok=False, message=words, hint=f"name a text field in `keys.{model}`"))
            else:
                checks.append(Check(stream, ok=True, message=f"{model} keeps the key of a link in {place}"))
        return CheckReport(account, checks)

    def process_endofpipe(self) -> Any:
        """Write the rest, and close the connections."""
        try:
            return super().process_endofpipe()
        finally:
            if "tryton" in self.__dict__:
                self.tryton.session.close()


class TargetTrytonRest(TargetTryton):
    """Writes the records of a Tryton server over REST, which knows no lock: an edit of the last moment is lost."""

    name = "target-tryton-rest"
    config_jsonschema = th.PropertiesList(*SERVER, *KEY, *WRITING).to_dict()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        each for each in TargetTryton.capabilities if each is not Capability.COMPARE_AND_SET
    ]
    logs_in_with = ("key",)


_WHO = frozenset({"username", "password", "key"})


def main() -> None:
    """The program `target-tryton`."""
    TargetTryton.cli()


def main_rest() -> None:
    """The program `target-tryton-rest`."""
    TargetTrytonRest.cli()
