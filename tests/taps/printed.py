"""What a tap of ours prints when it is run in this process, taken apart."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from singer_sdk import Tap


@dataclass(slots=True)
class Printed:
    """The messages of one run."""

    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # whole messages, by stream
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def by(cls, tap: Tap) -> Self:
        """Run the tap."""
        with _captured() as output:
            tap.sync_all()
        found = cls()
        for line in output.getvalue().splitlines():
            message = json.loads(line)
            match message["type"]:
                case "SCHEMA":
                    found.schemas[message["stream"]] = message
                case "RECORD":
                    found.records.setdefault(message["stream"], []).append(message)
                case "STATE":
                    found.state = message["value"]
                case other:
                    raise AssertionError(other)
        return found

    def fates(self, stream: str) -> dict[Any, dict[str, Any]]:
        """What became of the records that are not live, by id."""
        told = {m["record"]["id"]: m["sync"] for m in self.records.get(stream, [])}
        return {key: sync for key, sync in told.items() if sync["state"] != "live"}


@contextmanager
def _captured() -> Iterator[io.BytesIO]:
    kept, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    output = sys.stdout.buffer
    assert isinstance(output, io.BytesIO)
    try:
        yield output
    finally:
        sys.stdout.detach()
        sys.stdout = kept
