"""What a null of an ordinary tap does to a field: it clears it, or it leaves it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from singer_sdk import typing as th

from target_kit.errors import SettingsError

NULL_SETTINGS = (
    th.Property("nulls", th.StringType, allowed_values=["clear", "skip"]),
    th.Property("skip_nulls", th.ArrayType(th.StringType), description="Fields that a null never clears."),
    th.Property("clear_nulls", th.ArrayType(th.StringType), description="Fields that a null clears, with `skip`."),
)
"""The settings of a stream."""


@dataclass(frozen=True, slots=True)
class Nulls:
    """The policy of one stream. `skip`: a null leaves a field as it is; `exceptions`: fields that differ."""

    skip: bool = False
    exceptions: frozenset[str] = frozenset()

    def clears(self, name: str) -> bool:
        """Whether a null clears this field."""
        return self.skip == (name in self.exceptions)

    @classmethod
    def of(cls, given: Mapping[str, Any], stream: str) -> Nulls:
        """The policy that a stream's settings name. Raises `SettingsError`."""
        skip = given.get("nulls", "clear") == "skip"
        idle, other = ("skip_nulls", "clear_nulls") if skip else ("clear_nulls", "skip_nulls")
        if given.get(idle):
            nulls = "skip" if skip else "clear"
            raise SettingsError(
                f"`streams.{stream}.{idle}` says nothing new: with `nulls: {nulls}` every null is treated so",
                hint=f"use `{other}` for the exceptions",
            )
        return cls(skip, frozenset(given.get(other) or ()))
