"""What our own plugins say of themselves with `--about`, in the SDK's form."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon.errors import ConfigError


@dataclass(frozen=True, slots=True)
class About:
    """A plugin's name, capabilities and settings (a JSON Schema's `properties`)."""

    name: str
    description: str
    capabilities: Sequence[str]
    settings: dict[str, dict[str, Any]]
    required: Sequence[str]

    def text(self, form: str) -> str:
        """`json` as other tools read it, anything else as Markdown."""
        version = importlib.metadata.version("antiphon")
        if form == "json":
            schema = {"type": "object", "properties": self.settings, "required": list(self.required)}
            shown = {
                "name": self.name,
                "description": self.description,
                "version": version,
                "capabilities": list(self.capabilities),
                "settings": schema,
            }
            return json.dumps(shown, indent=2)
        rows = [
            f"| {name} | {'yes' if name in self.required else 'no'} | {s.get('default', '')} | {s['description']} |"
            for name, s in self.settings.items()
        ]
        head = ["| Setting | Required | Default | Description |", "|:--------|:---------|:--------|:------------|"]
        return "\n".join(
            [
                f"# `{self.name}` {version}",
                "",
                self.description,
                "",
                f"Capabilities: {', '.join(self.capabilities)}",
                "",
                *head,
                *rows,
            ]
        )

    def read(self, path: Path) -> dict[str, Any]:
        """The settings in a file, with defaults. Raises `ConfigError` naming the file and the setting."""
        try:
            shown = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise ConfigError(f"the settings in {path} cannot be read: {error}") from error
        if not isinstance(shown, dict):
            raise ConfigError(f"the settings in {path} are no object")
        missing = [name for name in self.required if name not in shown]
        if missing:
            raise ConfigError(
                f"{path}: the setting {missing[0]!r} is missing", hint=self.settings[missing[0]]["description"]
            )
        return {**{name: s["default"] for name, s in self.settings.items() if "default" in s}, **shown}


SETTINGS: dict[str, dict[str, Any]] = {
    "side": {"type": "string", "description": "The side of the sync that this plugin works for, as sync.yml names it."},
    "sync": {"type": "string", "default": "sync.yml", "description": "The sync's configuration file."},
    "wait": {"type": "number", "default": 300, "description": "Seconds to wait for another run on the same ledger."},
}
