"""Other syncs of the same folder that write what this one writes: each would undo what the other writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from antiphon.config.document import read
from antiphon.config.finding import Finding, error, warning
from antiphon.config.load import load
from antiphon.config.settings import EntityConfig, SideConfig, SyncConfig
from antiphon.errors import ConfigError
from antiphon.mapping import Field
from antiphon.model import OpKind, Side


def lint_neighbours(config: SyncConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings on the other files beside this one that are a sync. What is none, such as a meltano.yml, is not."""
    for path in sorted([*config.path.parent.glob("*.yml"), *config.path.parent.glob("*.yaml")]):
        if path.resolve() == config.path.resolve() or not _is_sync(path):
            continue
        try:
            other = load(path, environ)
        except ConfigError as fault:
            first = fault.message.splitlines()[0]
            yield warning(
                "name", f"{path.name} could not be compared with it: {first}", f"`antiphon lint --config {path}`"
            )
            continue
        yield from compare(config, other)


def compare(config: SyncConfig, other: SyncConfig) -> Iterator[Finding]:
    """The columns that both write, where they reach the same system by the same target and settings."""
    theirs = {
        (stream, column): side
        for side, stream, column, _, _ in _written(other)
        for here in config.sides.values()
        if _same_system(here, other.sides[side])
    }
    for side, stream, column, entity, field in _written(config):
        there = theirs.get((stream, column))
        if there is not None and _same_system(config.sides[side], other.sides[there]):
            yield error(
                entity.where(field, side),
                f"{column} of {stream} is written by {other.path.name} too (the sync {other.name}, its side {there}): "
                "each would take what the other writes for an edit",
                "leave the column to one of them, or let one only read it by `direction`",
            )


def _is_sync(path: Path) -> bool:
    try:
        data, _ = read(path)
    except ConfigError:
        return False
    return {"sides", "entities"} <= data.keys()


def _same_system(one: SideConfig, two: SideConfig) -> bool:
    if one.target is None or two.target is None:
        return False
    mine, theirs = one.target, two.target
    return (mine.command, mine.config, mine.config_file) == (theirs.command, theirs.config, theirs.config_file)


def _written(config: SyncConfig) -> Iterator[tuple[Side, str, str, EntityConfig, Field]]:
    for entity in config.entities.values():
        for side, stream in entity.sides.items():
            if config.sides[side].target is None or not stream.allow & {OpKind.CREATE, OpKind.UPDATE}:
                continue
            for field in entity.fields.values():
                if field.direction is None or field.direction[1] == side:
                    yield side, stream.stream, field.columns[side], entity, field
