"""Asking a user's own function to settle a conflict, and believing no more of its answer than can be checked.

The function runs in the planner, which must give the same plan for the same ledger. So it is asked twice, with copies
of the values, and a different answer the second time is none. A combined value is written to both sides, and one write
may land before the other: the function is then asked with its own answer on one side, and must not change its mind.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal

from antiphon.equivalence import canonical_json, from_json
from antiphon.mapping import Field, Kind, Python
from antiphon.model import Value
from antiphon.verdicts import Combined, Contest, Question, Undecided, Verdict, Wins


def ask(policy: Python, field: Field, contest: Contest) -> Verdict:
    """The function's verdict. Whatever is wrong with it parks the field, with the reason."""
    question = Question(
        field.name,
        field.kind.value,
        contest.sides,
        contest.values,
        contest.base or {},
        contest.changed_in,
    )
    try:
        answer, again = _ask(policy, question), _ask(policy, question)
        fault = _fault(question, answer)
        if not fault and answer != again:
            fault = "answered the same question in two ways: it must not look at time, chance or state"
        if not fault and isinstance(answer, Combined):
            fault = _unstable(policy, question, answer)
    except Exception as error:  # noqa: BLE001 a user's function may raise anything, and costs its own field only
        said = "" if field.sensitive else f": {error}"
        return Undecided(f"{policy.name} raised {type(error).__name__}{said}")
    if fault or not isinstance(answer, Wins | Combined | Undecided):
        return Undecided(f"{policy.name} {fault}")
    if isinstance(answer, Combined):
        answer = Combined((from_json(canonical_json(answer.members[0])),), answer.reason)
    return replace(answer, reason=f"{policy.name}: {answer.reason}" if answer.reason else policy.name)


def _ask(policy: Python, question: Question) -> object:
    return policy.call(deepcopy(question))


def _fault(question: Question, answer: object) -> str:
    """What is wrong with an answer; nothing if it may be believed."""
    match answer:
        case Wins(side, str()):
            names = " and ".join(question.sides)
            return "" if side in question.sides else f"let {side!r} win; the sides are {names}"
        case Combined((value,), str(), adds) if not adds:
            return _unfit(question.kind, value)
        case Combined():
            return "gave a Combined that is not one value with a reason"
        case Undecided(str()):
            return ""
        case _:
            return f"gave a {type(answer).__name__}; allowed: Wins, Combined, Undecided of antiphon.verdicts"


def _unfit(kind: str, value: Value) -> str:
    try:
        plain = from_json(canonical_json(value))
    except TypeError:
        return f"gave a {type(value).__name__}, which is no JSON value"
    if kind == Kind.NUMBER and (isinstance(plain, bool) or not isinstance(plain, int | float | Decimal)):
        return f"gave a {type(value).__name__} for a number"
    return ""


def _unstable(policy: Python, question: Question, answer: Combined) -> str:
    made = answer.members[0]
    for side in question.sides:
        values = {**question.values, side: made}
        if canonical_json(values[question.sides[0]]) == canonical_json(values[question.sides[1]]):
            continue
        match _ask(policy, replace(question, values=values)):
            case Wins(winner) if winner in values and canonical_json(values[winner]) == canonical_json(made):
                pass
            case Combined((again,)) if canonical_json(again) == canonical_json(made):
                pass
            case _:
                return (
                    f"makes another value of its own answer: with {side} holding it already, "
                    "it must give the same value again"
                )
    return ""
