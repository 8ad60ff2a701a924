"""`follow: true`: the tap stays, says when something changed, and shows what changed whenever it is asked.

Questions come on standard input, one JSON object a line; docs/follow.md has their words, "Writing a plugin that can be
followed". This is the half of it that no API has a part in; what is shown, and how it is learnt that something
changed, is a `Followed`.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tap_kit.errors import TapError


class Bell:
    """Rung by any thread, heard by the one that waits for it together with other files."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """What is readable once it was rung."""
        return self._read

    def ring(self) -> None:
        """Wake whoever waits."""
        try:
            os.write(self._write, b".")
        except BlockingIOError:
            return  # it rings already

    def hush(self) -> None:
        """Wait for the next time."""
        try:
            os.read(self._read, 1 << 16)
        except BlockingIOError:
            return


class Followed(Protocol):
    """What can be followed. Everything but the ringing of its bell is done in one thread."""

    bell: Bell
    """Rings when `changed` may have come to be true, or when something went wrong."""

    @property
    def pushes(self) -> bool:
        """Whether it notices changes by itself; else it is asked again and again. They may come to it late."""

    @property
    def changed(self) -> bool:
        """Whether there is something to show. Raises `TapError` if it can no longer tell."""

    def show(self) -> None:
        """Write what changed since this was last asked: SCHEMA, RECORD, STATE. Raises `TapError`."""


def stay(followed: Followed) -> None:
    """Answer until the input ends. Raises `TapError` for what is no question, and whatever `followed` raises."""
    questions = Questions()
    told = False
    say({"type": "FOLLOW", "pushes": followed.pushes, "late": True})
    while not questions.ended:
        heard: list[Questions | Bell] = [questions, followed.bell]
        ready = select.select(heard, [], [])[0]
        if followed.bell in ready:
            followed.bell.hush()
        for question in questions.read() if questions in ready else ():
            if question.get("type") == "READ":
                told = False
                followed.show()
                say({"type": "FOLLOW", "shown": question.get("read")})
            elif question.get("type") != "STATE":  # what is stored already: these sources keep nothing back for us
                raise TapError(f"standard input: {question.get('type')!r} is no question", hint="it is READ or STATE")
        if followed.changed and not told:
            told = True
            say({"type": "FOLLOW", "changed": True})


def say(message: Mapping[str, Any]) -> None:
    """Write a message, and all that was written before it."""
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.flush()


class Questions:
    """Standard input, read as it comes."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False

    def fileno(self) -> int:
        """What `select` waits for."""
        return sys.stdin.fileno()

    def read(self) -> Iterator[Mapping[str, Any]]:
        """The questions that are there. Raises `TapError` for what is none."""
        piece = os.read(self.fileno(), 1 << 16)
        self.ended = not piece
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            try:
                question = json.loads(line)
            except ValueError as error:
                raise TapError(f"standard input: this is no JSON ({error}): {line[:80]!r}") from error
            if not isinstance(question, dict):
                raise TapError(f"standard input: this is no question: {line[:80]!r}", hint="it is READ or STATE")
            yield question
