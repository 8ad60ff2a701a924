"""A sync before there is one: both taps and targets are asked, and a first sync.yml is proposed and checked."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from antiphon.config import PluginConfig, lint, load
from antiphon.config.shape import name_fault
from antiphon.errors import AntiphonError, ConfigError
from antiphon.model import Side
from antiphon.propose import (
    Ability,
    Blocks,
    Known,
    Proposal,
    SidePart,
    Stream,
    System,
    blocks,
    meltano_name,
    propose,
    receipts_file,
    receiver,
    streams_of,
    write,
)
from antiphon.singer.meltano import Found, find_plugins, find_project, known_plugins, requirement
from antiphon.singer.plugins import Workshop
from antiphon.singer.secrets import is_secret
from antiphon.singer.waiting import answers
from antiphon.sync.run import has_setting, title_of

_REFERENCE = re.compile(r"\$(\{[A-Za-z_]\w*\}|[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Given:
    """What a person says of one side: command lines, and settings that may hold secrets."""

    tap: str
    target: str | None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tap_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    target_config: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """A sync.yml to be written. `secrets` are the variables that it refers to and that are not set yet.

    `blocks` is what the Meltano project needs to run it as a job, where it is of one project.
    """

    text: str
    proposal: Proposal
    secrets: tuple[str, ...]
    remarks: tuple[str, ...]
    blocks: Blocks | None = None


def all_of_meltano(sides: Mapping[Side, Given]) -> bool:
    """Whether every plugin is one of a Meltano project, as in `meltano:tap-sql`."""
    return all(meltano_name(each) for given in sides.values() for each in (given.tap, given.target) if each is not None)


def begin(
    shop: Workshop,
    path: Path,
    name: str,
    sides: Mapping[Side, Given],
    *,
    prefer: Side,
    region: str,
    job: str = "",
    known: Known | None = None,
) -> Begun:
    """Ask both sides and propose. Nothing is written.

    `job` asks for a Meltano job of that name as well; `known` is what `known_plugins` told, if that was asked already.

    Raises:
        ConfigError: the sides are not two with lawful names, a plugin is not there, or nothing is in common.
        PluginFailed: a tap cannot say which streams it has.
    """
    for side in sides:
        if fault := name_fault(side):
            raise ConfigError(fault, hint="name the side otherwise")
    folder = path.resolve().parent
    if job and known is None:
        known = known_plugins(find_project(folder))
    project = _of_meltano(folder, sides, known)
    catalogs, abilities = _ask(shop, folder, sides, project)
    proposal = propose(catalogs, abilities, prefer=prefer, region=region)
    if not proposal.entities:
        told = "; ".join(
            f"{side}: {', '.join(stream.name for stream in streams) or 'none'}" for side, streams in catalogs.items()
        )
        raise ConfigError(
            f"no two streams look like the same thing ({told})",
            hint="write sync.yml by hand: `antiphon lint` checks it against its schema",
        )
    parts, variables = _parts(sides)
    made = None
    if job and known is not None:
        systems, parts = _systems(folder, sides, abilities, project, parts, job)
        file = path.resolve().relative_to(find_project(folder)).as_posix()
        made = blocks(known, systems, job=job, sync_file=file, requirement=requirement())
    text = write(name, parts, proposal)
    remarks = _checked(path, text, {**os.environ, **variables}, abilities, proposal)
    return Begun(text, proposal, tuple(sorted(set(variables) - set(os.environ))), remarks, made)


def _systems(
    folder: Path,
    sides: Mapping[Side, Given],
    abilities: Mapping[Side, Ability],
    project: Mapping[str, Found],
    parts: Mapping[Side, SidePart],
    job: str,
) -> tuple[dict[Side, System], dict[Side, SidePart]]:
    """The sides as systems of the project, and as sync.yml has them then: each target with receipts tells their file.

    A target that names a file of receipts already is taken as it is.
    """
    systems, told = {}, {}
    for side, given in sides.items():
        target = meltano_name(given.target) if given.target is not None else None
        system, part = System(meltano_name(given.tap), target), parts[side]
        if target is not None and (named := project[target].config.get("receipts_path")):
            system = replace(system, confirms=True)
            part = replace(part, receipts=os.path.relpath(folder / str(named), folder))
        elif target is not None and abilities[side].receipts:
            file = receipts_file(side, job)
            within = folder.relative_to(find_project(folder))
            system = replace(system, receipts=(within / file).as_posix())
            part = replace(part, target=f"meltano:{receiver(target, job)}", receipts=file)
        systems[side], told[side] = system, part
    return systems, told


def _ask(
    shop: Workshop, folder: Path, sides: Mapping[Side, Given], project: Mapping[str, Found]
) -> tuple[dict[Side, list[Stream]], dict[Side, Ability]]:
    catalogs, taps, targets = {}, {}, {}
    with shop.at_once(4) as pool:
        for side, given in sides.items():
            tap = _plugin(given.tap, {**given.config, **given.tap_config}, folder, project)
            selected = project[tap.meltano].catalog if tap.meltano else None
            if selected is None:
                taps[side] = pool.submit(shop.discover, tap, title_of(tap, side))
            else:
                catalogs[side] = streams_of(selected, selected=True)
            if given.target is not None:
                target = _plugin(given.target, {**given.config, **given.target_config}, folder, project)
                targets[side] = pool.submit(shop.about, target, title_of(target, side))
        catalogs |= {side: streams_of(catalog) for side, catalog in answers(taps).items()}
        receives = {side: has_setting(about, "receipts_path") for side, about in answers(targets).items()}
    abilities = {side: Ability(writes=side in targets, receipts=receives.get(side, False)) for side in sides}
    return {side: catalogs[side] for side in sides}, abilities


def _of_meltano(folder: Path, sides: Mapping[Side, Given], known: Known | None) -> dict[str, Found]:
    """The plugins that the commands name in the project around the folder, as in `meltano:tap-sql`."""
    taps = frozenset(name for given in sides.values() if (name := meltano_name(given.tap)))
    targets = frozenset(name for given in sides.values() if given.target and (name := meltano_name(given.target)))
    return find_plugins(find_project(folder), taps, targets, known) if taps | targets else {}


def _plugin(command: str, config: Mapping[str, Any], folder: Path, project: Mapping[str, Found]) -> PluginConfig:
    """The plugin as sync.yml will start it: a program with a slash is relative to the file."""
    settings = {key: _expanded(value, key) for key, value in config.items()}
    name = meltano_name(command)
    if name:
        found = project[name]
        return PluginConfig(
            found.command, {**found.config, **settings}, env=found.env, meltano=name, folder=found.folder
        )
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"{command!r} cannot be split into words: {str(error).lower()}") from error
    if not words:
        raise ConfigError("the command of a plugin is empty")
    program = str(folder / words[0]) if "/" in words[0] else words[0]
    return PluginConfig((program, *words[1:]), settings)


def _expanded(value: Any, where: str) -> Any:
    """A setting with the variable's value where it is wholly `$NAME`; any other dollar is one."""
    if isinstance(value, dict):
        return {key: _expanded(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_expanded(inner, where) for inner in value]
    if not _refers(value):
        return value
    name = value.strip("${}")
    if name not in os.environ:
        raise ConfigError(f"the setting {where}: the environment variable {name} is not set", hint=f"export {name}=…")
    return os.environ[name]


def _parts(sides: Mapping[Side, Given]) -> tuple[dict[Side, SidePart], dict[str, str]]:
    """The sides as sync.yml has them, and the secrets that it refers to, by the names of their variables."""
    variables: dict[str, str] = {}
    parts = {}
    for side, given in sides.items():
        before = set(variables)
        config, tap, target = (
            _referring(side, settings, variables) for settings in (given.config, given.tap_config, given.target_config)
        )
        mine = sorted(set(variables) - before)
        notes = (f"set these in the environment before you run anything: {', '.join(mine)}",) if mine else ()
        parts[side] = SidePart(given.tap, given.target, config, tap, target, notes)
    return parts, variables


def _referring(side: Side, settings: Mapping[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and not is_secret(key, ""):
            found[key] = _referring(f"{side}_{key}", value, variables)
        elif is_secret(key, value) and not _refers(value):
            variable = re.sub(r"\W+", "_", f"{side}_{key}").upper()
            variables[variable] = value if isinstance(value, str) else json.dumps(value)  # text only comes from there
            found[key] = f"${variable}"
        else:
            found[key] = _plain(value)
    return found


def _refers(value: Any) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _plain(value: Any) -> Any:
    """A value as sync.yml writes it: a dollar that begins no variable's name is doubled."""
    if isinstance(value, str) and not _refers(value):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _checked(
    path: Path,
    text: str,
    environ: Mapping[str, str],
    abilities: Mapping[Side, Ability],
    proposal: Proposal,
) -> tuple[str, ...]:
    """What `lint` says of the proposal, with the columns known. An error in it would be a fault of ours."""
    partial = path.with_name(f".{path.name}.proposed")
    try:
        partial.write_text(text, encoding="utf-8")
        config = load(partial, environ)
        columns = {
            (side, entity.name): {name: column.schema for name, column in there.stream.columns.items()}
            for entity in proposal.entities
            for side, there in entity.streams.items()
        }
        findings = lint(config, columns, {side: able.receipts for side, able in abilities.items()})
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        told = "\n".join(f"{finding.where}: {finding.message}" for finding in errors)
        raise AntiphonError(f"the proposal would not work, which is a fault in Antiphon:\n{told}", hint="please report")
    return tuple(f"{finding.where}: {finding.message}" for finding in findings)
