"""`load`: sync.yml as checked values, or one error that names every mistake in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from antiphon.config.document import read, render
from antiphon.config.entities import read_entities
from antiphon.config.environment import Surroundings
from antiphon.config.quantities import limit
from antiphon.config.settings import SyncConfig
from antiphon.config.shape import check, name_fault
from antiphon.config.sides import read_ledger, read_sides
from antiphon.errors import ConfigError
from antiphon.mapping import Guards


def _give(data: Any, name: str, policy: Any) -> None:
    """Give every field of that name another policy; what is wrong with the file is told later."""
    entity, _, field = name.rpartition(".")
    entities = data.get("entities")
    found = False
    for each, options in entities.items() if isinstance(entities, Mapping) else ():
        for section in ("fields", "references"):
            fields = options.get(section) if isinstance(options, Mapping) else None
            if entity in ("", each) and isinstance(fields, dict) and field in fields:
                there = fields[field]
                columns = there if isinstance(there, dict) else dict.fromkeys(data.get("sides") or (), there)
                fields[field] = {**columns, "policy": policy}
                found = True
    if not found:
        raise ConfigError(f"{name}: sync.yml has no such field", hint="name a field as sync.yml does, or entity.field")


def load(path: Path, environ: Mapping[str, str], policies: Mapping[str, Any] | None = None) -> SyncConfig:
    """Read a sync.yml. `environ` are the variables that `$NAME` is taken from.

    `policies` stand in place of those that the file gives to fields, named `field` or `entity.field`.

    Raises:
        ConfigError: with a line for every mistake: file, line, key path, what was found, what is allowed.
    """
    data, problems = read(path)
    for name, policy in (policies or {}).items():
        _give(data, name, policy)
    check(data, problems)
    around = Surroundings(environ, path.parent.resolve(), problems)
    ledger = read_ledger(data.get("ledger"), around)
    given_sides, given_entities = data.get("sides"), data.get("entities")
    sides = read_sides(given_sides, around) if isinstance(given_sides, Mapping) else {}
    two = len(sides) == 2 and not any(name_fault(name) for name in sides)  # noqa: PLR2004 a sync has two sides
    entities = read_entities(given_entities, sides, problems) if two and isinstance(given_entities, Mapping) else {}
    problems.raise_any()
    return SyncConfig(
        name=data["name"],
        path=path,
        ledger=ledger,
        sides=sides,
        entities=entities,
        guards=Guards(**{name: limit(given) for name, given in data.get("guards", {}).items()}),
        lines={render(at): line for at, line in problems.lines.items()},
    )
