#!/usr/bin/env python3
"""`tap-file`: reads tables from a JSON file. A switch file tells it how to misbehave, and exactly where.

The system is one file: `{stream: {"key": […], "columns": {name: JSON schema}, "rows": [{…}]}}`. The switch file holds
under "tap" a list of splices of the lines that it would print: `{"at": n, "skip": n, "print": [line], "then": "…"}`,
where a line is text or a message, and `then` is "exit 1", "signal 9" or "hang 60": quiet for so many seconds, or until
the mark `.reached` beside the switch file is removed. Under "discover" stand other splices.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--catalog", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--discover", action="store_true")
    given = parser.parse_args()
    config = _read(given.config)
    tables, faults = _read(Path(config["path"])), _read(Path(config["switches"]))
    sys.stderr.write("\n".join([f"reading {config['path']}", *faults.get("say", []), ""]))
    sys.stderr.flush()
    if given.discover:
        _print([json.dumps(discover(tables, config))], faults.get("discover", []), config)
        return
    state = _read(given.state) if given.state else {}
    messages = list(read(tables, _read(given.catalog), state, config.get("account")))
    _print([json.dumps(message) for message in messages], faults.get("tap", []), config)


def discover(tables: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The catalog, without the streams that the settings hide."""
    return {
        "streams": [
            {
                "stream": name,
                "tap_stream_id": name,
                "key_properties": table["key"],
                "schema": {"type": "object", "properties": table["columns"]},
                "metadata": [
                    {"breadcrumb": ["properties", name], "metadata": {"inclusion": "available"}}
                    for name in table["columns"]
                ],
            }
            for name, table in tables.items()
            if name not in config.get("hidden", ())
        ]
    }


def read(tables: dict[str, Any], catalog: dict[str, Any], state: dict[str, Any], account: str | None) -> Any:
    """The messages of the selected streams and columns: all rows, or those from the bookmark on."""
    bookmarks = dict(state.get("bookmarks", {}))
    for entry in catalog["streams"]:
        table, by = tables[entry["stream"]], entry.get("replication_key")
        chosen = [
            item["breadcrumb"][1] for item in entry["metadata"] if item["breadcrumb"] and item["metadata"]["selected"]
        ]
        properties = {name: shape for name, shape in table["columns"].items() if name in chosen}
        schema = {"type": "SCHEMA", "stream": entry["stream"], "key_properties": table["key"]}
        if account is not None:
            schema["sync"] = {"account": account}
        yield {**schema, "schema": {"properties": properties}, **({"bookmark_properties": [by]} if by else {})}
        since = bookmarks.get(entry["stream"], {}).get("replication_key_value", "")
        rows = sorted((row for row in table["rows"] if row[by] >= since), key=lambda r: r[by]) if by else table["rows"]
        for row in rows:
            record = {name: row.get(name) for name in properties}
            yield {"type": "RECORD", "stream": entry["stream"], "record": record}
        if by and rows:
            bookmarks[entry["stream"]] = {"replication_key": by, "replication_key_value": rows[-1][by]}
    yield {"type": "STATE", "value": {"bookmarks": bookmarks}}


def _print(lines: list[str], splices: list[dict[str, Any]], config: dict[str, Any]) -> None:
    for splice in splices:
        at = splice["at"] % (len(lines) + 1)
        skip, then = splice.get("skip", 0), splice.get("then")
        said = [line if isinstance(line, str) else json.dumps(line) for line in splice.get("print", ())]
        _write(lines[:at] + said, end=splice.get("end", "\n"))
        if then:
            _do(then, Path(config["switches"]).with_suffix(".reached"))
        lines = lines[at + skip :]
    _write(lines)


def _write(lines: list[str], end: str = "\n") -> None:
    text = "\n".join(lines) + (end if lines else "")
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _do(then: str, reached: Path) -> None:
    what, number = then.split()
    match what:
        case "exit":
            sys.exit(int(number))
        case "signal":
            os.kill(os.getpid(), int(number))
        case "hang":
            reached.touch()
            deadline = time.monotonic() + int(number)
            while reached.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        case _:
            raise ValueError(what)


def _read(path: Path) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return shown


if __name__ == "__main__":
    main()
