"""Taps and targets as processes: started, fed, read, and believed only by their exit codes.

Their settings reach them in files that only this user can read, in a folder that is removed when the run ends.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from antiphon.equivalence import canonical_json
from antiphon.errors import ConfigError, PluginFailed
from antiphon.singer.following import FollowedTap, KeptTarget
from antiphon.singer.listening import (
    PATIENCE,
    Outcome,
    Pulse,
    States,
    TapRun,
    Words,
    ending,
    feed,
    kill,
    patiently,
    pipe_of,
)
from antiphon.singer.secrets import Secrets
from antiphon.singer.waiting import GLANCE, finished


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

    @property
    def folder(self) -> Path | None:
        """Where it is started; None: where we are."""


@dataclass(slots=True)
class Workshop:
    """Starts plugins for one run. `log` takes each line of their standard error; `fds` are kept open in them."""

    folder: Path
    log: Callable[[str, str], None]
    fds: tuple[int, ...] = ()
    patience: float = 900.0
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

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

    def check(self, plugin: Plugin, name: str, streams: Iterable[str], *, fix: bool = False) -> dict[str, Any]:
        """What one of our plugins finds out with `--check`: `account`, `checks` (name, ok, message, hint, fixable).

        With `fix` it makes what is missing and can be made. Raises `PluginFailed` if it gives no such answer.
        """
        return self._check(plugin, name, ["--streams", ",".join(streams), *(["--fix"] if fix else [])])

    def estimate(self, plugin: Plugin, name: str, planned: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
        """What a target with the capability `estimate` reckons that so many operations of each kind cost, as checks."""
        told: list[dict[str, Any]] = self._check(plugin, name, ["--planned", canonical_json(planned)])["checks"]
        return told

    def _check(self, plugin: Plugin, name: str, words: list[str]) -> dict[str, Any]:
        words = ["--check", *words, "--format=json"]
        code, output, said = self._ask(plugin, name, words, self._hearing(name, plugin))
        try:
            shown = json.loads(output)
        except ValueError as error:
            raise PluginFailed(f"{name} --check printed no answer: it {ending(code)}", hint=said) from error
        checks = shown.get("checks") if isinstance(shown, dict) else None
        if not isinstance(checks, list) or not all(isinstance(each, dict) and "ok" in each for each in checks):
            raise PluginFailed(f"{name} --check printed no list of checks", hint=said)
        hide = self.secrets(name, plugin).hide
        told = [{key: hide(v) if isinstance(v, str) else v for key, v in each.items()} for each in checks]
        return {"account": shown.get("account"), "checks": told}

    def start_tap(self, plugin: Plugin, name: str, catalog: Mapping[str, Any], state: Mapping[str, Any]) -> TapRun:
        """Start a tap. An empty `state` is not handed over."""
        process = self._start(plugin, name, self._asked_for(catalog, state), stdin=subprocess.DEVNULL)
        return TapRun(process, name, self._hearing(name, plugin), self.secrets(name, plugin), self.patience)

    def follow_tap(
        self, plugin: Plugin, name: str, catalog: Mapping[str, Any], state: Mapping[str, Any]
    ) -> FollowedTap:
        """Start a tap that has the capability `follow`, to stay."""
        arguments = self._asked_for(catalog, state)
        process = self._start(plugin, name, arguments, stdin=subprocess.PIPE, extra={"follow": True})
        hide = self.secrets(name, plugin).hide
        return FollowedTap(process, name, self._hearing(name, plugin), hide, self.patience)

    def _asked_for(self, catalog: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
        arguments = ["--catalog", str(self._file(catalog))]
        return [*arguments, "--state", str(self._file(state))] if state else arguments

    # ---- targets

    def keep_target(self, plugin: Plugin, name: str, extra: Mapping[str, Any] | None = None) -> KeptTarget:
        """Start a target that has the capability `follow`, to stay."""
        process = self._start(plugin, name, [], stdin=subprocess.PIPE, extra={**(extra or {}), "follow": True})
        return KeptTarget(process, name, self._hearing(name, plugin), self.patience)

    def run_target(
        self, plugin: Plugin, name: str, lines: Iterable[bytes], extra: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Feed a target and wait for it. One that does nothing for `patience` seconds is ended by force."""
        process = self._start(plugin, name, [], stdin=subprocess.PIPE, extra=extra)
        pulse = Pulse()
        words = Words(process, self._hearing(name, plugin), pulse)
        states = States(process, pulse)
        feeder = threading.Thread(target=feed, args=(pipe_of(process.stdin), lines, pulse), daemon=True)
        feeder.start()
        hung = 0.0
        while True:
            try:
                code = process.wait(timeout=GLANCE)
                break
            except subprocess.TimeoutExpired:
                if pulse.silent_for() > self.patience:
                    hung = self.patience
                    kill(process)
        feeder.join(timeout=5)
        return Outcome(code, states.last(), words.tail(), hung)

    def close(self) -> None:
        """End whatever still runs, and what another thread is about to start."""
        with self._starting:
            self._closed, running = True, self._running
        for process in running:
            if process.poll() is None:
                kill(process)
                process.wait()

    # ---- processes

    @contextmanager
    def at_once(self, number: int) -> Iterator[ThreadPoolExecutor]:
        """Threads that wait for plugins. If the run is stopped, the plugins are ended rather than waited for."""
        with ThreadPoolExecutor(number) as pool:
            try:
                yield pool
            except KeyboardInterrupt:
                self.close()
                raise

    def _ask(
        self, plugin: Plugin, name: str, arguments: list[str], hear: Callable[[str], str], *, configured: bool = True
    ) -> tuple[int, bytes, str]:
        """Run a plugin that only answers: its exit code, all that it printed, its last words."""
        process = self._start(plugin, name, arguments, stdin=subprocess.DEVNULL, configured=configured)
        pulse = Pulse()
        words = Words(process, hear, pulse)
        with ThreadPoolExecutor(max_workers=1) as reader:
            output = reader.submit(pipe_of(process.stdout).read)
            while not output.done():
                if not finished([output]) and pulse.silent_for() > self.patience:
                    kill(process)
                    raise PluginFailed(
                        f"{name} said nothing for {self.patience:g} seconds and was ended", hint=PATIENCE
                    )
        return patiently(process, self.patience), output.result(), words.tail()

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
                cwd=plugin.folder,
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
            if self._closed:
                kill(process)
        return process

    def _file(self, content: Mapping[str, Any]) -> Path:
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(canonical_json(content))
        return Path(name)

    def _hearing(self, name: str, plugin: Plugin) -> Callable[[str], str]:
        secrets = self.secrets(name, plugin)

        def hear(line: str) -> str:
            self.log(name, hidden := secrets.hide(line))
            return hidden

        return hear

    def secrets(self, name: str, plugin: Plugin) -> Secrets:
        """What a plugin was told and may not tell."""
        return Secrets(_settings(plugin, name), plugin.env)


@contextmanager
def workshop(
    parent: Path, sync: str, log: Callable[[str, str], None], *, fds: tuple[int, ...] = (), patience: float = 900.0
) -> Iterator[Workshop]:
    """A workshop whose folder only this user can read. Folders that killed runs of the same `sync` left are removed."""
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f"run-{re.sub('[^a-zA-Z0-9]+', '-', sync)}."
    for left in parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    shop = Workshop(folder, log, fds, patience)
    try:
        yield shop
    finally:
        shop.close()
        shutil.rmtree(folder, ignore_errors=True)


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
