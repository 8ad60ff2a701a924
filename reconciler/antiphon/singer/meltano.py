"""The plugins of a Meltano project, as that project would run them: program, settings, catalog and environment.

Meltano is asked through its command, never imported: it lives in an environment of its own. Its plugins are then
started by us, so that the run's lock stays with them and their exit codes reach us.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from antiphon.errors import ConfigError, PluginFailed

PROJECT_FILE: Final = "meltano.yml"
_KINDS: Final = {"extractors": "extractor", "loaders": "loader"}
_OF_SETTINGS: Final = ("TAP_", "TARGET_", "MELTANO_", "LOADER_", "EXTRACTOR_")
_PATIENCE: Final = 600.0
"""Seconds that Meltano gets for an answer: at first it may install the plugin."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin of the project. `catalog` is that of a tap, with the project's select rules in it."""

    command: tuple[str, ...]
    folder: Path
    config: Mapping[str, Any] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    catalog: Mapping[str, Any] | None = None


def project_around(folder: Path) -> Path | None:
    """The Meltano project that `folder` is in, if it is in one."""
    return next((each for each in (folder, *folder.parents) if (each / PROJECT_FILE).is_file()), None)


def find_project(folder: Path) -> Path:
    """The Meltano project that `folder` is in. Raises `ConfigError` where there is none."""
    found = project_around(folder)
    if found is not None:
        return found
    raise ConfigError(
        f"sync.yml names a plugin of Meltano, and there is no {PROJECT_FILE} in {folder} nor above it",
        hint="put sync.yml into the Meltano project, or write `command:` instead of `meltano:`",
    )


def known_plugins(project: Path) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The definitions of the project's plugins by kind and name, without secrets."""
    return _Meltano(project, _program()).plugins()


