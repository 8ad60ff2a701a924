"""sync.yml as text: YAML 1.2 read into plain values, the line of every key remembered, every mistake collected."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from antiphon.errors import ConfigError

KeyPath: TypeAlias = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_NUMBER_BASES = {"0x": 16, "0o": 8, "0b": 2}


def render(path: KeyPath) -> str:
    """A key path as people write it: `entities.contact.match[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def did_you_mean(found: object, allowed: Iterable[str]) -> str:
    """`; did you mean 'email'?` where one of the allowed words is close, else nothing."""
    by_fold = {word.casefold(): word for word in allowed}
    close = difflib.get_close_matches(str(found).casefold(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[close[0]]!r}?" if close else ""


@dataclass(slots=True)
class Problems:
    """The mistakes of one file in `folder`. They are told all at once, in the order of its lines."""

    file: str
    folder: Path = Path()
    lines: dict[KeyPath, int] = field(default_factory=dict)
    _found: list[tuple[int, KeyPath, str]] = field(default_factory=list)

    def add(self, path: KeyPath, message: str, *, line: int = 0) -> None:
        """Note a mistake at a key path; the line is that of the path or of the nearest part around it."""
        self._found.append((line or self.line(path), path, message))

    def line(self, path: KeyPath) -> int:
        """The line, from 1, of a key path or of what is around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def under(self, *path: str | int) -> bool:
        """Whether there is a mistake at the path or inside it."""
        return any(at[: len(path)] == path for _, at, _ in self._found)

    def raise_any(self) -> None:
        """Tell all mistakes, if there are any."""
        if self._found:
            told = dict.fromkeys(self._line(*found) for found in sorted(self._found, key=lambda found: found[0]))
            raise ConfigError("\n".join(told), hint=f"correct {self.file}, then run `antiphon lint`")

    def _line(self, line: int, path: KeyPath, message: str) -> str:
        return f"{self.file}:{line}: {render(path)}: {message}" if path else f"{self.file}:{line}: {message}"


def read(path: Path) -> tuple[dict[str, Any], Problems]:
    """The file as plain values, and its mistakes so far: keys given twice, keys that are no text, tags.

    Raises:
        ConfigError: there is no such file, it is no YAML, or there is nothing in it to go on with.
    """
    problems = Problems(path.name, path.parent.resolve())
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file", hint="`antiphon init` makes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: it cannot be read as UTF-8 text: {error}") from None
    root = _compose(text, problems)
    if root is None:
        raise ConfigError(f"{path.name}: the file is empty", hint="`antiphon init` makes one")
    if not isinstance(root, MappingNode):
        raise ConfigError(f"{path.name}:1: found a list or a single value; allowed: a map with name, sides, entities")
    return _Builder(problems).mapping(root, (), ()), problems


def _compose(text: str, problems: Problems) -> Node | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is set anew is lawful YAML
            node: Node | None = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        if "\\t" in problem:
            problem = "a tab cannot indent; use spaces"
        problems.add((), f"this is no valid YAML: {problem}", line=line)
    except YAMLError as error:
        problems.add((), f"this is no valid YAML: {error}")
    else:
        return node
    problems.raise_any()
    return None


@dataclass(slots=True)
class _Builder:
    """Plain values from YAML nodes. `within` are the nodes around a value, by which an alias of itself is found."""

    problems: Problems

    def value(self, node: Node, path: KeyPath, within: tuple[Node, ...]) -> Any:
        if any(node is outer for outer in within):
            self.problems.add(path, "the alias contains itself")
            return None
        if not isinstance(node, ScalarNode) and node.tag not in {f"{_TAG}map", f"{_TAG}seq"}:
            self.problems.add(path, f"found the tag {node.tag}; sync.yml has no tags")
        match node:
            case MappingNode():
                return self.mapping(node, path, within)
            case SequenceNode():
                items = []
                for index, item in enumerate(node.value):
                    self.problems.lines[*path, index] = item.start_mark.line + 1
                    items.append(self.value(item, (*path, index), (*within, node)))
                return items
            case _:
                return self.scalar(node, path)

    def mapping(self, node: MappingNode, path: KeyPath, within: tuple[Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                merged = {**self.merged(value, path, (*within, node)), **merged}
                continue
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            at = (*path, name)
            if key.tag != f"{_TAG}str":
                self.problems.add(
                    at, f"found the key {name}, which YAML does not read as text; quote it: {name!r}", line=line
                )
            if name in found:
                self.problems.add(at, f"is given twice, first in line {self.problems.lines[at]}", line=line)
                continue
            self.problems.lines[at] = line
            found[name] = self.value(value, at, (*within, node))
        return {**merged, **found}

    def merged(self, node: Node, path: KeyPath, within: tuple[Node, ...]) -> dict[str, Any]:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        found: dict[str, Any] = {}
        for source in sources:
            value = self.value(source, path, within)
            if isinstance(value, Mapping):
                found = {**value, **found}
            else:
                self.problems.add(path, "`<<` takes in maps only")
        return found

    def scalar(self, node: Node, path: KeyPath) -> Any:
        text = str(node.value)
        match str(node.tag).removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.casefold() in {"true", "yes", "on", "y"}
            case "int":
                return _integer(text)
            case "float":
                return float(text.replace("_", "").casefold().replace(".inf", "inf").replace(".nan", "nan"))
            case "str" | "timestamp":
                return text
            case tag:
                self.problems.add(path, f"found the tag {tag}; sync.yml has no tags")
                return text


def _integer(text: str) -> int:
    digits = text.replace("_", "").casefold()
    unsigned = digits.lstrip("+-")
    base = _NUMBER_BASES.get(unsigned[:2], 10)
    return int(unsigned[2:] if base != 10 else unsigned, base) * (-1 if digits.startswith("-") else 1)  # noqa: PLR2004
