"""`load`: sync.yml as checked values, or one error that names every mistake in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from antiphon.config.document import read, render
from antiphon.config.entities import read_entities
from antiphon.config.environment import Surroundings
from antiphon.config.quantities import limit
from antiphon.config.settings import SyncConfig
from antiphon.config.shape import check, name_fault
from antiphon.config.sides import read_ledger, read_sides
from antiphon.mapping import Guards


def load(path: Path, environ: Mapping[str, str]) -> SyncConfig:
    """Read a sync.yml. `environ` are the variables that `$NAME` is taken from.

    Raises:
        ConfigError: with a line for every mistake: file, line, key path, what was found, what is allowed.
    """
    data, problems = read(path)
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
