"""Taps and targets as processes: started, fed, read, and believed only by their exit codes.

Their settings reach them in files that only this user can read, in a folder that is removed when the run ends.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from antiphon.equivalence import canonical_json
from antiphon.errors import ConfigError, PluginFailed
from antiphon.singer.messages import Message, parse
from antiphon.singer.secrets import Secrets

TAIL = 12
"""So many of a plugin's last lines are shown when it fails."""

BATCH = 500
QUEUED = 32
PATIENCE = "give it more time with `--patience SECONDS`"


class Plugin(Protocol):
    """What must be known of a tap or target to start it."""

    @property
    def command(self) -> tuple[str, ...]:
        """The words of its command line."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Its settings."""

    @property
    def config_file(self) -> Path | None:
        """A file of settings that `config` adds to."""

    @property
    def env(self) -> Mapping[str, str]:
        """What its environment has beside ours."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A tap's output is over: its exit code and last words."""

    code: int
    words: str


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a target: its exit code, the last STATE it printed, its last words. `hung`: so many seconds silent."""

    code: int
    state: Mapping[str, Any] | None
    words: str
    hung: float = 0.0


@dataclass(slots=True)
class Workshop:
    """Starts plugins for one run. `log` takes each line of their standard error; `fds` are kept open in them."""

    folder: Path
    log: Callable[[str, str], None]
    fds: tuple[int, ...] = ()
    patience: float = 900.0
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _starting: threading.Lock = field(default_factory=threading.Lock)

    # ---- taps

    def discover(self, plugin: Plugin, name: str) -> dict[str, Any]:
        """The catalog that a tap prints with `--discover`."""
        code, output, words = self._ask(plugin, name, ["--discover"], self._hearing(name, plugin))
        if code != 0:
            raise PluginFailed(f"{name} could not say which streams it has: it {ending(code)}", hint=words)
        try:
            catalog = json.loads(output)
        except ValueError as error:  # no JSON, or not even text
            raise PluginFailed(f"{name} --discover printed no catalog: {error}", hint=words) from error
        streams = catalog.get("streams") if isinstance(catalog, dict) else None
        if not isinstance(streams, list) or not all(isinstance(stream, dict) for stream in streams):
            raise PluginFailed(
                f"{name} --discover printed no catalog: it is no object with a list of `streams`", hint=words
            )
        return {**catalog, "streams": streams}

    def about(self, plugin: Plugin, name: str) -> dict[str, Any]:
        """What a plugin says of itself with `--about --format=json`; empty if it does not understand the question.

        The answer is kept beside the ledger for as long as the program's file stays as it is.
        """
        kept = self.folder.parent / "about.json"
        try:
            answers = json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            answers = {}
        program = Path(shutil.which(plugin.command[0]) or plugin.command[0])
        question = f"{program} {' '.join(plugin.command[1:])} {program.stat().st_mtime_ns if program.exists() else 0}"
        if question not in answers:
            answers[question] = self._about(plugin, name)
            kept.write_text(json.dumps(answers), encoding="utf-8")
        shown: dict[str, Any] = answers[question]
        return shown

    def _about(self, plugin: Plugin, name: str) -> dict[str, Any]:
        code, output, _ = self._ask(plugin, name, ["--about", "--format=json"], lambda line: line, configured=False)
        try:
            shown = json.loads(output) if code == 0 else {}
        except ValueError:
            return {}
        return shown if isinstance(shown, dict) else {}

    def start_tap(self, plugin: Plugin, name: str, catalog: Mapping[str, Any], state: Mapping[str, Any]) -> TapRun:
        """Start a tap. An empty `state` is not handed over."""
        arguments = ["--catalog", str(self._file(catalog))]
        if state:
            arguments += ["--state", str(self._file(state))]
        process = self._start(plugin, name, arguments, stdin=subprocess.DEVNULL)
        return TapRun(process, name, self._hearing(name, plugin), self._secrets(name, plugin), self.patience)

    # ---- targets

    def run_target(
        self, plugin: Plugin, name: str, lines: Iterable[bytes], extra: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Feed a target and wait for it. One that neither reads, prints nor ends for `patience` seconds is ended by force."""
        process = self._start(plugin, name, [], stdin=subprocess.PIPE, extra=extra)
        pulse = _Pulse()
        words = _Words(process, self._hearing(name, plugin), pulse)
        states = _States(process, pulse)
        feeder = threading.Thread(target=_feed, args=(_pipe(process.stdin), lines, pulse), daemon=True)
        feeder.start()
        hung = 0.0
        while True:
            try:
                code = process.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if pulse.silent_for() > self.patience:
                    hung = self.patience
                    _kill(process)
        feeder.join(timeout=5)
        return Outcome(code, states.last(), words.tail(), hung)

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._running:
            if process.poll() is None:
                _kill(process)
                process.wait()

    # ---- processes

    def _ask(
        self, plugin: Plugin, name: str, arguments: list[str], hear: Callable[[str], str], *, configured: bool = True
    ) -> tuple[int, bytes, str]:
        """Run a plugin that only answers: its exit code, all that it printed, its last words."""
        process = self._start(plugin, name, arguments, stdin=subprocess.DEVNULL, configured=configured)
        pulse = _Pulse()
        words = _Words(process, hear, pulse)
        with ThreadPoolExecutor(max_workers=1) as reader:
            output = reader.submit(_pipe(process.stdout).read)
            while not output.done():
                wait([output], timeout=0.2)
                if not output.done() and pulse.silent_for() > self.patience:
                    _kill(process)
                    raise PluginFailed(
                        f"{name} said nothing for {self.patience:g} seconds and was ended", hint=PATIENCE
                    )
        return _patiently(process, self.patience), output.result(), words.tail()

    def _start(
        self,
        plugin: Plugin,
        name: str,
        arguments: list[str],
        *,
        stdin: int,
        configured: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> subprocess.Popen[bytes]:
        if configured:
            arguments = ["--config", str(self._file({**_settings(plugin, name), **(extra or {})})), *arguments]
        program = shutil.which(plugin.command[0])
        if program is None and Path(plugin.command[0]).is_file():
            raise ConfigError(f"{name}: {plugin.command[0]} is not executable", hint=f"chmod +x {plugin.command[0]}")
        if program is None:
            raise ConfigError(
                f"{name}: there is no program {plugin.command[0]!r}",
                hint="install the plugin, or write the whole path in `command:`",
            )
        try:
            process = subprocess.Popen(
                [program, *plugin.command[1:], *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **plugin.env},
                pass_fds=self.fds,
                start_new_session=True,
            )
        except OSError as error:
            raise PluginFailed(
                f"{name} cannot be started: {program}: {error.strerror}",
                hint="see that it is a program that runs on this machine",
            ) from error
        with self._starting:
            self._running = [p for p in self._running if p.poll() is None] + [process]
        return process

    def _file(self, content: Mapping[str, Any]) -> Path:
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(canonical_json(content))
        return Path(name)

    def _hearing(self, name: str, plugin: Plugin) -> Callable[[str], str]:
        secrets = self._secrets(name, plugin)

        def hear(line: str) -> str:
            self.log(name, hidden := secrets.hide(line))
            return hidden

        return hear

    def _secrets(self, name: str, plugin: Plugin) -> Secrets:
        return Secrets(_settings(plugin, name), plugin.env)


@contextmanager
def workshop(
    parent: Path, log: Callable[[str, str], None], *, fds: tuple[int, ...] = (), patience: float = 900.0
) -> Iterator[Workshop]:
    """A workshop whose folder only this user can read. Folders that killed runs left behind are removed."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("run-*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    shop = Workshop(folder, log, fds, patience)
    try:
        yield shop
    finally:
        shop.close()
        shutil.rmtree(folder, ignore_errors=True)


class TapRun:
    """A tap at work: its messages come in batches through a bounded queue."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, hear: Callable[[str], str], secrets: Secrets, patience: float
    ) -> None:
        self.name = name
        self._secrets, self._pulse, self._patience = secrets, _Pulse(), patience
        self._process = process
        self._words = _Words(process, hear, self._pulse)
        self._queue: queue.Queue[list[Message] | BaseException | None] = queue.Queue(QUEUED)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        batch: list[Message] = []
        line = b""
        try:
            for number, line in enumerate(_pipe(self._process.stdout), 1):
                if line.strip():
                    batch += parse(line, f"{self.name}, line {number}")
                if len(batch) >= BATCH:
                    self._queue.put(batch)
                    batch = []
            self._queue.put(batch)
            self._queue.put(None)
        except PluginFailed as error:
            cut_off = not line.endswith(b"\n") and _patiently(self._process, self._patience) != 0
            self._queue.put(batch)
            self._queue.put(None if cut_off else PluginFailed(self._secrets.hide(error.message), hint=error.hint))
        except BaseException as error:  # handed to the thread that reads the queue
            self._queue.put(batch)
            self._queue.put(error)

    def poll(self, seconds: float) -> list[Message] | Ended | None:
        """The next messages; `Ended` after the last; None if there was nothing for so long. Raises what reading raised."""
        try:
            found = self._queue.get(timeout=seconds)
        except queue.Empty:
            if self._pulse.silent_for() > self._patience:
                _kill(self._process)
                raise PluginFailed(
                    f"{self.name} said nothing for {self._patience:g} seconds and was ended",
                    hint=f"{self._words.tail()}\n{PATIENCE}".lstrip(),
                ) from None
            return None
        self._pulse.beat()
        if isinstance(found, BaseException):
            _kill(self._process)
            raise found
        if found is None:
            return Ended(_patiently(self._process, self._patience), self._words.tail())
        return found


