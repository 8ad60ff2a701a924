"""A person's decisions on conflicts, written down so that the next plan carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import msgspec

from antiphon.equivalence import canonical_json, from_json
from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT, MEMBER
from antiphon.model import Conflict, ConflictKind, ConflictState, Side, replace

_BY_VALUE = frozenset(
    {
        ConflictKind.FIELD,
        ConflictKind.JOIN,
        ConflictKind.DIVERGED,
        ConflictKind.CLOBBERED,
        ConflictKind.PING_PONG,
    }
)
_BY_SIDE = _BY_VALUE | {ConflictKind.DELETE, ConflictKind.DELETE_UPDATE}
_BY_RETRY = frozenset({ConflictKind.REJECTED, ConflictKind.NOT_VISIBLE})


@dataclass(frozen=True, slots=True)
class Take:
    """This side's value, or this side's word on a deletion."""

    side: Side


@dataclass(frozen=True, slots=True)
class Give:
    """Another value for both sides."""

    value: Any


@dataclass(frozen=True, slots=True)
class Retry:
    """A refused write is tried again."""


Decision: TypeAlias = Take | Give | Retry


def decision_of(
    sides: tuple[Side, Side], *, take: Side | None, value: str | None, retry: bool, cid: str = "CONFLICT"
) -> Decision:
    """The decision that options say. Raises `ConfigError` unless they say exactly one that can be."""
    given = [take is not None, value is not None, retry]
    if sum(given) != 1:
        raise ConfigError(
            "give exactly one of --take SIDE, --value VALUE, --retry",
            hint=f"`antiphon conflicts show {cid}` says which fit",
        )
    if take is not None:
        if take not in sides:
            raise ConfigError(f"--take {take}: there is no such side", hint=f"the sides are {' and '.join(sides)}")
        return Take(take)
    return Retry() if value is None else Give(value_of(value))


def value_of(text: str) -> Any:  # any JSON value
    """A value as a person types it: JSON, or else text."""
    try:
        return from_json(text)
    except msgspec.DecodeError:
        return text


def unfit(conflict: Conflict, decision: Decision) -> str:
    """Why the decision does not settle the conflict; empty if it does."""
    if conflict.state is ConflictState.CLOSED:
        return "it is over: it was settled, or overtaken by events"
    match decision:
        case Take():
            fits, word = _BY_SIDE, "a side"
        case Give():
            fits, word = _BY_VALUE, "a value"
        case Retry():
            fits, word = _BY_RETRY, "another try"
        case _:
            assert_never(decision)
    if conflict.kind not in fits:
        return f"{word} is no answer to a conflict of the kind {conflict.kind.value}"
    if isinstance(decision, Give) and len({name for shown in conflict.values.values() for name in shown}) > 1:
        return f"{conflict.field} is a group of fields, which one value does not settle"
    return ""


def outlook(decision: Decision) -> str:
    """What will happen, in words."""
    match decision:
        case Take(side):
            return f"{side}'s word goes with the next sync"
        case Give(value):
            text = value if isinstance(value, str) else canonical_json(value)
            return f"both sides get {text} with the next sync"
        case Retry():
            return "it is tried again with the next sync"
        case _:
            assert_never(decision)


def decide(ledger: Ledger, decisions: Mapping[str, Decision]) -> None:
    """Write decisions down by conflict id, all of them or none. A conflict may be decided anew until it is over.

    Raises:
        ConfigError: a conflict is not there, or its decision does not fit; see `unfit`.
    """
    with ledger.transaction():
        found = ledger.store.get(CONFLICT, [(cid,) for cid in decisions])
        rows = []
        for cid, decision in decisions.items():
            conflict = found.get((cid,))
            if conflict is None:
                raise ConfigError(f"there is no conflict {cid}", hint="`antiphon conflicts list` shows those that wait")
            problem = unfit(conflict, decision)
            if problem:
                raise ConfigError(
                    f"the conflict {cid}: {problem}", hint=f"`antiphon conflicts show {cid}` says what settles it"
                )
            rows.append(replace(conflict, decision=_plain(decision), state=ConflictState.RESOLVED))
        ledger.put(rows)
        held = [m for m in ledger.store.find(MEMBER, "lid", sorted({(row.lid,) for row in rows})) if m.held]
        ledger.mark([(m.side, m.entity, m.rid) for m in held], touched=True)


def resolve(
    ledger: Ledger, sides: tuple[Side, Side], cid: str, *, take: Side | None, value: str | None, retry: bool
) -> str:
    """Decide one conflict by one of the three answers. Returns what will happen, in a sentence."""
    decision = decision_of(sides, take=take, value=value, retry=retry, cid=cid)
    decide(ledger, {cid: decision})
    return f"{cid}: {outlook(decision)}"


def _plain(decision: Decision) -> dict[str, Any]:
    match decision:
        case Take(side):
            return {"take": side}
        case Give(value):
            return {"value": value}
        case Retry():
            return {"retry": True}
        case _:
            assert_never(decision)
