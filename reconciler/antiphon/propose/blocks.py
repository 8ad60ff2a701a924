"""A sync as a Meltano job: the plugins that its blocks need, made for the taps and targets that a project has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from antiphon.errors import ConfigError
from antiphon.model import Side

Known: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What a project has: the definitions of its plugins by kind (`extractors`, …) and name."""

JOB: Final = "two-way"
SYNC_FILE: Final = "sync.yml"
_COLLECTOR: Final = "target-reconciler"
_EMITTER: Final = "tap-reconciler"
_UTILITY: Final = "reconciler"
_PROGRAM: Final = "antiphon"
_COMMANDS: Final = ("plan", "apply", "sync", "status", "conflicts list", "why", "verify", "revert", "doctor")
_SETTINGS: Final = (
    {"name": "side", "kind": "string"},
    {"name": "sync", "kind": "string", "value": SYNC_FILE},
    {"name": "wait", "kind": "integer", "value": 300},
)


@dataclass(frozen=True, slots=True)
class System:
    """One side as the project has it. `receipts`: where its target shall write them, relative to the project.

    `confirms`: its target writes them already.
    """

    tap: str
    target: str | None
    receipts: str = ""
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class Blocks:
    """What meltano.yml must say: plugins by kind, more commands of a utility that is there, and the job."""

    plugins: Mapping[str, list[dict[str, Any]]]
    job: Mapping[str, Any]
    commands: Mapping[str, str] = field(default_factory=dict)
    utility: str = _UTILITY

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins, in the order of the file."""
        return tuple(str(plugin["name"]) for plugins in self.plugins.values() for plugin in plugins)


def guess_systems(known: Known) -> dict[Side, System]:
    """The two systems of a project that has no more than two, by the names of its taps and targets.

    A tap that others inherit from is no system itself. With more than two taps those count that have a target.
    Raises `ConfigError` if there are not two.
    """
    taps, targets = known["extractors"], known["loaders"]
    parents = {str(each.get("inherit_from")) for each in taps.values()}
    own = [name for name in taps if name not in parents and _root(name, taps) != _EMITTER]
    found = [System(name, _partner(name, targets)) for name in own]
    if len(found) > 2:  # noqa: PLR2004  # a sync has two sides
        found = [system for system in found if system.target is not None]
    if len(found) != 2:  # noqa: PLR2004  # a sync has two sides
        has = ", ".join(own) or "none"
        raise ConfigError(
            f"a sync has two sides, and which taps of meltano.yml they are cannot be told ({has})",
            hint="antiphon init --tap crm=meltano:tap-a --target crm=meltano:target-a --tap warehouse=meltano:tap-b …",
        )
    sides = [system.tap.rpartition("--")[2].removeprefix("tap-") for system in found]
    if sides[0] == sides[1]:
        sides = [system.tap.removeprefix("tap-") for system in found]
    return dict(zip(sides, found, strict=True))


def _partner(tap: str, targets: Iterable[str]) -> str | None:
    wanted = f"target-{tap.removeprefix('tap-')}"
    return wanted if wanted in targets else None


def _root(name: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    """The plugin at the end of the line of inheritance."""
    seen = {name}
    while (parent := str(known[name].get("inherit_from"))) in known and parent not in seen:
        seen.add(parent)
        name = parent
    return name


def receiver(target: str, job: str) -> str:
    """The name of a target with receipts: it inherits from the target, which stays as it is for other pipelines."""
    return f"{target}--{job}"


def receipts_file(side: Side, job: str) -> str:
    """Where a side's target writes its receipts, beside the ledger."""
    return f".antiphon/receipts-{side}.jsonl" if job == JOB else f".antiphon/receipts-{job}-{side}.jsonl"


