"""`antiphon init`: a first sync.yml."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import phonenumbers

from antiphon.cli.files import read_text, write_text
from antiphon.cli.options import Options, common_but_new, patience
from antiphon.cli.output import show
from antiphon.errors import ConfigError
from antiphon.model import Side
from antiphon.propose import JOB, Known, guess_systems, insert
from antiphon.singer.meltano import PROJECT_FILE, find_project, known_plugins, project_around
from antiphon.singer.plugins import workshop
from antiphon.sync.begin import Begun, Given, all_of_meltano, begin

_SIDES = 2
_SUGGESTED = ("crm", "warehouse")


@dataclass(slots=True)
class _Told:
    """What the options say, by side."""

    taps: dict[Side, str] = field(default_factory=dict)
    targets: dict[Side, str] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)


@click.command()
@click.option(
    "--tap", "taps", multiple=True, metavar="SIDE=COMMAND", help="The tap that reads a side, or meltano:NAME."
)
@click.option(
    "--target", "targets", multiple=True, metavar="SIDE=COMMAND", help="The target that writes it, or meltano:NAME."
)
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="SIDE=FILE",
    help="JSON settings of a side; SIDE.tap=FILE or SIDE.target=FILE for one plugin of it.",
)
@click.option("--name", metavar="NAME", help="The name of the sync.  [default: the sides' names]")
@click.option("--prefer", metavar="SIDE", help="The side that wins where nothing else decides.  [default: the first]")
@click.option("--region", metavar="XX", help="The country of telephone numbers without a country code.")
@click.option(
    "--job",
    metavar="NAME",
    help="In a Meltano project: the job to write into meltano.yml; none leaves that file alone.  [default: two-way]",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@patience
@common_but_new
def init(
    options: Options,
    taps: tuple[str, ...],
    targets: tuple[str, ...],
    configs: tuple[str, ...],
    name: str | None,
    prefer: str | None,
    region: str | None,
    job: str | None,
    patience: float,
    *,
    force: bool,
) -> int:
    """Ask both taps for their streams and propose a sync.yml, with the reason for each part.

    Nothing of either side is changed. Secrets of the settings become $NAME; their values are written nowhere.

    In a Meltano project the sides may be left to the names of its taps and targets, and the job that syncs them is
    written into meltano.yml.
    """
    path = options.config
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already", hint="--force overwrites it; -c FILE names another")
    if not path.resolve().parent.is_dir():
        raise ConfigError(f"{path}: the folder is not there", hint="make it first")
    told = _Told(
        _by_side(taps, "--tap", "COMMAND"),
        _by_side(targets, "--target", "COMMAND"),
        _by_side(configs, "--config", "FILE"),
    )
    around = project_around(path.resolve().parent)
    known: Known | None = None
    if around is not None and not (taps or targets or configs):
        known = known_plugins(around)
        for side, system in guess_systems(known).items():
            told.taps[side] = f"meltano:{system.tap}"
            told.targets |= {side: f"meltano:{system.target}"} if system.target is not None else {}
    if len(told.taps) < _SIDES and sys.stdin.isatty():
        _ask(told)
    sides = _given(told)
    job = _job(job, sides)
    if region and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigError(f"--region {region}: there is no such region", hint="two capital letters, such as US or NO")
    if prefer is not None and prefer not in sides:
        raise ConfigError(f"--prefer {prefer}: there is no such side", hint=f"the sides are {' and '.join(sides)}")
    named = name or "-".join(sides)
    with workshop(path.resolve().parent / ".antiphon", named, options.report.plugin, patience=patience) as shop:
        begun = begin(
            shop, path, named, sides, prefer=prefer or next(iter(sides)), region=region or "", job=job, known=known
        )
    if begun.blocks is not None:
        file = str(find_project(path.resolve().parent) / PROJECT_FILE)
        project = insert(read_text(file, "see its permissions"), begun.blocks, replace=force)
        write_text(str(path), begun.text)
        write_text(file, project)
    else:
        write_text(str(path), begun.text)
    show(options.as_json, _text(path, begun), _facts(path, begun))
    return 0


def _job(wanted: str | None, sides: Mapping[Side, Given]) -> str:
    """The name of the Meltano job; nothing where there will be none."""
    if wanted is None:
        return JOB if all_of_meltano(sides) else ""
    if wanted == "none":
        return ""
    if not all_of_meltano(sides):
        raise ConfigError(
            f"--job {wanted}: a job runs plugins of Meltano alone",
            hint="name every tap and target as in --tap crm=meltano:tap-a",
        )
    if not re.fullmatch(r"[A-Za-z][\w-]*", wanted):
        raise ConfigError(f"--job {wanted!r} is no name of a job", hint="letters, digits, - and _")
    return wanted


def _by_side(given: tuple[str, ...], option: str, what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        side, equals, rest = text.partition("=")
        if not equals or not side.strip() or not rest.strip():
            raise ConfigError(f"{option} {text!r} is no SIDE={what}", hint=f"as in {option} crm={what.lower()}")
        if side.strip() in found:
            raise ConfigError(f"{option}: {side.strip()} is named twice")
        found[side.strip()] = rest.strip()
    return found


def _ask(told: _Told) -> None:
    """Ask a person, on a terminal, for what the options leave open."""
    click.echo("Two systems, each read by a Singer tap and written by a Singer target.", err=True)
    while len(told.taps) < _SIDES:
        suggested = next(word for word in _SUGGESTED if word not in told.taps)
        side = click.prompt("Name of a side", default=suggested, err=True)
        told.taps[side] = click.prompt(f"Tap that reads {side}", err=True)
        if side not in told.targets:
            target = click.prompt(f"Target that writes {side} (empty: never written)", default="", err=True)
            told.targets |= {side: target} if target else {}
        if side not in told.configs:
            file = click.prompt(f"JSON file with the settings of {side} (empty: none)", default="", err=True)
            told.configs |= {side: file} if file else {}


def _given(told: _Told) -> dict[Side, Given]:
    if len(told.taps) != _SIDES:
        raise ConfigError(
            f"a sync has two sides; --tap names {len(told.taps)}",
            hint="antiphon init --tap crm=tap-a --target crm=target-a --config crm=crm.json --tap warehouse=… …",
        )
    unknown = [side for side in told.targets if side not in told.taps]
    unknown += [name for name in told.configs if _side(name) not in told.taps]
    if unknown:
        raise ConfigError(f"{unknown[0]}: there is no such side", hint=f"--tap names {' and '.join(told.taps)}")
    settings = {name: _settings(file) for name, file in told.configs.items()}
    return {
        side: Given(
            tap,
            told.targets.get(side),
            settings.get(side, {}),
            settings.get(f"{side}.tap", {}),
            settings.get(f"{side}.target", {}),
        )
        for side, tap in told.taps.items()
    }


def _side(name: str) -> str:
    return re.sub(r"\.(tap|target)$", "", name)


def _settings(file: str) -> Mapping[str, Any]:
    text = read_text(file, "name a JSON file with the plugin's settings")
    try:
        shown = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"the settings in {file} are no JSON: {error}") from error
    if not isinstance(shown, dict):
        raise ConfigError(f"the settings in {file} are no object")
    return shown


def _text(path: Path, begun: Begun) -> str:
    proposal = begun.proposal
    lines = [f"{path}: proposed; no record was read or written"]
    for entity in proposal.entities:
        streams = " and ".join(f"{side} {there.stream.name}" for side, there in entity.streams.items())
        rules = ", ".join(" + ".join(rule) for rule, _ in entity.match) or "nothing yet"
        fields = len(entity.fields) + len(entity.references)
        lines.append(f"  {entity.name}: {streams}; {fields} fields, matched by {rules}")
    for side, names in proposal.alone.items():
        if names:
            lines.append(f"  without a partner on {side}: {', '.join(names)}")
    lines += [f"  look at {remark}" for remark in begun.remarks]
    if begun.secrets:
        lines.append(f"set in the environment: {', '.join(begun.secrets)}")
    if begun.blocks is not None:
        lines.append(f"{PROJECT_FILE}: the job {begun.blocks.job['name']}, and {', '.join(begun.blocks.names)}")
        lines.append(f"next: read both, then `antiphon lint`, `meltano run {begun.blocks.job['name']}`")
    else:
        lines.append("next: read it, then `antiphon lint`, `antiphon doctor`, `antiphon plan`")
    return "\n".join(lines)


def _facts(path: Path, begun: Begun) -> dict[str, Any]:
    return {
        "file": str(path),
        "entities": {
            entity.name: {
                "streams": {side: there.stream.name for side, there in entity.streams.items()},
                "fields": {each.name: dict(each.columns) for each in entity.fields},
                "references": {each.name: target for each, target in entity.references},
                "match": [list(rule) for rule, _ in entity.match],
            }
            for entity in begun.proposal.entities
        },
        "alone": {side: list(names) for side, names in begun.proposal.alone.items()},
        "secrets": list(begun.secrets),
        "remarks": list(begun.remarks),
        "job": None if begun.blocks is None else dict(begun.blocks.job),
    }
