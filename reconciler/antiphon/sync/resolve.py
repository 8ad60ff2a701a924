"""The plugins that sync.yml names by their Meltano name, looked up in the project around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from antiphon.config import PluginConfig, SyncConfig
from antiphon.errors import ConfigError
from antiphon.model import Side
from antiphon.singer.catalog import methods_of
from antiphon.singer.meltano import Found, find_plugins, find_project

P = TypeVar("P", bound=PluginConfig)


def resolve(config: SyncConfig) -> tuple[SyncConfig, dict[Side, dict[str, Any]]]:
    """The configuration with every plugin's program and settings, and the catalogs that Meltano made for its taps.

    What sync.yml says of a plugin goes before what the project says. Raises `ConfigError` if the project lacks one.
    """
    sides = config.sides.values()
    taps = frozenset(side.tap.meltano for side in sides if side.tap.meltano)
    targets = frozenset(side.target.meltano for side in sides if side.target is not None and side.target.meltano)
    if not taps and not targets:
        return config, {}
    found = find_plugins(find_project(config.path.resolve().parent), taps, targets)
    resolved = {
        name: replace(
            side,
            tap=_filled(side.tap, found),
            target=_filled(side.target, found) if side.target is not None else None,
        )
        for name, side in config.sides.items()
    }
    catalogs = {
        name: _checked(config, name, catalog)
        for name, side in config.sides.items()
        if side.tap.catalog is None and side.tap.meltano and (catalog := found[side.tap.meltano].catalog) is not None
    }
    return replace(config, sides=resolved), catalogs


def _filled(plugin: P, found: Mapping[str, Found]) -> P:
    if not plugin.meltano:
        return plugin
    there = found[plugin.meltano]
    return replace(
        plugin,
        command=there.command,
        config={**there.config, **plugin.config},
        env={**there.env, **plugin.env},
        folder=there.folder,
    )


def _checked(config: SyncConfig, side: Side, catalog: Mapping[str, Any]) -> dict[str, Any]:
    """The catalog. A column that is mapped and not selected is a contradiction for a person to settle."""
    streams = {entry.get("stream") or entry.get("tap_stream_id"): entry for entry in catalog.get("streams", ())}
    for entity in config.entities.values():
        stream = entity.sides[side].stream
        hidden = {
            item["breadcrumb"][1]
            for item in streams.get(stream, {}).get("metadata", ())
            if len(item.get("breadcrumb", ())) == 2 and _deselected(item.get("metadata", {}))  # noqa: PLR2004  # a column
        }
        for field in entity.fields.values():
            if field.columns[side] in hidden:
                raise ConfigError(
                    f"{config.locate(entity.where(field))}: {side} has it in {stream}.{field.columns[side]}, "
                    f"which the select rules of {config.sides[side].tap.meltano} in meltano.yml leave out",
                    hint="select the column there, or take the field out of sync.yml",
                )
    return dict(catalog)


def _deselected(metadata: Mapping[str, Any]) -> bool:
    return metadata.get("selected") is False and metadata.get("inclusion") != "automatic"


def listed_methods(
    config: SyncConfig, catalogs: Mapping[Side, Mapping[str, Any]]
) -> dict[tuple[Side, str], tuple[str, ...]]:
    """The replication methods of every entity's stream, as far as the taps' catalogs list them."""
    return {
        (side, entity.name): methods_of(catalog, entity.sides[side].stream)
        for side, catalog in catalogs.items()
        for entity in config.entities.values()
    }


def read_catalog(path: Path) -> dict[str, Any]:
    """A catalog of a file. Raises `ConfigError`."""
    try:
        catalog = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the catalog {path} cannot be read: {error}") from error
    if not isinstance(catalog, dict):
        raise ConfigError(f"the catalog {path} is no catalog: it is no object")
    return catalog
