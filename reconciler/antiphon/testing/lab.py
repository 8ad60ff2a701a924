"""What a connector's author provides: how the plugins are started, and people who work in the system."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Self

from antiphon.testing.programs import Program


class Lab(abc.ABC):
    """A system of its own for one test, with a connector; used as a context manager. `folder` is empty and its own.

    A record is a mapping of columns to values, as the tap shows them. `values`, `edit` and `bad` speak of columns that
    the target may write.
    """

    tap: ClassVar[Program | None] = None
    """The tap: a class of the Singer SDK, run in this process, or the words of a command. None: there is none."""

    target: ClassVar[Program | None] = None
    """The target, likewise."""

    stream: ClassVar[str]
    """The stream that the tests use."""

    key: ClassVar[str] = "id"
    """Its key column."""

    replication: ClassVar[str] = ""
    """The method by which the tap reads it; by default INCREMENTAL where there is a replication key."""

    values: ClassVar[Mapping[str, Any]]
    """A record that can be made; a text among its values may hold `{n}`, which makes records differ."""

    edit: ClassVar[tuple[str, Any]]
    """A column of `values`, and another value for it."""

    bad: ClassVar[Mapping[str, Any]] = {}
    """Values, beside or in place of `values`, that the system or the target refuses; empty if there are none."""

    knows_keys: ClassVar[bool] = False
    """Whether a create names the key itself (`on_create: uuid`); by default the system assigns it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        """Have the system ready, and empty but for what it always holds."""
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027  # there may be nothing to do
        """Take it down."""

    @abc.abstractmethod
    def config(self) -> Mapping[str, Any]:
        """The settings of tap and target."""

    # ---- people

    @abc.abstractmethod
    def enter(self, values: Mapping[str, Any]) -> Any:
        """A user enters a record; its key."""

    @abc.abstractmethod
    def change(self, key: Any, values: Mapping[str, Any]) -> None:
        """A user edits a record."""

    @abc.abstractmethod
    def remove(self, key: Any) -> None:
        """A user deletes a record."""

    @abc.abstractmethod
    def record(self, key: Any) -> Mapping[str, Any] | None:
        """The record as it is, at least the columns of `values`; None if it is gone."""

    @abc.abstractmethod
    def count(self) -> int:
        """How many live records there are."""

    def merge(self, loser: Any, survivor: Any) -> Any:
        """A user merges two records; the key that lives on. Needed where the tap lists `merges`."""
        raise NotImplementedError

    def interpose(self, human: Callable[[], object]) -> AbstractContextManager[object]:
        """Have `human` called just before the target's next write reaches the system.

        Needed where the target lists `history`, and where it lists `compare-and-set` and looks in a step of its own; a
        target that compares in the very statement that writes leaves no such moment, and its lab raises
        `NotImplementedError`.
        """
        raise NotImplementedError
