"""The shape of sync.yml: its JSON Schema, applied to one file, with every answer in the words of the file.

The schema's own keywords: `x-sides` opens a map to the names of the two sides, `x-side` admits one of them (or one of
the words it lists), `x-available: false` marks what a later version will do. Editors pass over all three.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from antiphon.config.document import KeyPath, Problems, did_you_mean

_LATER = "not available in this version"
_WORDS = {
    "string": "text",
    "integer": "a number",
    "number": "a number",
    "boolean": "true, false",
    "array": "a list",
    "object": "a map",
}
_BESIDE_SIDES = ("field", "reference", "policy", "on_delete", "direction", "empty")
"""The definitions whose words may stand where a side's name may."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of sync.yml, as it ships with the package."""
    found: dict[str, Any] = json.loads(files("antiphon.config").joinpath("schema.json").read_text(encoding="utf-8"))
    return found


@cache
def reserved() -> frozenset[str]:
    """The words that no side may be named by, since they mean something where a side's name may stand."""
    defs = schema()["$defs"]
    within = [defs[name] for name in _BESIDE_SIDES]
    within += [defs["entity"]["properties"]["initial"], defs["entity_side"]["properties"]["on_create"]]
    return frozenset(word for part in within for word in _words(part))


def _words(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for item in part:
            yield from _words(item)
    elif isinstance(part, dict):
        yield from part.get("enum", ())
        yield from part.get("x-side", ())
        yield from part.get("properties", ())
        for key, value in part.items():
            if key not in {"enum", "examples", "default"}:
                yield from _words(value)


def name_fault(side: str) -> str:
    """What is wrong with a side's name; nothing if it may be used."""
    if side in reserved():
        return f"found the side name {side!r}, which is a word of this file; reserved: {', '.join(sorted(reserved()))}"
    if not side.replace("-", "_").isidentifier() or not side.isascii():
        return f"found the side name {side!r}; allowed: a name of letters, digits, - and _"
    return ""


def check(data: Mapping[str, Any], problems: Problems) -> None:
    """Hold the file against its schema and note what does not fit.

    While the sides are not two with lawful names, nothing is said of the places that name them.
    """
    given = data.get("sides")
    named = isinstance(given, Mapping) and len(given) == 2 and not any(name_fault(name) for name in given)  # noqa: PLR2004
    sides = sorted(given) if named and isinstance(given, Mapping) else []
    validator = _Validator(_for_sides(schema(), sides))
    for error in _without_echoes(validator.iter_errors(data)):
        for path, message in _explain(error):
            problems.add(path, message)


def _unavailable(_validator: Any, available: Any, _instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not available:
        yield ValidationError(_LATER)


_Validator = extend(Draft202012Validator, {"x-available": _unavailable})  # type: ignore[no-untyped-call]


def _for_sides(part: Any, sides: Sequence[str]) -> Any:
    """The schema with its references written out and the names of the sides put in."""
    if isinstance(part, list):
        return [_for_sides(item, sides) for item in part]
    if not isinstance(part, dict):
        return part
    found = {key: _for_sides(value, sides) for key, value in part.items() if key not in {"$defs", "$ref"}}
    if "$ref" in part:
        target = schema()["$defs"][part["$ref"].rpartition("/")[2]]
        found = {**_for_sides(target, sides), **found}
    if "x-side" in part and sides:
        found["enum"] = [*sides, *part["x-side"]]
    if "x-sides" in part and sides:
        found["properties"] = {**dict.fromkeys(sides, found["additionalProperties"]), **found.get("properties", {})}
        found["additionalProperties"] = False
        if part["x-sides"] == "required":
            found["required"] = [*sides, *found.get("required", ())]
    return found


def _without_echoes(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """One answer per mistake: what is not available needs no more said, a misspelt key is not missing as well."""
    found = list(errors)
    later = {tuple(e.absolute_path) for e in found if e.validator == "x-available"}
    strangers = {tuple(e.absolute_path): _strangers(e) for e in found if e.validator == "additionalProperties"}

    def echo(error: ValidationError) -> bool:
        path = tuple(error.absolute_path)
        if error.validator != "x-available" and any(path[: len(at)] == at for at in later):
            return True
        if error.validator != "required" or path not in strangers:
            return False
        key, rule = _missing(error), _rule(error)
        return len(rule["properties"]) == 1 or any(did_you_mean(name, [key]) for name in strangers[path])

    return [error for error in found if not echo(error)]


def _rule(error: ValidationError) -> dict[str, Any]:
    """The part of the schema that was not met."""
    return error.schema if isinstance(error.schema, dict) else {}


def _strangers(error: ValidationError) -> list[str]:
    value: Any = error.instance
    return [key for key in value if key not in _rule(error).get("properties", {})]


def _missing(error: ValidationError) -> str:
    """Which key a `required` error speaks of; jsonschema makes one error per missing key."""
    required: list[str] = _rule(error)["required"]
    return next(key for key in required if error.message.startswith(repr(key)))


def _explain(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    path: KeyPath = tuple(error.absolute_path)
    rule = _rule(error)
    value: Any = error.instance
    match error.validator:
        case "anyOf":
            best = _best_branch(error)
            if best:
                for inner in best:
                    yield from _explain(inner)
            else:
                yield path, _found(value, rule)
        case "additionalProperties":
            known = list(_options(rule))
            for key in _strangers(error):
                yield (
                    (*path, key),
                    f"found an unknown key {key!r}; allowed: {', '.join(known)}{did_you_mean(key, known)}",
                )
        case "required":
            yield path, f"lacks {_missing(error)!r}; required: {', '.join(rule['required'])}"
        case "x-available":
            yield path, f"found {value!r}, which is {_LATER}" if isinstance(value, str) else f"is {_LATER}"
        case "minProperties" | "maxProperties" if path == ("sides",):
            yield path, f"found {len(value)} sides ({', '.join(value)}); allowed: exactly two"
        case "minItems" | "minProperties" | "minLength" if not value:
            yield path, f"is empty; allowed: {', '.join(_allowed(rule))}"
        case "maxProperties":
            yield path, f"found {len(value)} keys ({', '.join(value)}); allowed: one of them"
        case "uniqueItems":
            yield path, "names something twice"
        case "minimum":
            yield path, f"found {_shown(value)}; allowed: {rule['minimum']} or more"
        case "enum" | "type" | "pattern":
            yield path, _found(value, rule)
        case _:
            yield path, error.message


def _best_branch(error: ValidationError) -> list[ValidationError]:
    """The errors of the branch that was meant: one that waits for a later version, or the one of the right type."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    for inners in branches.values():
        if all(inner.validator == "x-available" for inner in inners):
            return inners
    fitting = [
        inners
        for inners in branches.values()
        if not any(inner.validator in {"type", "enum"} and not inner.relative_path for inner in inners)
    ]
    return _without_echoes(fitting[0]) if len(fitting) == 1 else []


def _found(value: Any, rule: Mapping[str, Any]) -> str:
    allowed = _allowed(rule)
    text = f"found {_kind(value) if rule.get('writeOnly') else _shown(value)}; allowed: {', '.join(allowed)}"
    if isinstance(value, str):
        return text + did_you_mean(value, allowed)
    if isinstance(value, bool | int | float) and _takes_text(rule):
        return f"{text}; if it is meant as text, quote it"
    return text


def _takes_text(rule: Mapping[str, Any]) -> bool:
    return (rule.get("type") == "string" and not {"enum", "pattern"} & rule.keys()) or any(
        _takes_text(branch) for branch in rule.get("anyOf", ())
    )


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a map"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return repr(value)
        case _:
            return _kind(value)


def _allowed(rule: Mapping[str, Any]) -> list[str]:
    """What a schema admits, in words."""
    if rule.get("x-available") is False:
        return []
    if "enum" in rule:
        return [str(word) for word in rule["enum"]]
    if "anyOf" in rule:
        return list(dict.fromkeys(word for branch in rule["anyOf"] for word in _allowed(branch)))
    words = str(rule.get("title", _WORDS.get(str(rule.get("type")), "anything")))
    if rule.get("type") == "object" and len(rule.get("properties", {})) > 0 and "title" not in rule:
        options = _options(rule)
        return (
            [f"{{{key}: …}}" for key in options] if rule.get("maxProperties") == 1 or len(options) == 1 else ["a map"]
        )
    return [f"{words} such as {' or '.join(rule['examples'])}"] if _has_texts(rule.get("examples")) else [words]


def _options(rule: Mapping[str, Any]) -> list[str]:
    """The keys that a map may have in this version."""
    return [key for key, inner in rule.get("properties", {}).items() if inner.get("x-available") is not False]


def _has_texts(examples: Any) -> bool:
    return isinstance(examples, list) and all(isinstance(example, str) for example in examples)
