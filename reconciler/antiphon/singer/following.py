"""Plugins that stay: a tap that is asked again and again, a target that is handed one batch after the other.

The words between us and a tap that stays stand in docs/follow.md. Both are read by file descriptor in the thread that
asks, so that an answer is in our hands without a thread having to wake another.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from antiphon.errors import PluginFailed
from antiphon.singer.listening import BLOCK, Outcome, Words, ending, kill, pipe_of
from antiphon.singer.messages import Lines, encode

_FOLLOW = b'"FOLLOW"'
_GOODBYE = 10.0
"""Seconds that a plugin has to end once its input has ended."""


class _Output:
    """A plugin's standard output, line by line, as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._pipe = pipe_of(process.stdout).fileno()
        self._rest = b""
        self.ended = False

    def fileno(self) -> int:
        return self._pipe

    def take(self, seconds: float) -> list[bytes] | None:
        """The whole lines that are there, after waiting for some; None if none came in time. None at the end, too."""
        if self.ended or not select.select([self._pipe], [], [], seconds)[0]:
            return None
        block = os.read(self._pipe, BLOCK)
        if not block:
            self.ended = True
            return None
        *lines, self._rest = (self._rest + block).split(b"\n")
        return lines


class FollowedTap:
    """A tap that stays. `pushes`: it tells by itself when something changed; `changed`: it did.

    `late`: what was committed when it is asked may show a moment later, although it is by the log.
    `whole`: of the full-table streams, those that the answer under way shows whole; None for all of them.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        name: str,
        hear: Callable[[str], str],
        hide: Callable[[str], str],
        patience: float,
    ) -> None:
        """`hear` takes what it says on standard error; `patience`: seconds within which it answers."""
        self.name, self._process, self._hide, self._patience = name, process, hide, patience
        self._words = Words(process, hear)
        self._output = _Output(process)
        self._asked = 0
        self._line = 1
        self._ready = False
        self.pushes = False
        self.late = False
        self.changed = False
        self.whole: frozenset[str] | None = None

    def fileno(self) -> int:
        """What is readable when it has said something."""
        return self._output.fileno()

    def get_ready(self) -> None:
        """Wait until it stands ready. Raises `PluginFailed`."""
        while not self._ready:
            self._hear(self._patience)

    def listen(self) -> None:
        """Take in what it says unasked. Raises `PluginFailed` if it ended."""
        self._hear(0.0)

    def ask(self) -> None:
        """Have it show what was committed until now. `answer` tells."""
        self._asked += 1
        self.changed = False
        self._write({"type": "READ", "read": self._asked})

    def answer(self) -> Iterator[Lines]:
        """What it shows, to the end of its answer. Raises `PluginFailed`."""
        while True:
            lines, shown = self._hear(self._patience)
            if lines:
                yield Lines(lines, self.name, self._line, hide=self._hide)
                self._line += len(lines)
            if shown == self._asked:
                return

    def acknowledge(self, state: Mapping[str, Any]) -> None:
        """Tell it that this STATE is stored."""
        self._write({"type": "STATE", "value": state})

    def close(self) -> None:
        """Let it end; one that does not is ended."""
        _close(self._process)

    def _hear(self, seconds: float) -> tuple[list[bytes], int | None]:
        """Its next lines that are not for us alone, and which question they end the answer to."""
        lines = self._output.take(seconds)
        if lines is None:
            self._complain(seconds)
            return [], None
        kept: list[bytes] = []
        shown: int | None = None
        for line in lines:
            said = self._of_follow(line)
            if said is None:
                kept.append(line)
            elif "pushes" in said:
                self.pushes, self.late, self._ready = bool(said["pushes"]), bool(said.get("late")), True
            elif "changed" in said:
                self.changed = True
            elif "whole" in said:
                self.whole = frozenset(said["whole"])
            elif "shown" in said:
                shown = said["shown"]
        return kept, shown

    def _of_follow(self, line: bytes) -> dict[str, Any] | None:
        if _FOLLOW not in line[:32]:
            return None
        try:
            said = json.loads(line)
        except ValueError:
            return None
        return said if isinstance(said, dict) and said.get("type") == "FOLLOW" else None

    def _complain(self, seconds: float) -> None:
        if self._output.ended:
            code = _code(self._process)
            raise PluginFailed(f"{self.name} {ending(code)}", hint=self._words.tail())
        if seconds:
            kill(self._process)
            raise PluginFailed(
                f"{self.name} gave no answer within {seconds:g} seconds and was ended", hint=self._words.tail()
            )

    def _write(self, question: Mapping[str, Any]) -> None:
        pipe = pipe_of(self._process.stdin)
        try:
            pipe.write(encode(question))
            pipe.flush()
        except OSError:
            raise PluginFailed(f"{self.name} {ending(_code(self._process))}", hint=self._words.tail()) from None


class KeptTarget:
    """A target that stays."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, hear: Callable[[str], str], patience: float
    ) -> None:
        """`hear` takes what it says on standard error; `patience`: seconds it may do nothing."""
        self.name, self._process, self._patience = name, process, patience
        self._words = Words(process, hear)
        self._output = _Output(process)
        os.set_blocking(pipe_of(process.stdin).fileno(), False)

    @property
    def alive(self) -> bool:
        """Whether it can be handed more."""
        return self._process.poll() is None and not self._output.ended

    def exchange(self, lines: Sequence[bytes]) -> Outcome:
        """Hand it a batch that ends with a STATE, and wait until it acknowledges that. Exit code 0 if it did."""
        wanted = json.loads(lines[-1])["value"]
        pipe = pipe_of(self._process.stdin).fileno()
        waiting = memoryview(b"".join(lines))
        state: Mapping[str, Any] | None = None
        since = time.monotonic()
        while state != wanted:
            readable, writable, _ = select.select([self._output], [pipe] if waiting else [], [], 1.0)
            if writable:
                try:
                    waiting = waiting[os.write(pipe, waiting) :]
                    since = time.monotonic()
                except BrokenPipeError:
                    waiting = memoryview(b"")  # its exit code tells why it stopped reading
            for line in (self._output.take(0.0) or ()) if readable else ():
                since = time.monotonic()
                state = _state(line) or state
            if self._output.ended:
                return Outcome(_code(self._process) or 1, state, self._words.tail())
            if time.monotonic() - since > self._patience:
                kill(self._process)
                return Outcome(self._process.wait(), state, self._words.tail(), self._patience)
        return Outcome(0, state, "")

    def close(self) -> None:
        """Let it finish what it was handed, and end."""
        _close(self._process)


def _state(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None  # a remark
    return value if isinstance(value, dict) else None


def _close(process: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError):  # it ended already
        pipe_of(process.stdin).close()
    try:
        process.wait(_GOODBYE)
    except subprocess.TimeoutExpired:
        kill(process)
        process.wait()
    pipe_of(process.stdout).close()


def _code(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; whoever has closed its output and does not end is ended."""
    try:
        return process.wait(_GOODBYE)
    except subprocess.TimeoutExpired:
        kill(process)
        return process.wait()