class _Pulse:
    """When a plugin last gave a sign of life."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        self._last = time.monotonic()

    def silent_for(self) -> float:
        return time.monotonic() - self._last


class _Words:
    """A plugin's standard error, line by line to the log; the last lines are kept."""

    def __init__(
        self, process: subprocess.Popen[bytes], hear: Callable[[str], object], pulse: _Pulse | None = None
    ) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL)
        self._thread = threading.Thread(target=self._read, args=(_pipe(process.stderr), hear, pulse), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes], hear: Callable[[str], object], pulse: _Pulse | None) -> None:
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


class _States:
    """A target's standard output: STATE values, of which the last counts."""

    def __init__(self, process: subprocess.Popen[bytes], pulse: _Pulse) -> None:
        self._last: Mapping[str, Any] | None = None
        self._thread = threading.Thread(target=self._read, args=(_pipe(process.stdout), pulse), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes], pulse: _Pulse) -> None:
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
        self._thread.join(timeout=5)
        return self._last


def _feed(pipe: IO[bytes], lines: Iterable[bytes], pulse: _Pulse) -> None:
    try:
        with pipe:
            for line in lines:
                pipe.write(line)
                pulse.beat()
    except BrokenPipeError:
        return  # its exit code tells why it stopped reading


def _patiently(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        return process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise PluginFailed("the process has no pipe")
    return pipe


def _settings(plugin: Plugin, name: str) -> dict[str, Any]:
    if plugin.config_file is None:
        return dict(plugin.config)
    try:
        content = json.loads(plugin.config_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: the settings in {plugin.config_file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: the settings in {plugin.config_file} are no object")
    return {**content, **plugin.config}
