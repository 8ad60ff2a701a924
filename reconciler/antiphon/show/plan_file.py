"""The plan file: what `plan --out` writes, a person reviews, and `apply` carries out.

JSON, one operation per line. A person may take lines out; an operation that was edited is refused, because its
fingerprint is of another write. The value of a sensitive field is replaced by its digest, which is what the fingerprint
covers of every value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.equivalence import canonical_json, from_json
from antiphon.errors import ConfigError
from antiphon.mapping import Mapping as SyncMapping
from antiphon.model import Instant, Op, OpKind, Side, Value
from antiphon.plan import Plan
from antiphon.plan.review import fingerprint, marked
from antiphon.show.times import iso
from antiphon.show.veil import Veil

VERSION = 1
_HINT = "write it anew: `antiphon plan --out FILE`"


@dataclass(frozen=True, slots=True)
class ReviewedOp:
    """One operation of a plan file, its hidden values as marks."""

    fingerprint: str
    lid: str
    side: Side
    entity: str
    kind: OpKind
    key: Mapping[str, Value]
    patch: Mapping[str, Value]
    expect: Mapping[str, Value]
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """What a person looked at: the writes, by their fingerprints, and what they were planned from."""

    ledger: str
    mapping_version: str
    made_at: str
    fingerprints: tuple[str, ...]
    operations: tuple[ReviewedOp, ...]


def dump(plan: Plan, mapping: SyncMapping, ledger_id: str, at: Instant) -> str:
    """The plan as the text of a plan file."""
    veil = Veil(mapping)
    kinds = Counter(op.kind for op in plan.operations)
    head = {"ledger": ledger_id, "mapping_version": mapping.version, "made_at": iso(at)}
    summary = {kind.value: kinds[kind] for kind in OpKind}
    operations = ",\n".join(canonical_json(_written(veil, op)) for op in plan.operations)
    lines = [f'{{"antiphon_plan": {VERSION},']
    lines += [f"{canonical_json(name)}: {canonical_json(value)}," for name, value in head.items()]
    lines += [f'"summary": {canonical_json(summary)},', '"operations": [']
    return "\n".join([*lines, *([operations] if operations else []), "]}", ""])


def load(text: str, where: str) -> ReviewedPlan:
    """The plan in a file's text; `where` names the file.

    Raises:
        ConfigError: it is no plan file, of another version, damaged or edited.
    """
    try:
        found = from_json(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"{where}: this is no JSON: {error}", hint=_HINT) from error
    if not isinstance(found, dict) or "antiphon_plan" not in found:
        raise ConfigError(f"{where}: this is no plan of Antiphon", hint=_HINT)
    version = found["antiphon_plan"]
    if isinstance(version, bool) or version != VERSION:
        raise ConfigError(
            f"{where}: the plan file has version {canonical_json(version)}; this installation reads version {VERSION}",
            hint=_HINT,
        )
    head = {name: _field(found, name, str, where, "") for name in ("ledger", "mapping_version", "made_at")}
    given = _field(found, "operations", list, where, "")
    operations = tuple(_operation(item, where, f"operations[{n}]") for n, item in enumerate(given))
    twice = [name for name, count in Counter(op.fingerprint for op in operations).items() if count > 1]
    if twice:
        raise ConfigError(f"{where}: the operation {twice[0]} stands in it twice", hint=_HINT)
    return ReviewedPlan(**head, fingerprints=tuple(op.fingerprint for op in operations), operations=operations)


def _operation(item: Any, where: str, at: str) -> ReviewedOp:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: {at} is {_kind(item)}, not an object", hint=_HINT)
    texts = {name: _field(item, name, str, where, at) for name in ("fingerprint", "lid", "side", "entity", "kind")}
    maps = {name: _field(item, name, dict, where, at) for name in ("key", "patch", "expect", "reasons")}
    kind = texts.pop("kind")
    if kind not in {known.value for known in OpKind}:
        allowed = ", ".join(known.value for known in OpKind)
        raise ConfigError(f"{where}: {at}.kind is {kind!r}; it may be {allowed}", hint=_HINT)
    for name, why in maps["reasons"].items():
        if not isinstance(why, str):
            raise ConfigError(f"{where}: {at}.reasons.{name} is {_kind(why)}, not a text", hint=_HINT)
    op = ReviewedOp(**texts, kind=OpKind(kind), **maps)
    if fingerprint(op) != op.fingerprint:
        raise ConfigError(
            f"{where}: {at} was edited: its fingerprint {op.fingerprint!r} is of another write",
            hint=f"take out whole operations, or {_HINT}",
        )
    return op


def _field(found: Mapping[str, Any], name: str, wanted: type, where: str, at: str) -> Any:
    path = f"{at}.{name}" if at else name
    if name not in found:
        raise ConfigError(f"{where}: {path} is missing", hint=_HINT)
    if not isinstance(found[name], wanted):
        raise ConfigError(f"{where}: {path} is {_kind(found[name])}, not {_NAMES[wanted]}", hint=_HINT)
    return found[name]


_NAMES: Mapping[type, str] = {str: "a text", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}


def _kind(value: Any) -> str:
    return _NAMES.get(type(value), "a number")


def _written(veil: Veil, op: Op) -> dict[str, Any]:
    """The operation as it stands in the file."""
    secrets = veil.secrets([op])

    def veiled(values: Mapping[str, Value], hidden: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value if hidden[name] == value else marked(op, name, value) for name, value in values.items()}

    archive = op.kind is OpKind.DELETE
    return {
        "fingerprint": fingerprint(op),
        "lid": op.lid,
        "side": op.side,
        "entity": op.entity,
        "kind": op.kind.value,
        "key": veiled(op.key, veil.columns(op.entity, op.side, op.key)),
        "patch": dict(op.patch) if archive else veiled(op.patch, veil.fields(op.entity, op.patch)),
        "expect": veiled(op.expect, veil.fields(op.entity, op.expect)),
        "reasons": {name: veil.text(why, secrets) for name, why in op.reasons.items()},
    }
