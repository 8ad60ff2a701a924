"""The tap: its settings, which models it reads, and `--check`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum

from tap_kit import FOLLOW, Capability, Check, CheckedTap, Polled
from tap_tryton.api import KEY, SERVER, USER, USUAL, Refused, Tryton, TrytonError, connect, stream_of
from tap_tryton.streams import ModelStream


class TapTryton(CheckedTap):
    """Reads the records of a Tryton server: parties, addresses, contact mechanisms, opportunities, any model."""

    name = "tap-tryton"
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *CheckedTap.capabilities,
        Capability.DELETES,
        Capability.MERGES,
        Capability.FOLLOW,
    ]
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        *SERVER,
        *USER,
        *KEY,
        th.Property(
            "models",
            th.ArrayType(th.StringType),
            title="Models",
            description="What is read, as `party.party`; without it parties, addresses, contact mechanisms, categories "
            "and, where the module is active, opportunities.",
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
            default=300,
            title="Overlap",
            description="How far an incremental read goes back behind its bookmark: longer than any transaction takes, "
            "since a record bears the time at which its transaction began.",
        ),
        FOLLOW,
    ).to_dict()

    @cached_property
    def tryton(self) -> Tryton:
        """The database."""
        return connect(self.config)

    @property
    def archived_is_deleted(self) -> bool:
        """Whether a record that is not active is told as gone."""
        return str(self.config.get("archived", "deleted")) == "deleted"

    def discover_streams(self) -> Sequence[ModelStream]:
        """The streams of a catalog that is handed in, else those of the models."""
        if (asked := self.asked_for) is not None:
            return [ModelStream(self, self._model_of(name)) for name in asked]
        named: list[str] | None = self.config.get("models")
        found = []
        for model in named or USUAL:
            try:
                found.append(ModelStream(self, model))
            except Refused as error:
                if named:
                    raise
                self.logger.warning("%s is left out: %s", model, error.message)
        return found

    def followed(self) -> Polled:
        """The selected streams, read whenever that is asked; deletions are looked for once a minute."""
        selected = [each for each in self.streams.values() if each.selected and isinstance(each, ModelStream)]
        return Polled(selected, self.state)

    def _model_of(self, stream: str) -> str:
        """The model of a stream; those that are known by name come first, for a name may have a dash of its own."""
        known = {stream_of(model): model for model in (*USUAL, *(self.config.get("models") or ()))}
        return str(known.get(stream, stream.replace("-", ".")))

    def check(self, streams: Sequence[str]) -> tuple[str | None, list[Check]]:
        """Whether the user is taken, and whether each stream can be read."""
        try:
            account = self.tryton.account()
        except TrytonError as error:
            return None, [Check.of("login", error)]
        who = "the key of the application" if self.config.get("key") else f"the user {self.config['username']}"
        checks = [Check("login", ok=True, message=f"{self.config['database']} takes {who}")]
        for name in streams:
            try:
                model = self.tryton.model(self._model_of(name))
                next(self.tryton.pages(model.name, [], ["id"], 1), None)
                checks.append(Check(name, ok=True, message=f"{model.name} may be read"))
            except TrytonError as error:
                checks.append(Check.of(name, error))
        return account, checks


def main() -> None:
    """The program `tap-tryton`."""
    TapTryton.cli()
