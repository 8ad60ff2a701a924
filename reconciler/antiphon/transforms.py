"""What `transform:` makes of a value on its one way. Pure functions of the value and the source's time zone.

| step       | of                   | makes                                                                        |
|------------|----------------------|------------------------------------------------------------------------------|
| `sha256`   | text, number, truth  | the hex digest (FIPS 180-4) of its text in UTF-8                             |
| `month`    | a date, an instant   | `2026-11`                                                                    |
| `date`     | a date, an instant   | `2026-11-20`                                                                 |
| `decimal`  | a number             | it with so many digits after the point, half to even                         |
| `template` | text, number, truth  | the template with the value in place of `{value}`                            |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from hashlib import sha256
from zoneinfo import ZoneInfo

from antiphon.model import Value

PLACE = "{value}"
"""Where a template holds the value."""

_LONGEST = 100
"""A number of more digits than this is no number that anybody rounds."""


@dataclass(frozen=True, slots=True)
class Untransformable:
    """A step cannot make anything of the value. `step` is its name."""

    step: str


def transformed(steps: tuple[tuple[str, str], ...], value: Value, timezone: str) -> Value | Untransformable:
    """The value after all steps; null stays null. `timezone`: of instants that name none, and of their dates."""
    for step, argument in steps:
        if value is None:
            return None
        made = _step(step, argument, value, timezone)
        if made is None:
            return Untransformable(step)
        value = made
    return value


def _step(step: str, argument: str, value: Value, timezone: str) -> Value:
    """What one step makes of it; None if nothing."""
    if step == "decimal":
        return _rounded(value, int(argument))
    if step in ("month", "date"):
        day = _day(value, timezone)
        return day.isoformat()[: 7 if step == "month" else 10] if day is not None else None
    text = _text(value)
    if text is None:
        return None
    return sha256(text.encode()).hexdigest() if step == "sha256" else argument.replace(PLACE, text)


def _text(value: Value) -> str | None:
    """Equal values have one text: 1, 1.0 and 1.00 are `1`."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            number = _number(value)
            return None if number is None else format(number.normalize() if number else Decimal(0), "f")
        case _:
            return None


def _number(value: Value) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST else None


def _rounded(value: Value, digits: int) -> Decimal | None:
    number = _number(value)
    try:
        return None if number is None else number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    except InvalidOperation:  # more digits than the default context holds
        return None


def _day(value: Value, timezone: str) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        return moment.date()
    try:
        return moment.astimezone(ZoneInfo(timezone)).date()
    except OverflowError:  # there it is a day before the first, or after the last
        return None
