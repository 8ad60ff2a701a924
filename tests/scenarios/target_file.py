#!/usr/bin/env python3
"""`target-file`: upserts rows by key into the file that `tap-file` reads, under the columns that the SCHEMA names.

With the setting `receipts_path` it keeps the envelope: it compares, sets, and says what became of each operation.
The switch file tells it under "target" how to misbehave:

| switch                        | what it does                                                                 |
|-------------------------------|------------------------------------------------------------------------------|
| `exit`, `after`, `keep`       | ends with this code after so many rows; what it did until then is kept or not |
| `hang`                        | after `after` rows goes quiet for so many seconds, or until `.reached` is gone |
| `bad`: {column: value}        | ends with code 1 when it meets such a row, and nothing of its batch is kept   |
| `silent`, `lose`              | prints no STATE; prints STATE, but writes nothing                            |
| `remark`: [line]              | prints what is no STATE                                                      |
| `lower`: [column]             | stores these in lower case                                                   |
| `meanwhile`: {key: {…}}       | a user edits these rows before it writes                                     |
| `answer`: {status: {column: value}} | gives such a receipt for such a row, and does not write it             |
| `message`                     | these are its words                                                          |
| `receipts`                    | are written `twice`, `half a line`, `garbage`, `unknown` or `none`           |
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

ABOUT = {"name": "target-file", "settings": {"properties": {"path": {"type": "string"}}}}
DELETED_AT = "_sdc_deleted_at"


class System:
    """The tables of the file, changed in memory until they are kept."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.path = Path(config["path"])
        self.tables: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        self.switches = Path(config["switches"])
        told = json.loads(self.switches.read_text(encoding="utf-8")) if self.switches.exists() else {}
        self.faults: dict[str, Any] = told.get("target", {})
        self.schemas: dict[str, dict[str, Any]] = {}
        self.receipts: list[dict[str, Any]] = []
        self.receipts_path = Path(config["receipts_path"]) if "receipts_path" in config else None

    def find(self, stream: str, key: dict[str, Any]) -> dict[str, Any] | None:
        rows = self.tables[stream]["rows"]
        return next((row for row in rows if all(row.get(column) == value for column, value in key.items())), None)

    def keep(self) -> None:
        if not self.faults.get("lose"):
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(self.tables, indent=1), encoding="utf-8")
            partial.replace(self.path)
        if self.receipts_path is not None:
            with self.receipts_path.open("a", encoding="utf-8") as file:
                file.write(self._receipts())
        self.receipts = []

    def stored(self, record: dict[str, Any]) -> dict[str, Any]:
        lower = self.faults.get("lower", ())
        return {column: value.lower() if column in lower and value else value for column, value in record.items()}

    def upsert(self, stream: str, record: dict[str, Any]) -> None:
        """As foreign targets do: every column of the SCHEMA is set, to null if the record lacks it."""
        table = self.tables[stream]
        key = {column: record[column] for column in table["key"]}
        row = self.find(stream, key)
        if record.get(DELETED_AT) is not None:
            table["rows"] = [other for other in table["rows"] if other is not row]
            return
        if row is None:
            row = dict(key)
            table["rows"].append(row)
        row.update(self.stored({column: record.get(column) for column in self.schemas[stream] if column != DELETED_AT}))

    def operate(self, stream: str, record: dict[str, Any], envelope: dict[str, Any]) -> None:
        """As our own targets do: only what the record holds is set, and only if what is expected is there."""
        said = {"op_id": envelope["op_id"], "at": datetime.now(UTC).isoformat()}
        for status, like in self.faults.get("answer", {}).items():
            if _alike(record, like):
                error = {
                    "class": "Refused",
                    "message": self.faults.get("message", f"the {status} row of {record.get('email')}"),
                }
                self.receipts.append({**said, "status": status, "error": error})
                return
        table, key = self.tables[stream], envelope["key"]
        row = self.find(stream, {"sync_key": envelope["sync_key"]} if envelope["op"] == "create" else key)
        if envelope["op"] == "create" and row is None:
            row = {**(key or {table["key"][0]: f"a{len(table['rows']) + 1}"}), "sync_key": envelope["sync_key"]}
            table["rows"].append(row)
        if row is None:
            self.receipts.append({**said, "status": "gone"})
            return
        found = {column: row.get(column) for column in envelope["expect"]}
        ids = [row[column] for column in table["key"]]
        if found != envelope["expect"]:
            self.receipts.append({**said, "status": "stale", "id": ids, "found": found})
            return
        if envelope["op"] == "delete":
            table["rows"].remove(row)
        stored = {} if envelope["op"] == "delete" else self.stored(record)
        row.update(stored)
        self.receipts.append({**said, "status": "applied", "id": ids, "stored": stored})

    def _receipts(self) -> str:
        lines = [json.dumps(each) for each in self.receipts]
        match self.faults.get("receipts"):
            case "twice":
                lines *= 2
            case "garbage":
                lines.insert(0, "this is no receipt")
            case "unknown":
                lines.insert(0, json.dumps({**self.receipts[0], "op_id": "of-another-time"}))
            case "none":
                return ""
            case "half a line":
                return "\n".join(lines)[: -len(lines[-1]) // 2]
            case _:
                pass
        return "".join(f"{line}\n" for line in lines)


def say(stream: TextIO, line: str) -> None:
    stream.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    stream.buffer.flush()


def main(arguments: list[str]) -> None:
    if "--about" in arguments:
        say(sys.stdout, json.dumps(ABOUT))
        return
    config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text(encoding="utf-8"))
    system = System(config)
    faults = system.faults
    for line in [f"writing {config['path']}", *faults.get("say", [])]:
        say(sys.stderr, line)
    for line in faults.get("remark", []):
        say(sys.stdout, line)
    for stream, edits in faults.get("meanwhile", {}).items():
        for key, edit in edits.items():
            row = system.find(stream, {system.tables[stream]["key"][0]: key})
            if row is not None and edit is None:
                system.tables[stream]["rows"].remove(row)
            elif row is not None:
                row.update(edit)
    state = consume(system)
    system.keep()
    if "exit" in faults and "after" not in faults:
        sys.exit(faults["exit"])
    if state is not None and not faults.get("silent"):
        say(sys.stdout, json.dumps(state))


def consume(system: System) -> dict[str, Any] | None:
    """Take every message in; the last STATE."""
    faults, state, rows = system.faults, None, 0
    for line in sys.stdin:
        if rows == faults.get("after", -1):
            misbehave(system)
        message = json.loads(line)
        match message["type"]:
            case "SCHEMA":
                system.schemas[message["stream"]] = message["schema"]["properties"]
            case "RECORD":
                rows += 1
                record = message["record"]
                if "bad" in faults and _alike(record, faults["bad"]):
                    say(sys.stderr, f"working\nValueError: no room for {record}")
                    sys.exit(1)
                if system.receipts_path is not None:
                    system.operate(message["stream"], record, message["sync"])
                else:
                    system.upsert(message["stream"], record)
            case "STATE":
                state = message["value"]
            case other:
                raise ValueError(other)
    return state


def misbehave(system: System) -> None:
    faults = system.faults
    if faults.get("keep"):
        system.keep()
    if "hang" in faults:
        reached, deadline = system.switches.with_suffix(".reached"), time.monotonic() + faults["hang"]
        reached.touch()
        while reached.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    sys.exit(faults.get("exit", 1))


def _alike(record: dict[str, Any], like: dict[str, Any]) -> bool:
    return all(record.get(column) == value for column, value in like.items())


if __name__ == "__main__":
    main(sys.argv[1:])
