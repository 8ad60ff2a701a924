"""The two sides, the programs that read and write them, and the ledger between."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from antiphon.config.document import KeyPath, Problems, did_you_mean
from antiphon.config.environment import Surroundings
from antiphon.config.settings import PluginConfig, SideConfig, TargetConfig
from antiphon.config.shape import name_fault
from antiphon.ledger.database import DRIVERS
from antiphon.model import OpKind

DEFAULT_LEDGER = "sqlite:///.antiphon/ledger.db"
_SERVER = "postgresql+psycopg://user:$PASSWORD@host/database"


def read_sides(sides: Mapping[str, Any], around: Surroundings) -> dict[str, SideConfig]:
    """Both sides. A part with a mistake in its shape is left out; the mistake is known already."""
    for name in sides:
        if fault := name_fault(name):
            around.problems.add(("sides", name), fault)
    return {name: _side(name, side, around) for name, side in sides.items() if isinstance(side, Mapping)}


def _side(name: str, side: Mapping[str, Any], around: Surroundings) -> SideConfig:
    path: KeyPath = ("sides", name)
    shared = around.expand(side["config"], (*path, "config")) if isinstance(side.get("config"), dict) else {}
    tap = _plugin(side.get("tap"), (*path, "tap"), shared, around)
    target = _plugin(side.get("target"), (*path, "target"), shared, around)
    zone = side.get("timezone", "UTC")
    if not around.problems.under(*path, "timezone"):
        _check_timezone(zone, (*path, "timezone"), around.problems)
    return SideConfig(
        name,
        tap or PluginConfig(()),
        _target(target, side, path, around),
        zone,
        allowed(side, (*path, "allow"), around.problems),
    )


def allowed(given: Mapping[str, Any], path: KeyPath, problems: Problems) -> frozenset[OpKind]:
    """What `allow:` names, or everything."""
    if "allow" not in given or problems.under(*path):
        return frozenset(OpKind)
    return frozenset(OpKind(word) for word in given["allow"])


def _plugin(plugin: Any, path: KeyPath, shared: Mapping[str, Any], around: Surroundings) -> PluginConfig | None:
    if not isinstance(plugin, Mapping):
        return None
    if "command" not in plugin and "meltano" not in plugin:
        around.problems.add(path, "lacks 'command': the program to run, or 'meltano': the plugin of a Meltano project")
    if "command" in plugin and "meltano" in plugin:
        around.problems.add(path, "has both 'command' and 'meltano'; allowed: one of them")
    config = around.expand(plugin["config"], (*path, "config")) if isinstance(plugin.get("config"), dict) else {}
    env = around.expand(plugin["env"], (*path, "env")) if isinstance(plugin.get("env"), dict) else {}
    return PluginConfig(
        command=_command(plugin.get("command"), (*path, "command"), around),
        config={**shared, **config},
        config_file=_file(plugin, "config_file", path, around, exists=True),
        catalog=_file(plugin, "catalog", path, around, exists=True),
        env=env,
        meltano=str(plugin.get("meltano", "")),
    )


def _target(
    plugin: PluginConfig | None, side: Mapping[str, Any], path: KeyPath, around: Surroundings
) -> TargetConfig | None:
    if plugin is None:
        return None
    given, at = side["target"], (*path, "target")
    return TargetConfig(
        plugin.command,
        plugin.config,
        plugin.config_file,
        plugin.catalog,
        plugin.env,
        plugin.meltano,
        receipts_path=_file(given, "receipts_path", at, around),
        deletes=given.get("deletes") is True,
    )


def _file(
    given: Mapping[str, Any], name: str, path: KeyPath, around: Surroundings, *, exists: bool = False
) -> Path | None:
    value = given.get(name)
    return around.file(value, (*path, name), exists=exists) if isinstance(value, str) else None


def _command(command: Any, path: KeyPath, around: Surroundings) -> tuple[str, ...]:
    """The words of a command. A program with a slash is relative to the file, a bare name is on the PATH."""
    if around.problems.under(*path):
        return ()
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            around.problems.add(path, f"found {command!r}, which cannot be split into words: {str(error).lower()}")
            return ()
    else:
        words = list(command or ())
    expanded = [around.text(word, path) for word in words]
    if not expanded:
        return ()
    program = str(around.folder / expanded[0]) if "/" in expanded[0] else expanded[0]
    return (program, *expanded[1:])


def _check_timezone(zone: str, path: KeyPath, problems: Problems) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = did_you_mean(zone, available_timezones())
        problems.add(path, f"found {zone!r}; allowed: an IANA time zone such as Europe/Rome or UTC{known}")


def read_ledger(given: Any, around: Surroundings) -> str:
    """The ledger's URL with an absolute path. It may hold a password, so an error names the kind of database only.

    Within the URL of a server, a variable is taken letter by letter: a password may hold any.
    """
    path: KeyPath = ("ledger",)
    if around.problems.under(*path):
        return ""
    written = given if isinstance(given, str) else DEFAULT_LEDGER
    if "://" in written.partition("$")[0] and not written.startswith("sqlite"):
        around = replace(around, environ={name: quote(value, safe=":[]") for name, value in around.environ.items()})
    text = around.text(written, path)
    if around.problems.under(*path):
        return ""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        around.problems.add(path, f"found no database URL; allowed: one such as {DEFAULT_LEDGER}")
        return ""
    if url.drivername not in DRIVERS:
        around.problems.add(
            path,
            f"found a {url.drivername} database, which is not available in this version; "
            f"allowed: {DEFAULT_LEDGER}, {_SERVER}",
        )
        return ""
    url = url.set(drivername=DRIVERS[url.drivername])
    if url.get_backend_name() != "sqlite":
        return url.render_as_string(hide_password=False)
    if not url.database or url.database == ":memory:":
        around.problems.add(
            path, f"found a database in memory, which would forget; allowed: a file, such as {DEFAULT_LEDGER}"
        )
        return ""
    return _absolute(url, around.folder)


def _absolute(url: URL, folder: Path) -> str:
    return url.set(database=str(folder / str(url.database))).render_as_string(hide_password=False)
