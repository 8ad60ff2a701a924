"""`follow: true`: the tap stays, says when something changed, and shows what changed whenever it is asked.

Questions come on standard input, one JSON object a line; answers are Singer messages, and of the type FOLLOW:

| line                               | from   | says                                                  |
|------------------------------------|--------|-------------------------------------------------------|
| `{"type":"FOLLOW","pushes":true}`  | tap    | it is ready; `false`: it cannot tell of changes       |
| `{"type":"FOLLOW","changed":true}` | tap    | something changed since the last answer; said once    |
| `{"type":"READ","read":7}`         | reader | show what was committed before this was asked         |
| SCHEMA, RECORD, STATE              | tap    | what changed since the last answer, if something did  |
| `{"type":"FOLLOW","shown":7}`      | tap    | the end of the answer                                 |
| `{"type":"STATE","value":{…}}`     | reader | this STATE is stored: the log before it may go        |

The input's end ends the tap. Streams by LOG_BASED are read from the server's replication stream, others are read as
always, over and over. So much is in memory as was changed between two questions, by key; if that is too much, the
server waits.
"""

from __future__ import annotations

import json
import select
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tap_kit import Questions, say
from tap_sql.dialects import LogStream
from tap_sql.errors import DatabaseError, SettingsError, TapError
from tap_sql.events import Gone, Mark, Rows
from tap_sql.log_based import Batch
from tap_sql.metrics import report_kept
from tap_sql.output import Output
from tap_sql.pgoutput import Begin, Change, Commit, lsn_number
from tap_sql.stream import SqlStream

MOST = 50_000
"""Changed rows in memory before the server has to wait, or, within an answer, before they go out."""
MOST_BYTES = 32 << 20
"""The same of what the server has sent of them."""
PATIENCE = 60.0
"""Seconds for the server to send what it has in its log already."""
REPORT_SECONDS = 60.0
"""So often it is told how much of the log is kept."""
STATE_SECONDS = 10.0
"""So often STATE goes out although nothing changed, so that the server need not keep the log of other tables."""


