"""Plain text in columns: cut, wrapped and aligned by the cells that a terminal gives it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len

WIDTH = 100
"""No line is wider than this."""

INDENT = 4
GAP = 2


def cut(text: str, width: int) -> str:
    """The text, ended with … where it is wider than `width` cells."""
    if cell_len(text) <= width:
        return text
    kept = ""
    for character in text:
        if cell_len(kept + character) > width - 1:
            break
        kept += character
    return kept.rstrip() + "…" if width > 0 else ""


def wrap(text: str, width: int, *, first: int | None = None) -> list[str]:
    """The text in lines of at most `width` cells (the first: `first`), broken at spaces; too wide a word anywhere."""
    room = width if first is None else first
    lines = [""]
    for gap, word in re.findall(r"(\s*)(\S+)", text):
        rest = word
        if lines[-1] and cell_len(lines[-1]) + len(gap) + cell_len(rest) <= room:
            lines[-1] += " " * len(gap) + rest
            continue
        if lines[-1]:
            lines.append("")
            room = width
        while cell_len(rest) > room:
            head = _head(rest, room)
            lines[-1], rest = head, rest[len(head) :]
            lines.append("")
            room = width
        lines[-1] = rest
    return lines


def paragraph(text: str, *, indent: int = 0, hanging: int | None = None) -> list[str]:
    """The text wrapped to the page. `hanging`: the indent of every line after the first."""
    further = indent if hanging is None else hanging
    lines = wrap(text, WIDTH - further, first=WIDTH - indent)
    return [" " * (further if number else indent) + line for number, line in enumerate(lines)]


def table(rows: Iterable[Sequence[str]], *, indent: int = INDENT, most: Sequence[int], whole: bool = True) -> list[str]:
    """Rows in columns as wide as their widest cell, at most `most`.

    The last column wraps in the room that is left; unless it is to be `whole`, it is cut there.
    """
    shown = [[cut(cell, width) for cell, width in zip(row, most, strict=False)] + [row[-1]] for row in rows]
    widths = [max((cell_len(row[n]) for row in shown), default=0) for n in range(len(most))]
    at = indent + sum(width + GAP for width in widths)
    lines = []
    for row in shown:
        head = " " * indent + "".join(_pad(cell, width + GAP) for cell, width in zip(row, widths, strict=False))
        last = wrap(row[-1], WIDTH - at) if whole else [cut(row[-1], WIDTH - at)]
        lines.append((head + last[0]).rstrip())
        lines += [(" " * at + line).rstrip() for line in last[1:]]
    return lines


def listed(items: Sequence[str], *, joint: str = ", ") -> str:
    """Items in one text, without the empty ones."""
    return joint.join(item for item in items if item)


def number(count: int) -> str:
    """A count that people can read: 6,812."""
    return f"{count:,}"


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))


def _head(text: str, width: int) -> str:
    """As much of the text as fits, at least one character."""
    size = 1
    while size < len(text) and cell_len(text[: size + 1]) <= width:
        size += 1
    return text[:size]