def find_plugins(
    project: Path,
    taps: frozenset[str],
    targets: frozenset[str],
    known: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> dict[str, Found]:
    """These plugins by name, all asked at once. Raises `ConfigError` for one that the project does not have.

    `known` is what `known_plugins` told, if that was asked already.
    """
    meltano = _Meltano(project, _program())
    known = known if known is not None else meltano.plugins()
    wanted = [("extractors", name) for name in sorted(taps)] + [("loaders", name) for name in sorted(targets)]
    for kind, name in wanted:
        if name not in known[kind]:
            has = ", ".join(sorted(known[kind])) or "none"
            raise ConfigError(
                f"{project / PROJECT_FILE} has no {_KINDS[kind]} {name!r}",
                hint=f"it has {has}; `meltano add {name}` adds one",
            )
    with ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
        found = pool.map(lambda each: meltano.ask(each[0], each[1], known[each[0]]), wanted)
        return {name: answer for (_, name), answer in zip(wanted, found, strict=True)}


def requirement() -> str:
    """What pip installs this very Antiphon by: its name, or where it was installed from.

    Source: PEP 610, Recording the Direct URL Origin of installed distributions.
    """
    distribution = importlib.metadata.distribution("antiphon")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        return f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    if not url.startswith("file://"):
        return url or f"antiphon=={distribution.version}"
    path = shlex.quote(url2pathname(urlsplit(url).path))
    return f"-e {path}" if origin.get("dir_info", {}).get("editable") else path


def _program() -> str:
    """The `meltano` command; inside `meltano invoke` and `meltano run` it need not be on the PATH."""
    beside = Path(os.environ.get("MELTANO_SYS_DIR_ROOT", ""), "run", "bin")
    program = shutil.which("meltano") or (str(beside) if beside.is_file() else None)
    if program is None:
        raise ConfigError(
            "a plugin of Meltano is to be run, and there is no program 'meltano'",
            hint="install it (`pipx install meltano`), or write `command:` instead of `meltano:`",
        )
    return program


@dataclass(frozen=True, slots=True)
class _Meltano:
    """The `meltano` command in one project."""

    project: Path
    program: str

    def plugins(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        """The definitions of the plugins by kind and name, without secrets."""
        with tempfile.TemporaryDirectory(prefix="antiphon-") as folder:
            self._run("compile", "--directory", folder, "--no-lint")
            manifest = _manifest(Path(folder))
        plugins = manifest.get("plugins", {})
        return {kind: {each["name"]: each for each in plugins.get(kind, ())} for kind in (*_KINDS, "utilities")}

    def ask(self, kind: str, name: str, known: Mapping[str, Mapping[str, Any]]) -> Found:
        """One plugin as Meltano would start it. Its variables are those that meltano.yml gives it by `env:`."""
        lineage = _lineage(name, known)
        variables = sorted({key for each in lineage for key in each.get("env", {}) if not key.startswith(_OF_SETTINGS)})
        asked = [word for key in ("VIRTUAL_ENV", *variables) for word in ("--print-var", key)]
        words = ["invoke", "--plugin-type", _KINDS[kind], *asked]
        env, config = _split(self._run(*words, "--dump=config", name), ("VIRTUAL_ENV", *variables), name)
        catalog = None
        if kind == "extractors":
            shown = self._run("invoke", "--plugin-type", "extractor", "--refresh-catalog", "--dump=catalog", name)
            catalog = _object(shown, f"the catalog of {name}")
        home = env.pop("VIRTUAL_ENV")
        program = next((str(each["executable"]) for each in lineage if each.get("executable")), lineage[-1]["name"])
        if home != "None":
            program = str(Path(home, "bin", program))
        elif "/" in program:
            program = str(self.project / program)
        return Found((program,), self.project, config, env, catalog)

    def _run(self, *words: str) -> str:
        environ = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
        try:
            done = subprocess.run(
                [self.program, *words],
                cwd=self.project,
                env={**environ, "MELTANO_CLI_LOG_LEVEL": "error", "NO_COLOR": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PluginFailed(
                f"`meltano {' '.join(words)}` said nothing for {_PATIENCE:g} seconds", hint="see why, then run again"
            ) from error
        if done.returncode != 0:
            raise PluginFailed(
                f"`meltano {' '.join(words)}` failed with exit code {done.returncode}",
                hint="\n".join(done.stderr.strip().splitlines()[-5:]) or "run it yourself to see why",
            )
        return done.stdout


def _lineage(name: str, known: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The plugin and those it inherits from, nearest first."""
    found = [known[name]]
    while (parent := known.get(str(found[-1].get("inherit_from")))) is not None and parent not in found:
        found.append(parent)
    return found


def _split(shown: str, variables: tuple[str, ...], name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The variables that were asked for, and the settings after them."""
    env = {}
    for key in variables:
        line, _, shown = shown.partition("\n")
        if not line.startswith(f"{key}="):
            raise PluginFailed(
                f"meltano did not tell {key} of {name}",
                hint="its value must be one line; Meltano 4.4 is known to work",
            )
        env[key] = line.removeprefix(f"{key}=")
    return env, _object(shown, f"the settings of {name}")


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        shown = json.loads(text)
    except ValueError as error:
        raise PluginFailed(f"meltano told {what} in a form that is no JSON: {error}", hint="run it yourself") from error
    if not isinstance(shown, dict):
        raise PluginFailed(f"meltano told {what} in a form that is no object", hint="run it yourself to see why")
    return shown


def _manifest(folder: Path) -> dict[str, Any]:
    """What `meltano compile` wrote of the environment in force: one that is chosen by hand is written alone."""
    whole = Path(folder, "meltano-manifest.json")
    shown = _read(whole) if whole.is_file() else {}
    environment = os.environ.get("MELTANO_ENVIRONMENT") or shown.get("default_environment")
    narrow = Path(folder, f"meltano-manifest.{environment}.json")
    return _read(narrow) if narrow.is_file() else shown


def _read(path: Path) -> dict[str, Any]:
    return _object(path.read_text(encoding="utf-8"), f"its plugins in {path.name}")
