"""Running plugins: a class of the Singer SDK in this process, or a command as a process; and what they print."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from antiphon.protocol import DELETED_AT, ENVELOPE

Program: TypeAlias = type[Any] | Sequence[str]
"""A class of the Singer SDK with its `cli`, or the words of a command."""

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Ran:
    """A plugin that ended: its exit code, what it printed, and the end of what it said."""

    code: int
    out: bytes
    said: str = ""


def run(program: Program, words: Sequence[str]) -> Ran:
    """Run a plugin with these words to its end."""
    if isinstance(program, type):
        return _in_process(program, words)
    done = subprocess.run([*program, *words], capture_output=True, timeout=_LONGEST, check=False)
    return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace")[-4000:])


def _in_process(plugin: Any, words: Sequence[str]) -> Ran:
    kept, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    output = sys.stdout.buffer
    code = 0
    try:
        plugin.cli.main(args=list(words), prog_name=plugin.name)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        content = output.getvalue() if isinstance(output, io.BytesIO) else b""
        sys.stdout.detach()
        sys.stdout = kept
    return Ran(code, content)


def capabilities_of(program: Program) -> frozenset[str]:
    """What a plugin lists in `--about --format=json`."""
    if isinstance(program, type):
        return frozenset(str(getattr(each, "value", each)) for each in program.capabilities)
    return frozenset(json.loads(run(program, ["--about", "--format=json"]).out)["capabilities"])


@dataclass(slots=True)
class Read:
    """What one run of a tap showed of one stream."""

    schema: dict[str, Any] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)

    def live(self, key: str) -> dict[Any, dict[str, Any]]:
        """The records that are there, by key."""
        found = {}
        for message in self.records:
            record = message["record"]
            state = message.get(ENVELOPE, {}).get("state", "live")
            if state == "live" and record.get(DELETED_AT) is None:
                found[record[key]] = record
        return found

    def fate(self, key: str, value: Any) -> dict[str, Any]:
        """What the last message of a record says became of it: `state`, perhaps `merged_into`; empty if none came."""
        for message in reversed(self.records):
            if str(message["record"].get(key)) == str(value):
                sync: dict[str, Any] = dict(message.get(ENVELOPE, {}))
                gone = message["record"].get(DELETED_AT) is not None
                return sync if sync.get("state", "live") != "live" or not gone else {**sync, "state": "gone"}
        return {}


def read(
    tap: Program,
    config: Path,
    folder: Path,
    stream: str,
    columns: Sequence[str],
    state: Mapping[str, Any] | None = None,
    replication: str = "",
) -> Read:
    """Discover, select the columns of one stream, and run the tap; incremental where it can be, or as told."""
    discovered = json.loads(run(tap, ["--config", str(config), "--discover"]).out)
    catalog = _selected(discovered, stream, set(columns), replication)
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    words = ["--config", str(config), "--catalog", str(folder / "catalog.json")]
    if state:
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
        words += ["--state", str(folder / "state.json")]
    done = run(tap, words)
    if done.code:
        raise AssertionError(f"the tap ended with {done.code}: {done.said}")
    found = Read()
    for line in done.out.splitlines():
        message = json.loads(line)
        if message["type"] == "STATE":
            found.state = message["value"]
        elif message.get("stream") == stream and message["type"] == "SCHEMA":
            found.schema = message
        elif message.get("stream") == stream and message["type"] == "RECORD":
            found.records.append(message)
    return found


def _selected(catalog: dict[str, Any], stream: str, columns: set[str], method: str) -> dict[str, Any]:
    entries = [entry for entry in catalog["streams"] if entry.get("stream", entry["tap_stream_id"]) == stream]
    if not entries:
        raise AssertionError(f"the tap discovers no stream {stream!r}")
    for entry in entries:
        replication = entry.get("replication_key")
        wanted = columns | ({replication} if replication else set())
        entry["replication_method"] = method or ("INCREMENTAL" if replication else "FULL_TABLE")
        for item in entry["metadata"]:
            item["metadata"]["selected"] = not item["breadcrumb"] or item["breadcrumb"][-1] in wanted
    return {"streams": entries}
