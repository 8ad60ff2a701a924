"""Listening to plugins at work: messages, STATE, last words, signs of life; and ending those that give none."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from antiphon.errors import PluginFailed
from antiphon.singer.messages import Lines
from antiphon.singer.secrets import Secrets

TAIL = 12
"""So many of a plugin's last lines are shown when it fails."""
BLOCK = 1 << 20
"""So many bytes of a plugin's output are read at a time, at most."""
QUEUED = 8
PATIENCE = "give it more time with `--patience SECONDS`"


@dataclass(frozen=True, slots=True)
class Ended:
    """A tap's output is over: its exit code and last words."""

    code: int
    words: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a target: its exit code, its last STATE, its last words. `hung`: so many seconds silent."""

    code: int
    state: Mapping[str, Any] | None
    words: str
    hung: float = 0.0


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


class TapRun:
    """A tap at work: its lines come in blocks through a bounded queue."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, hear: Callable[[str], str], secrets: Secrets, patience: float
    ) -> None:
        self.name = name
        self._secrets, self._pulse, self._patience = secrets, Pulse(), patience
        self._process = process
        self._words = Words(process, hear, self._pulse)
        self._queue: queue.Queue[Lines | BaseException | None] = queue.Queue(QUEUED)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for lines in read_lines(pipe_of(self._process.stdout).fileno(), self.name, self._secrets.hide):
                if lines.cut_off and self._no_message(lines) and patiently(self._process, self._patience) != 0:
                    break  # it died in the middle of this line
                self._queue.put(lines)
            self._queue.put(None)
        except Exception as error:  # noqa: BLE001  # handed to the thread that reads the queue
            self._queue.put(error)

    @staticmethod
    def _no_message(lines: Lines) -> bool:
        try:
            lines.message(0)
        except PluginFailed:
            return True
        return False

    def poll(self, seconds: float) -> Lines | Ended | None:
        """The next lines; `Ended` after the last; None if none came in time. Raises what reading raised."""
        try:
            found = self._queue.get(timeout=seconds)
        except queue.Empty:
            if self._pulse.silent_for() > self._patience:
                kill(self._process)
                raise PluginFailed(
                    f"{self.name} said nothing for {self._patience:g} seconds and was ended",
                    hint=f"{self._words.tail()}\n{PATIENCE}".lstrip(),
                ) from None
            return None
        self._pulse.beat()
        if isinstance(found, BaseException):
            kill(self._process)
            raise found
        if found is None:
            return Ended(patiently(self._process, self._patience), self._words.tail())
        return found


class Pulse:
    """When a plugin last gave a sign of life."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """It is alive now."""
        self._last = time.monotonic()

    def silent_for(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self._last


class Words:
    """A plugin's standard error, line by line to the log; the last lines are kept."""

    def __init__(
        self, process: subprocess.Popen[bytes], hear: Callable[[str], object], pulse: Pulse | None = None
    ) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL)
        self._thread = threading.Thread(target=self._read, args=(pipe_of(process.stderr), hear, pulse), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes], hear: Callable[[str], object], pulse: Pulse | None) -> None:
        with pipe:
            for line in pipe:
                if pulse is not None:
                    pulse.beat()
                text = line.decode(errors="replace").rstrip()
                if text:
                    heard = hear(text)
                    self._lines.append(heard if isinstance(heard, str) else text)

    def tail(self) -> str:
        """The last lines, once the plugin is silent."""
        self._thread.join(timeout=5)
        return "\n".join(self._lines)


class States:
    """A target's standard output: STATE values, of which the last counts."""

    def __init__(self, process: subprocess.Popen[bytes], pulse: Pulse) -> None:
        self._last: Mapping[str, Any] | None = None
        self._thread = threading.Thread(target=self._read, args=(pipe_of(process.stdout), pulse), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes], pulse: Pulse) -> None:
        with pipe:
            for line in pipe:
                pulse.beat()
                try:
                    value = json.loads(line)
                except ValueError:
                    continue  # some targets print remarks; only a whole STATE value is an acknowledgement
                if isinstance(value, dict) and value:
                    self._last = value

    def last(self) -> Mapping[str, Any] | None:
        """The last STATE, once the plugin is silent."""
        self._thread.join(timeout=5)
        return self._last


def read_lines(pipe: int, source: str, hide: Callable[[str], str] = str) -> Iterator[Lines]:
    """A plugin's output as it comes through a file descriptor, in blocks of whole lines.

    A last line without an end comes alone.
    """
    number, rest = 1, b""
    while block := os.read(pipe, BLOCK):
        end = block.rfind(b"\n")
        if end < 0:
            rest += block
            continue
        texts = (rest + block[:end]).split(b"\n")
        rest = block[end + 1 :]
        yield Lines(texts, source, number, hide=hide)
        number += len(texts)
    if rest:
        yield Lines([rest], source, number, hide=hide, cut_off=True)


def feed(pipe: IO[bytes], lines: Iterable[bytes], pulse: Pulse) -> None:
    """Hand a target its lines, as long as it takes them."""
    try:
        with pipe:
            for line in lines:
                pipe.write(line)
                pulse.beat()
    except BrokenPipeError:
        return  # its exit code tells why it stopped reading


def patiently(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Its exit code; whoever does not end in time is ended."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        return process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a plugin and all that it started."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return


def pipe_of(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that was asked for."""
    if pipe is None:
        raise PluginFailed("the process has no pipe")
    return pipe
