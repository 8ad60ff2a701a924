"""Meltano's definitions of our plugins, made from what the plugins say of themselves with `--about`.

One file serves the Hub and `meltano add --from-ref`: it has what the Hub requires (variant, quality) and nothing that
the Hub refuses (`requires_meltano`, `env`). Capabilities that neither knows are left out.
Source: meltano/hub, schemas/plugin_definitions; meltano/meltano, docs/docs/reference/plugin-definition-syntax.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from antiphon.cli.commands import antiphon as program
from tests.scenarios.project import BIN

ROOT = Path(__file__).parents[2]
VARIANT = "antiphon"
COMMON = frozenset({"about", "activate-version", "batch", "schema-flattening", "stream-maps", "structured-logging"})
EXTRACTOR = COMMON | {"catalog", "discover", "log-based", "properties", "state", "test"}
LOADER = COMMON | {"datatype-failsafe", "hard-delete", "soft-delete", "target-schema", "validate-records"}
KINDS = {"integer": "integer", "number": "decimal", "boolean": "boolean", "object": "object", "array": "array"}
SHOWN = (
    "init",
    "plan",
    "apply",
    "sync",
    "status",
    "conflicts",
    "why",
    "verify",
    "revert",
    "doctor",
    "lint",
    "links",
    "confirm",
)
EXTRAS = {"tap-sql": "postgres,duckdb", "target-sql": "postgres,duckdb"}
SUMMARY = {"reconciler": "Two one-way Singer pipelines become one two-way sync, by three-way merge."}


def definitions() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every plugin's file under the root, and what belongs into it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for script in sorted(project["scripts"]):
        if script.startswith(("tap-", "target-")):
            kind = "extractors" if script.startswith("tap-") else "loaders"
            yield Path("plugins", kind, f"{script}.yml"), _singer(script, kind, _about(script))
    yield Path("plugins", "utilities", "reconciler.yml"), _utility()


def as_yaml(definition: Mapping[str, Any]) -> str:
    """The file's text."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(dict(definition), stream)
    return stream.getvalue()


def _about(script: str) -> dict[str, Any]:
    done = subprocess.run([BIN / script, "--about", "--format=json"], capture_output=True, text=True, check=True)
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def _head(name: str, description: str, extras: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "namespace": name.replace("-", "_"),
        "variant": VARIANT,
        "label": name,
        "description": description,
        "pip_url": f"antiphon[{extras}]" if extras else "antiphon",
        "executable": name,
        "maintenance_status": "beta",
        "keywords": ["meltano_sdk", "two-way", "reverse-etl"],
    }


def _singer(script: str, kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
    known = EXTRACTOR if kind == "extractors" else LOADER
    schema = about["settings"]
    required = list(schema.get("required", ()))
    description = str(about.get("description") or "").strip().partition("\n")[0]
    return {
        **_head(script, description, EXTRAS.get(script, "")),
        "quality": "unknown",
        "capabilities": sorted(known & set(about["capabilities"])),
        "settings_group_validation": [required],
        "settings": [_setting(name, shape) for name, shape in schema["properties"].items()],
    }


def _setting(name: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    types = shape.get("type", "string")
    types = [types] if isinstance(types, str) else types
    kind = next((KINDS[each] for each in types if each in KINDS), "string")
    found: dict[str, Any] = {"name": name, "label": shape.get("title") or name.replace("_", " ").capitalize()}
    if "enum" in shape:
        kind = "options"
        found["options"] = [{"label": str(each), "value": each} for each in shape["enum"] if each is not None]
    elif shape.get("format") == "date-time":
        kind = "date_iso8601"
    found["kind"] = kind
    if shape.get("secret") or shape.get("writeOnly"):
        found["sensitive"] = True
    if shape.get("default") is not None:
        found["value"] = shape["default"]
    found["description"] = " ".join(str(shape.get("description", "")).split())
    return found


def _utility() -> dict[str, Any]:
    known = {name: command.get_short_help_str(120) for name, command in program.commands.items()}
    commands = {name: {"args": name, "description": known[name]} for name in SHOWN if name in known}
    commands["report"] = {"args": "status --json", "description": "What the last run did, as JSON."}
    return {
        **_head("reconciler", SUMMARY["reconciler"]),
        "executable": "antiphon",
        "commands": commands,
        "settings": [],
        "settings_group_validation": [],
    }
