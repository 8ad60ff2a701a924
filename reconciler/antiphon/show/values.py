"""One value, or the change from one to another, in a few words.

| value                   | in words                                           |
|-------------------------|----------------------------------------------------|
| null, "", []            | (empty)                                            |
| not known               | (unknown)                                          |
| true                    | true                                               |
| 1500.00 (a decimal)     | 1500.00, never with an exponent                    |
| text                    | itself, without control characters, cut with …     |
| a list                  | its members, with commas                           |
| an object               | its JSON                                           |
| of a sensitive field    | •••                                                |
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from antiphon.equivalence import canonical_json, is_empty
from antiphon.model import Missing
from antiphon.show.text import cut

MASK = "•••"
EMPTY, UNKNOWN = "(empty)", "(unknown)"
_MOST_DIGITS = 40
_LEAD = 8


def in_words(value: Any, width: int | None = None) -> str:  # a value as it came from any system, or MISSING
    """The value in words, in at most `width` cells."""
    text = _words(value)
    return text if width is None else cut(text, width)


def quoted(value: Any, width: int | None = None) -> str:  # as for `in_words`
    """The value in words, texts in quotation marks."""
    text = in_words(value, width)
    return f'"{text}"' if isinstance(value, str) and value and not text.startswith('"') else text


def change(old: Any, new: Any, width: int) -> str:  # as for `in_words`
    """`Rome → Paris`, each in at most `width` cells. Long texts that begin alike are shown where they part."""
    before, after = _words(old), _words(new)
    if before == after and MASK not in (before, after) and _differ(old, new):
        before, after = _escaped(canonical_json(old)), _escaped(canonical_json(new))
    first, last = cut(before, width), cut(after, width)
    if first == last and before != after:
        parting = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
        start = max(0, (parting if parting is not None else min(len(before), len(after))) - _LEAD)
        first, last = cut("…" + before[start:], width), cut("…" + after[start:], width)
    return f"{first} → {last}"


def printable(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def _escaped(text: str) -> str:
    """As `printable`, but nothing looks alike that is not."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _differ(old: Any, new: Any) -> bool:
    """Not the same value, though both read alike; values that mean empty or unknown are alike."""
    if isinstance(old, Missing) or isinstance(new, Missing) or (is_empty(old) and is_empty(new)):
        return False
    return canonical_json(old) != canonical_json(new)


def _words(value: Any) -> str:
    if isinstance(value, Missing):
        return UNKNOWN
    if is_empty(value):
        return EMPTY
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() and abs(value.adjusted()) <= _MOST_DIGITS else str(value)
    if isinstance(value, str):
        text = printable(value)
        return f'"{text}"' if text != text.strip() or text in (EMPTY, UNKNOWN) else text
    if isinstance(value, list):
        return ", ".join(_words(member) for member in value)
    return printable(canonical_json(value) if isinstance(value, dict) else str(value))
