"""A person's decision on a conflict, written down so that the next plan carries it out."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.equivalence import from_json
from antiphon.errors import ConfigError
from antiphon.ledger import Ledger
from antiphon.ledger.tables import CONFLICT, MEMBER
from antiphon.model import Conflict, ConflictKind, ConflictState, Side, replace

_BY_SIDE = frozenset(
    {ConflictKind.FIELD, ConflictKind.JOIN, ConflictKind.DIVERGED, ConflictKind.DELETE, ConflictKind.DELETE_UPDATE}
)
_BY_VALUE = frozenset({ConflictKind.FIELD, ConflictKind.JOIN, ConflictKind.DIVERGED})
_BY_RETRY = frozenset({ConflictKind.REJECTED, ConflictKind.NOT_VISIBLE})


def resolve(
    ledger: Ledger, sides: tuple[Side, Side], cid: str, *, take: Side | None, value: str | None, retry: bool
) -> str:
    """Decide a conflict by one of the three answers. Returns what will happen, in a sentence."""
    answers = [
        name
        for name, given in (("--take", take is not None), ("--value", value is not None), ("--retry", retry))
        if given
    ]
    if len(answers) != 1:
        raise ConfigError(
            "give exactly one of --take SIDE, --value VALUE, --retry",
            hint=f"`antiphon conflicts show {cid}` says which fit",
        )
    conflict = _open_conflict(ledger, cid)
    if take is not None and take not in sides:
        raise ConfigError(f"--take {take}: there is no such side", hint=f"the sides are {' and '.join(sides)}")
    fits = {"--take": _BY_SIDE, "--value": _BY_VALUE, "--retry": _BY_RETRY}[answers[0]]
    if conflict.kind not in fits:
        raise ConfigError(
            f"{answers[0]} is no answer to a conflict of the kind {conflict.kind.value}",
            hint=f"`antiphon conflicts show {conflict.cid}` says what to change",
        )
    decision: dict[str, Any] = (
        {"retry": True} if retry else ({"take": take} if take is not None else {"value": _value(value or "")})
    )
    with ledger.transaction():
        ledger.put([replace(conflict, decision=decision, state=ConflictState.RESOLVED)])
        held = [m for m in ledger.store.find(MEMBER, "lid", [(conflict.lid,)]) if m.held]
        ledger.mark([(m.side, m.entity, m.rid) for m in held], touched=True)
    said = f"{take}'s word goes" if take is not None else ("it is tried again" if retry else f"both sides get {value}")
    return f"{cid}: {said} with the next sync"


def _open_conflict(ledger: Ledger, cid: str) -> Conflict:
    found = ledger.get(CONFLICT, cid)
    if found is None:
        raise ConfigError(f"there is no conflict {cid}", hint="`antiphon conflicts list` shows those that wait")
    if found.state is ConflictState.CLOSED:
        raise ConfigError(f"the conflict {cid} is over: it was settled, or overtaken by events")
    return found


def _value(text: str) -> Any:  # any JSON value
    try:
        return from_json(text)
    except msgspec.DecodeError:
        return text
