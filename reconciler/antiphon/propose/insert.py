"""meltano.yml with more plugins and a job in it: what stood there stays where and as it was, comments and all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from antiphon.errors import ConfigError
from antiphon.propose.blocks import Blocks
from antiphon.propose.write import flow

_WIDTH: Final = 116
_NAMED: Final = ("extractors", "loaders", "utilities", "jobs")
_ALWAYS_BLOCKS: Final = (*_NAMED, "plugins", "tasks", "commands", "settings")


@dataclass(slots=True)
class _Edits:
    """Pieces of the text to be replaced by others, collected first, so that every place stays where it was read."""

    text: str
    replace: bool
    found: list[tuple[int, int, str]] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    def applied(self) -> str:
        """The text with all of them. Of two at one place, the one found first stands first: it is the deeper one."""
        text = self.text
        places = [(start, end, number) for number, (start, end, _) in enumerate(self.found)]
        for start, end, number in sorted(places, reverse=True):
            text = text[:start] + self.found[number][2] + text[end:]
        return text


def insert(text: str, wanted: Blocks, *, replace: bool = False) -> str:
    """The file's text with these plugins and this job in it.

    What is there and says the same is left alone. `replace` overwrites what is there and says something else.
    Raises `ConfigError` without it, and for a file that cannot be added to.
    """
    try:
        root = YAML(pure=True).compose(text)
    except YAMLError as error:
        raise ConfigError(f"meltano.yml is no YAML: {error}", hint="`meltano lint` says more") from error
    edits = _Edits(text, replace)
    new: dict[str, Any] = {"plugins": {kind: list(plugins) for kind, plugins in wanted.plugins.items() if plugins}}
    new["jobs"] = [dict(wanted.job)]
    if wanted.commands:
        new["plugins"].setdefault("utilities", []).append({"name": wanted.utility, "commands": dict(wanted.commands)})
    if root is None:
        root_text = text if text.endswith("\n") or not text else f"{text}\n"
        return root_text + "\n".join(_lines(new, 0)) + "\n"
    _into(edits, root, new)
    if edits.differing:
        told = ", ".join(dict.fromkeys(edits.differing))
        raise ConfigError(
            f"meltano.yml has {told} already, and it says something else",
            hint="--force overwrites it; --job NAME makes a job of another name",
        )
    changed = edits.applied()
    if not _holds(changed, new):
        raise ConfigError(
            "meltano.yml is written in a form that nothing can be added to",
            hint="add this by hand:\n" + "\n".join(_lines(new, 0)),
        )
    return changed if changed.endswith("\n") else f"{changed}\n"


def _into(edits: _Edits, node: Node, new: Mapping[str, Any], *, name: str = "") -> None:
    """Put keys into a mapping; its other keys are no contradiction."""
    if not isinstance(node, MappingNode) or not node.value:
        _overwrite(edits, node, new)
        return
    there = {key.value: value for key, value in node.value}
    missing = {}
    for key, value in new.items():
        if key not in there:
            missing[key] = value
        elif isinstance(value, Mapping):
            _into(edits, there[key], value, name=name or key)
        elif key in _NAMED:
            _named(edits, there[key], value)
        elif _plain(there[key]) != value:
            _differs(edits, there[key], value, f"{name} {key}".strip())
    if missing:
        _add_keys(edits, node, missing)


def _named(edits: _Edits, node: Node, items: Sequence[Mapping[str, Any]]) -> None:
    """Put items into a sequence whose items have names."""
    if not isinstance(node, SequenceNode) or not node.value:
        _overwrite(edits, node, list(items))
        return
    there = {_name(item): item for item in node.value}
    missing = []
    for item in items:
        name = str(item["name"])
        more = item.keys() == {"name", "commands"}
        if name not in there and more:
            edits.differing.append(f"the utility {name} in another file")
        elif name not in there:
            missing.append(item)
        elif more:
            _into(edits, there[name], item, name=f"the utility {name}'s command")
        elif _plain(there[name]) != item:
            _differs(edits, there[name], item, name)
    if missing:
        _add_items(edits, node, missing)


def _differs(edits: _Edits, node: Node, value: Any, what: str) -> None:
    if not edits.replace:
        edits.differing.append(what)
    elif isinstance(value, Mapping) and isinstance(node, MappingNode) and not node.flow_style:
        lines = list(_lines(value, node.start_mark.column))
        edits.found.append((node.start_mark.index, _end(node), "\n".join(lines).lstrip()))
    else:
        edits.found.append((node.start_mark.index, _end(node), flow(value)))


def _overwrite(edits: _Edits, node: Node, value: Any) -> None:
    """Where nothing stands: `plugins:` alone, `{}` or `[]`."""
    indent = 2 if isinstance(value, Mapping) else 0
    column = _line_indent(edits.text, node.start_mark.index)
    piece = "\n" + "\n".join(_lines(value, column + indent))
    start, end = len(edits.text[: node.start_mark.index].rstrip()), node.end_mark.index
    if isinstance(node, ScalarNode) and not node.value:  # nothing at all: the mark is somewhere behind the colon
        end = start
    edits.found.append((start, end, piece))


def _add_keys(edits: _Edits, node: MappingNode, new: Mapping[str, Any]) -> None:
    if node.flow_style:
        piece = ", ".join(f"{flow(str(key))}: {flow(value)}" for key, value in new.items())
        _add_flow(edits, node, piece)
        return
    lines = _lines(new, node.start_mark.column)
    end = _end_of_line(edits.text, node)
    edits.found.append((end, end, "\n" + "\n".join(lines)))


def _add_items(edits: _Edits, node: SequenceNode, items: Iterable[Mapping[str, Any]]) -> None:
    if node.flow_style:
        _add_flow(edits, node, ", ".join(flow(item) for item in items))
        return
    end = _end_of_line(edits.text, node)
    edits.found.append((end, end, "\n" + "\n".join(_lines(list(items), node.start_mark.column))))


def _add_flow(edits: _Edits, node: MappingNode | SequenceNode, piece: str) -> None:
    end = node.end_mark.index - 1
    edits.found.append((end, end, f", {piece}" if node.value else piece))


def _end(node: Node) -> int:
    """Where the text of a node ends, without the empty lines and comments behind it."""
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _end_of_line(text: str, node: Node) -> int:
    """The end of the last line of a node, behind the comment that may stand there."""
    end = len(text[: _end(node)].rstrip())
    found = text.find("\n", end)
    return found if found >= 0 else len(text)


def _line_indent(text: str, index: int) -> int:
    """By how much the line of a place is indented."""
    begin = text.rfind("\n", 0, len(text[:index].rstrip())) + 1
    line = text[begin:]
    return len(line) - len(line.lstrip(" "))


def _lines(value: Any, indent: int) -> list[str]:
    """A value in block style down to what fits a line."""
    pad = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            line = f"{pad}{flow(str(key))}: {flow(inner)}"
            deep = isinstance(inner, Mapping | list) and key in _ALWAYS_BLOCKS
            if not deep and len(line) <= _WIDTH:
                lines.append(line)
            elif isinstance(inner, Mapping):
                lines += [f"{pad}{flow(str(key))}:", *_lines(inner, indent + 2)]
            else:
                lines += [f"{pad}{flow(str(key))}:", *_lines(inner, indent)]
        return lines
    for item in value:
        if isinstance(item, Mapping) and "name" in item and "kind" not in item:
            first, *rest = _lines(item, indent + 2)
            lines += [f"{pad}- {first.lstrip()}", *rest]
        else:
            lines.append(f"{pad}- {item if isinstance(item, str) else flow(item)}")
    return lines


def _name(node: Node) -> str:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == "name":
                return str(value.value)
    return ""


def _plain(node: Node) -> Any:
    """The values of a node."""
    return YAML(typ="safe", pure=True).constructor.construct_document(node)


def _holds(text: str, new: Any) -> bool:
    """Whether the text, read anew, has all of this in it."""
    try:
        return _within(new, YAML(typ="safe", pure=True).load(text))
    except YAMLError:
        return False


def _within(new: Any, whole: Any) -> bool:
    match new:
        case Mapping():
            return isinstance(whole, Mapping) and all(k in whole and _within(v, whole[k]) for k, v in new.items())
        case list() if new and isinstance(new[0], Mapping):
            there = {item.get("name"): item for item in whole or () if isinstance(item, Mapping)}
            return all(item["name"] in there and _within(item, there[item["name"]]) for item in new)
        case _:
            return bool(new == whole)
