"""The proposal as a sync.yml with comments: JSON values in YAML, so that nothing is read as another type."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon.model import Side
from antiphon.propose.entities import EntityProposal, Proposal, StreamProposal
from antiphon.propose.fields import FieldProposal

_WIDTH = 116
_MOST = 12
_MELTANO = "meltano:"
_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_./$-]*")
_NOT_BARE = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class SidePart:
    """How one side is reached. Settings hold `$NAME` in place of secrets; `notes` become comments."""

    tap: str
    target: str | None
    config: Mapping[str, Any] = field(default_factory=dict)
    tap_config: Mapping[str, Any] = field(default_factory=dict)
    target_config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    receipts: str = ""


def write(name: str, parts: Mapping[Side, SidePart], proposal: Proposal) -> str:
    """The text of sync.yml."""
    lines = [
        "# Proposed by `antiphon init` from what both taps say of their streams. Read it, change it, then run",
        "# `antiphon lint` and `antiphon plan`: nothing is written to either side before `antiphon sync` or `apply`.",
        f"name: {flow(name)}",
        "sides:",
    ]
    for side, part in parts.items():
        lines += _side(side, part)
    lines.append("entities:")
    for entity in proposal.entities:
        lines += _entity(entity, proposal)
    for what, streams in (("Streams without a partner", proposal.alone), ("Streams without a key", proposal.keyless)):
        told = [f"{side}: {_some(names)}" for side, names in streams.items() if names]
        lines += _comment(f"{what}: {'; '.join(told)}.", 0) if told else []
    return "\n".join(lines) + "\n"


def flow(value: Any) -> str:
    """A value in YAML's flow style: bare words where they are certain to be text, else JSON."""
    match value:
        case str():
            bare = _BARE.fullmatch(value) and value.casefold() not in _NOT_BARE
            return value if bare else json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{" + ", ".join(f"{flow(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(inner) for inner in value) + "]"
        case _:
            return json.dumps(value)


def _side(side: Side, part: SidePart) -> Iterator[str]:
    yield f"  {side}:"
    for note in part.notes:
        yield from _comment(note, 4)
    if part.config:
        yield from _entry("config", part.config, 4)
    yield from _plugin("tap", part.tap, part.tap_config)
    if part.target is not None:
        more = {"receipts_path": part.receipts} if part.receipts else {}
        yield from _plugin("target", part.target, part.target_config, more)
    else:
        yield from _comment("no target: nothing is ever written here", 4)


def meltano_name(command: str) -> str:
    """The name of a plugin of Meltano, of which a command may speak as `meltano:tap-sql`; else nothing."""
    return command.removeprefix(_MELTANO).strip() if command.startswith(_MELTANO) else ""


def _plugin(what: str, command: str, config: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Iterator[str]:
    name = meltano_name(command)
    started = {"meltano": name} if name else {"command": command}
    started |= more or {}
    if not config:
        yield f"    {what}: {flow(started)}"
        return
    yield f"    {what}:"
    yield from (f"      {flow(key)}: {flow(value)}" for key, value in started.items())
    yield from _entry("config", config, 6)


def _entry(key: str, value: Any, indent: int) -> Iterator[str]:
    """A key with its value: on one line where that fits, else a line for each part."""
    line = f"{' ' * indent}{flow(key)}: {flow(value)}"
    if len(line) <= _WIDTH or not isinstance(value, Mapping):
        yield line
        return
    yield f"{' ' * indent}{flow(key)}:"
    for name, inner in value.items():
        yield from _entry(str(name), inner, indent + 2)


def _entity(entity: EntityProposal, proposal: Proposal) -> Iterator[str]:
    yield f"  {flow(entity.name)}:"
    yield "    sides:"
    for side, there in entity.streams.items():
        yield from _stream(side, there)
    if entity.match:
        yield "    match:  # how records find each other at first; an empty value never matches"
        width = max(len(flow(_rule(rule))) for rule, _ in entity.match)
        for rule, reason in entity.match:
            yield f"      - {flow(_rule(rule)):<{width}}  # {reason}"
    elif any(there.rule.creates for there in entity.streams.values()):
        yield from _comment(
            "No field looks unique, so that what both sides hold today would be created twice: "
            "name fields here before the first sync, as in `match: [code]`.",
            4,
        )
    yield "    initial: nonempty  # two records join and differ: a value beats none, two values wait for a person"
    yield f"    policy: {{latest: {{else: {proposal.prefer}}}}}  # both changed it: the later edit, if that is certain"
    yield "    on_delete: park    # a deletion waits for a person"
    yield from _fields("fields", entity.fields, {})
    references = {each.name: name for each, name in entity.references}
    yield from _fields("references", tuple(each for each, _ in entity.references), references)
    for column, why in entity.left_out:
        yield from _comment(f"{column} is left out: {why}.", 4)
    for side, columns in entity.alone.items():
        if columns:
            yield from _comment(f"Only on {side}: {_some(columns)}.", 4)


def _rule(rule: tuple[str, ...]) -> Any:
    return rule[0] if len(rule) == 1 else list(rule)


def _stream(side: Side, there: StreamProposal) -> Iterator[str]:
    stream = there.stream
    options: dict[str, Any] = {
        "stream": stream.name,
        "key": stream.key[0] if len(stream.key) == 1 else list(stream.key),
    }
    if there.rule.on_create:
        options["on_create"] = there.rule.on_create
    elif not there.rule.creates and there.writes:
        options["allow"] = ["update", "delete"]
    if stream.replication_key:
        options |= {"replication": "incremental", "replication_key": stream.replication_key, "full_read": "every 24h"}
    yield from _comment(f"{side}: {there.rule.reason}", 6)
    if stream.replication_key:
        yield from _comment("only what changed is read; a deletion shows in the full read once a day", 6)
    yield f"      {side}: {flow(options)}"


def _fields(section: str, fields: tuple[FieldProposal, ...], entities: Mapping[str, str]) -> Iterator[str]:
    if not fields:
        return
    yield f"    {section}:"
    for each in fields:
        for reason in each.reasons:
            yield from _comment(reason, 6)
        same = len({*each.columns.values(), each.name}) == 1
        more = {"entity": entities[each.name]} if each.name in entities else {}
        whole = {**each.columns, **more, **each.options}
        plain = same and not each.options and not more
        yield from _entry(each.name, each.name if plain else whole, 6)


def _comment(text: str, indent: int) -> Iterator[str]:
    yield from (f"{' ' * indent}# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH - indent))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
