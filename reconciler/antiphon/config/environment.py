"""What the file takes from around it: variables of the environment, and paths relative to its own folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon.config.document import KeyPath, Problems, did_you_mean

_DOLLAR = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))?")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment's variables and the folder of the file."""

    environ: Mapping[str, str]
    folder: Path
    problems: Problems

    def expand(self, value: Any, path: KeyPath) -> Any:
        """The value with `$NAME` and `${NAME}` replaced in every text within; `$$` is a dollar."""
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, list):
            return [self.expand(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.expand(item, (*path, key)) for key, item in value.items()}
        return value

    def text(self, value: str, path: KeyPath) -> str:
        """One text, expanded."""

        def replaced(found: re.Match[str]) -> str:
            dollar, braced, bare = found.groups()
            name = braced or bare
            if dollar:
                return "$"
            if not name:
                self.problems.add(
                    path, "found a `$` that names no variable; allowed: $NAME, ${NAME}, or $$ for a dollar"
                )
                return ""
            if name not in self.environ:
                known = did_you_mean(name, self.environ)
                self.problems.add(path, f"the environment variable {name} is not set{known}; `$$` stands for a dollar")
                return ""
            return self.environ[name]

        return _DOLLAR.sub(replaced, value)

    def file(self, value: str, path: KeyPath, *, exists: bool = False) -> Path:
        """A path, relative to the file's folder."""
        found = self.folder / self.text(value, path)
        if exists and not self.problems.under(*path) and not found.is_file():
            self.problems.add(path, f"found {value!r}; there is no such file in {self.folder}")
        return found
