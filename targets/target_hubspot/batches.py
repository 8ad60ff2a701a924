"""A hundred records in one request, and one result for each, whatever HubSpot makes of the batch.

Results come in another order than the inputs. Each input has an `objectWriteTraceId`, so that HubSpot takes the good
ones and names the bad ones (status 207); a batch that it refuses as a whole is split until the bad one stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tap_hubspot.api import (
    Answer,
    DailyLimit,
    HubSpot,
    HubSpotError,
    MaybeApplied,
    MissingScopes,
    NotAuthorized,
    Refused,
    Unavailable,
)
from tap_hubspot.api.errors import words_of
from target_kit import Failed, Fault, Gone, Rejected, TargetError

Shown: TypeAlias = Mapping[str, Any]
Result: TypeAlias = Shown | Rejected | Failed | Gone
"""A record as HubSpot shows it after the write, or why there is none."""

_STATUS = {"VALIDATION_ERROR": 400, "OBJECT_NOT_FOUND": 404, "CONFLICT": 409, "RATE_LIMITS": 429}
_LATER = frozenset({"RATE_LIMITS", "RATE_LIMIT", "INTERNAL_ERROR", "TIMEOUT", "LOCKED"})


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a batch. `trace` names it in the answer, `id` is the record's id or its value of `by`."""

    trace: str
    id: str
    values: Mapping[str, str]
    by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the batch endpoints take it."""
        body: dict[str, Any] = {"properties": dict(self.values), "objectWriteTraceId": self.trace}
        body |= {"id": self.id} if self.id else {}
        return {**body, "idProperty": self.by} if self.by else body


def written(
    hubspot: HubSpot, name: str, action: str, inputs: Sequence[Input], *, repeatable: bool = True
) -> dict[str, Result]:
    """Write a batch; one result per input, by its trace.

    Raises `Unavailable`, `MaybeApplied`, `DailyLimit`, `MissingScopes`, `NotAuthorized` for the batch as a whole.
    """
    if not inputs:
        return {}
    try:
        answer = hubspot.write(name, action, [each.to_json() for each in inputs], repeatable=repeatable)
    except Refused as error:
        if len(inputs) == 1:
            return {inputs[0].trace: refusal(error.body, error.status)}
        return _halves(hubspot, name, action, inputs, repeatable=repeatable)
    found = _matched(answer, inputs)
    lost = [each for each in inputs if each.trace not in found]
    if not lost:
        return found
    if len(inputs) == 1:
        return {inputs[0].trace: _unexplained(answer)}
    return found | _halves(hubspot, name, action, lost, repeatable=repeatable)


def _halves(
    hubspot: HubSpot, name: str, action: str, inputs: Sequence[Input], *, repeatable: bool
) -> dict[str, Result]:
    middle = (len(inputs) + 1) // 2
    first = written(hubspot, name, action, inputs[:middle], repeatable=repeatable)
    return first | written(hubspot, name, action, inputs[middle:], repeatable=repeatable)


def _matched(answer: Answer, inputs: Sequence[Input]) -> dict[str, Result]:
    """What belongs to which input: by trace id, by the record's id, by the unique property that was asked for."""
    by_key = {(each.by or "", each.id): each.trace for each in inputs if each.id}
    by = next((each.by for each in inputs if each.by), None)
    known = {each.trace for each in inputs}
    found: dict[str, Result] = {}
    for shown in answer.results:
        trace = str(shown.get("objectWriteTraceId") or "")
        if trace not in known:
            trace = by_key.get(("", str(shown["id"])), "")
        if not trace and by:
            trace = by_key.get((by, str(shown["properties"].get(by))), "")
        if trace:
            found[trace] = shown
    for error in answer.errors:
        context = error.get("context") or {}
        for trace in context.get("objectWriteTraceId") or ():
            found[str(trace)] = refusal(error, None)
        for key in context.get("ids") or context.get("id") or ():
            trace = by_key.get((by or "", str(key)), "")
            if trace:
                found.setdefault(trace, refusal(error, None))
    return {trace: result for trace, result in found.items() if trace in known}


def refusal(error: Mapping[str, Any], status: int | None) -> Rejected | Failed | Gone:
    """What HubSpot's error means for its row, in HubSpot's words."""
    category = str(error.get("category") or error.get("errorType") or "Refused")
    fault = Fault(category, words_of(error, status), status or _STATUS.get(category))
    if category in _LATER:
        return Failed(fault)
    gone = category == "OBJECT_NOT_FOUND" or fault.status == 404  # noqa: PLR2004
    return Gone() if gone and not error.get("subCategory") else Rejected(fault)


def _unexplained(answer: Answer) -> Rejected | Failed | Gone:
    if answer.errors:
        return refusal(answer.errors[0], None)
    return Failed(Fault("NoResult", "HubSpot's answer has neither a result nor an error for this record"))


def outage(error: HubSpotError) -> Failed:
    """What an error that stops a whole batch means for each of its rows. Raises `TargetError` if settings are wrong."""
    match error:
        case DailyLimit():
            return Failed(Fault("DailyLimit", error.message, 429))
        case MaybeApplied():
            return Failed(Fault("MaybeApplied", error.message, 504))
        case Unavailable():
            return Failed(Fault("Unavailable", error.message, 503))
        case NotAuthorized() | MissingScopes():
            raise TargetError(error.message, hint=error.hint) from error
        case _:
            return Failed(Fault(error.category or type(error).__name__, error.message, error.status))