class Following:
    """The streams of a tap, read whenever that is asked."""

    def __init__(self, streams: Sequence[SqlStream], state: MutableMapping[str, Any]) -> None:
        """`state` is the tap's own; it is altered. Raises `SettingsError` for a stream that cannot be followed."""
        for stream in streams:
            if not stream.is_plain:
                raise SettingsError(
                    f"stream {stream.name}: stream maps and flattening cannot be followed",
                    hint="leave them out, or the setting `follow`",
                )
        self._logged = [stream for stream in streams if stream.replication_method == "LOG_BASED"]
        self._polled = [stream for stream in streams if stream.replication_method != "LOG_BASED"]
        self._state = state
        self._said = json.dumps(state)
        self._said_at = time.monotonic()
        self._reported_at = -REPORT_SECONDS
        self._log: LogStream | None = None
        self._batches: dict[str, Batch] = {}
        self._since: dict[str, int] = {}
        self._begun = 0
        self._shown = 0
        self._open_transaction = False
        self._told = False

    def run(self) -> None:
        """Answer until the input ends."""
        with ExitStack() as stack:
            if self._logged:
                self._open_log(stack)
            say({"type": "FOLLOW", "pushes": not self._polled})
            commands = Questions()
            while True:
                waiting: list[Questions | LogStream] = [commands]
                if self._log is not None and not self._full:
                    waiting.append(self._log)
                ready = select.select(waiting, [], [])[0]
                if self._log is not None and self._log in ready:
                    self._take(self._log.sent())
                    if self._changed and (self._full or not self._open_transaction) and not self._told:
                        self._told = True
                        say({"type": "FOLLOW", "changed": True})
                if commands in ready:
                    for command in commands.read():
                        self._answer(command)
                    if commands.ended:
                        return

    # ---- questions

    def _answer(self, command: Mapping[str, Any]) -> None:
        match command.get("type"):
            case "READ":
                self._read()
                say({"type": "FOLLOW", "shown": command.get("read")})
            case "STATE":
                self._acknowledged(command.get("value") or {})
            case other:
                raise TapError(f"standard input: {other!r} is no question", hint="it is READ or STATE")

    def _read(self) -> None:
        changed = False
        if self._log is not None:
            position = self._log.now()
            if time.monotonic() - self._reported_at > REPORT_SECONDS:
                self._reported_at = time.monotonic()
                report_kept(self._logged[0].config["slot"], lsn_number(position.lsn) - lsn_number(self._log.confirmed))
            for change in self._log.until(position.lsn, PATIENCE):
                self._take([change])
                if self._full:  # also in the middle of a transaction: what is sent is committed
                    changed |= self._show(position.clock)
            changed |= self._show(position.clock)
            self._told = False
            if changed or time.monotonic() - self._said_at > STATE_SECONDS:
                mark = {"slot": self._logged[0].config["slot"], "lsn": self._log.reached}
                for stream in self._logged:
                    self._marked(stream, mark)
        if self._polled:
            self._poll()
        text = json.dumps(self._state)
        if text != self._said:
            say({"type": "STATE", "value": self._state})
            self._said, self._said_at = text, time.monotonic()

    def _acknowledged(self, state: Mapping[str, Any]) -> None:
        bookmarks = state.get("bookmarks") or {}
        marks = [bookmarks.get(stream.name, {}).get("lsn") for stream in self._logged]
        if self._log is not None and marks and None not in marks:
            self._log.confirm(min(marks, key=lsn_number))

    # ---- the log

    def _open_log(self, stack: ExitStack) -> None:
        first = self._logged[0]
        connection = stack.enter_context(first.source.dialect.session(writing=True))
        log = first.source.dialect.change_log(first.config["slot"], first.config["publication"])
        starts = []
        for stream in self._logged:
            task = stream.task
            bookmark = task.bookmark.get("lsn") if task.bookmark.get("slot") == task.slot else None
            start = log.open(connection, task.whole, bookmark, None)
            if start is None:
                raise DatabaseError(
                    f"stream {stream.name}: the log since its bookmark is gone",
                    hint="read everything anew first, by a run without `follow`",
                )
            starts.append(start)
            self._since[stream.name] = lsn_number(start)
        self._fresh(first.source.now)
        self._log = stack.enter_context(log.stream(connection, min(starts, key=lsn_number)))

    def _fresh(self, clock: str) -> None:
        self._batches = {stream.name: Batch(replace(stream.task, now=clock)) for stream in self._logged}
        self._shown = self._log.received if self._log is not None else 0

    @property
    def _changed(self) -> int:
        return sum(map(len, self._batches.values()))

    @property
    def _full(self) -> bool:
        """Whether so much is in memory that the server has to wait. What others than our streams changed is nothing."""
        if self._log is None or not self._changed:
            return False
        return self._changed >= MOST or self._log.received - self._shown >= MOST_BYTES

    def _take(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match change:
                case Begin(lsn):
                    self._begun, self._open_transaction = lsn, True
                case Commit():
                    self._open_transaction = False
                case _:
                    for name, batch in self._batches.items():
                        if self._begun >= self._since[name]:
                            batch.take(change)

    def _show(self, clock: str) -> bool:
        """Write out what the log told; whether there was anything."""
        shown = [(stream, batch) for stream in self._logged if len(batch := self._batches[stream.name])]
        for stream, batch in shown:
            output = Output(stream.name, extracted_at=_now())
            output.message(stream.schema_message(clock))
            stream.say(output, Rows(list(batch.rows())))
            stream.say(output, Gone(list(batch.gone())))
            output.flush()
        if shown:
            self._fresh(clock)
        return bool(shown)

    # ---- the others

    def _poll(self) -> None:
        dialect = self._polled[0].source.dialect
        with dialect.session() as connection:
            clock = dialect.now(connection)
        for stream in self._polled:
            stream.source = replace(stream.source, now=clock, given=self._state)
            output = Output(stream.name, extracted_at=_now())
            declared = (
                stream.replication_method == "FULL_TABLE"
            )  # what is not shown is missing, if nothing is shown too
            if declared:
                output.message(stream.schema_message(clock))
            for event in stream.events():
                if isinstance(event, Mark):
                    self._marked(stream, event.bookmark)
                elif event.rows if isinstance(event, Rows) else event.records:
                    if not declared:
                        output.message(stream.schema_message(clock))
                        declared = True
                    stream.say(output, event)
            output.flush()

    def _marked(self, stream: SqlStream, bookmark: Mapping[str, Any]) -> None:
        self._state.setdefault("bookmarks", {})[stream.name] = dict(bookmark)


def _now() -> str:
    return datetime.now(UTC).isoformat()
