#!/usr/bin/env python3
"""`target-shelf`: a whole target on the kit. Its system is a JSON file {stream: {key: row}}.

The value `"refuse me"` is refused for ever, `"not now"` for the time being, `"break"` breaks the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from singer_sdk import typing as th

from target_kit import (
    Applied,
    Check,
    CheckReport,
    Failed,
    Fault,
    Gone,
    Kind,
    Operation,
    OperationSink,
    OperationTarget,
    Outcome,
    Rejected,
    Row,
    Stale,
)


def _keep(path: Path, rows: dict[str, Any]) -> None:
    """The whole file at once: the tests read it while the target runs."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(rows, default=str), encoding="utf-8")
    new.replace(path)


class ShelfSink(OperationSink):
    def operate(self, operations: Sequence[Operation]) -> list[Outcome]:
        path = Path(self.config["path"])
        rows = json.loads(path.read_text(encoding="utf-8"))
        outcomes = [self._one(rows.setdefault(self.stream_name, {}), operation) for operation in operations]
        _keep(path, rows)
        return outcomes

    def _one(self, rows: dict[str, Any], operation: Operation) -> Outcome:
        if "refuse me" in operation.values.values():
            return Rejected(Fault("Refused", f"no, says {self.config['password']}", 400))
        if "not now" in operation.values.values():
            return Failed(Fault("Busy", "later"))
        if operation.kind is Kind.CREATE:
            rows.setdefault(key := f"new-{operation.sync_key}", dict(operation.values))
            return Applied([key], operation.values)
        key = str(operation.key["id"])
        if key not in rows:
            return Gone()
        found = {column: rows[key].get(column) for column in operation.expect}
        if found != operation.expect:
            return Stale([key], found)
        if operation.kind is Kind.DELETE:
            del rows[key]
        else:
            rows[key].update(operation.values)
        return Applied([key], operation.values)

    def load(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Rejected]]:
        path = Path(self.config["path"])
        kept = json.loads(path.read_text(encoding="utf-8"))
        here = kept.setdefault(self.stream_name, {})
        for row in rows:
            if "break" in row.record.values():
                raise ZeroDivisionError
            if "refuse me" in row.record.values():
                yield row, Rejected(Fault("Refused", f"no, says {self.config['password']}"))
            elif row.deleted:
                here.pop(str(row.record["id"]), None)
            else:
                here[str(row.record["id"])] = dict(row.record)
        _keep(path, kept)


class TargetShelf(OperationTarget):
    """Puts rows on a shelf."""

    name = "target-shelf"
    default_sink_class = ShelfSink
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("path", th.StringType, required=True),
        th.Property("password", th.StringType, secret=True, default="hunter22"),
    ).to_dict()

    def check(self, streams: Sequence[str], *, fix: bool) -> CheckReport:
        path = Path(self.config["path"])
        if fix and not path.exists():
            path.write_text("{}", encoding="utf-8")
        there = path.exists()
        return CheckReport(
            "shelf-1",
            [
                Check("shelf", there, f"{path} ({self.config['password']})", "make it", fixable=True),
                *(Check(f"stream {name}", ok=True, message="any will do") for name in streams),
            ],
        )


if __name__ == "__main__":
    TargetShelf.cli()