def blocks(known: Known, systems: Mapping[Side, System], *, job: str, sync_file: str, requirement: str) -> Blocks:
    """The job: both sides are collected, each is said to be complete, then each is written what it lacks.

    `sync_file` is relative to the project. `requirement` is what pip installs us by, if the project does not say.
    """
    plugins: dict[str, list[dict[str, Any]]] = {"extractors": [], "loaders": [], "utilities": []}
    origin = _origin(known, requirement)
    for kind, name in (("extractors", _EMITTER), ("loaders", _COLLECTOR)):
        if name not in known[kind]:
            plugins[kind].append(_ours(name, origin))
    for side in systems:
        more = {"sync": sync_file} if sync_file != SYNC_FILE else {}
        config = {"side": side, **more}
        plugins["extractors"].append({"name": _emits(side, job), "inherit_from": _EMITTER, "config": config})
        plugins["loaders"].append({"name": _collects(side, job), "inherit_from": _COLLECTOR, "config": config})
    for system in systems.values():
        if system.target is not None and system.receipts:
            path = f"$MELTANO_PROJECT_ROOT/{system.receipts}"
            plugins["loaders"].append(
                {
                    "name": receiver(system.target, job),
                    "inherit_from": system.target,
                    "config": {"receipts_path": path},
                }
            )
    utility = _utility(known)
    chosen = f"-c {shlex.quote(sync_file)} " if sync_file != SYNC_FILE else ""
    commands = {_command("complete", side, job): f"{chosen}collect --complete {side}" for side in systems}
    if any(system.receipts or system.confirms for system in systems.values()):
        commands[_command("confirm", "", job)] = f"{chosen}confirm"
    tasks = list(_tasks(systems, utility or _UTILITY, job))
    if utility is None:
        usual = {words.partition(" ")[0]: words for words in _COMMANDS} | {"report": "status --json"}
        plugins["utilities"].append(
            {"name": _UTILITY, "namespace": _UTILITY, **_started(_PROGRAM, origin), "commands": {**usual, **commands}}
        )
        commands = {}
    return Blocks(plugins, {"name": job, "tasks": tasks}, commands, utility or _UTILITY)


def _tasks(systems: Mapping[Side, System], utility: str, job: str) -> Iterator[str]:
    for side, system in systems.items():
        yield f"{system.tap} {_collects(side, job)}"
        yield f"{utility}:{_command('complete', side, job)}"
    for side, system in reversed(list(systems.items())):
        if system.target is not None:
            target = receiver(system.target, job) if system.receipts else system.target
            yield f"{_emits(side, job)} {target}"
    if any(system.receipts or system.confirms for system in systems.values()):
        yield f"{utility}:{_command('confirm', '', job)}"


def _emits(side: Side, job: str) -> str:
    return f"{_EMITTER}--to-{side}" if job == JOB else f"{_EMITTER}--{job}-to-{side}"


def _collects(side: Side, job: str) -> str:
    return f"{_COLLECTOR}--{side}" if job == JOB else f"{_COLLECTOR}--{job}-{side}"


def _command(what: str, side: Side, job: str) -> str:
    return "-".join(word for word in (what, job if job != JOB else "", side) if word)


def _ours(name: str, origin: Mapping[str, str]) -> dict[str, Any]:
    capabilities = ["about", "structured-logging"] if name == _COLLECTOR else ["about", "state", "structured-logging"]
    return {
        "name": name,
        "namespace": name.replace("-", "_"),
        **_started(name, origin),
        "capabilities": capabilities,
        "settings": [dict(setting) for setting in _SETTINGS],
    }


def _utility(known: Known) -> str | None:
    """The utility that is `antiphon`, if the project has one."""
    for name, plugin in known["utilities"].items():
        if str(plugin.get("executable", "")).rpartition("/")[2] == _PROGRAM:
            return name
    return None


def _origin(known: Known, requirement: str) -> dict[str, str]:
    """How the project already runs us: `pip_url` and `python`, or the folder of a program that it names by its path."""
    utility = _utility(known)
    ours = [("loaders", _COLLECTOR), ("extractors", _EMITTER), *([("utilities", utility)] if utility else [])]
    for kind, name in ours:
        plugin = known[kind].get(name, {})
        folder, slash, _ = str(plugin.get("executable", "")).rpartition("/")
        if slash:
            return {"folder": folder}
        if plugin.get("pip_url"):
            return {key: str(plugin[key]) for key in ("pip_url", "python") if plugin.get(key)}
    return {"pip_url": requirement}


def _started(program: str, origin: Mapping[str, str]) -> dict[str, str]:
    if "folder" in origin:
        return {"executable": f"{origin['folder']}/{program}"}
    return {**origin, "executable": program}
