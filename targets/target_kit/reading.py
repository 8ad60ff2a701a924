"""Reading Singer lines in large chunks, waking up when something is due even if no more lines come."""

from __future__ import annotations

import io
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import IO, Any, Protocol

import msgspec
from singer_sdk.singerlib.encoding import GenericSingerReader

from target_kit.errors import ProtocolError

CHUNK = 1 << 20
_EXCERPT = 80
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Clock(Protocol):
    """Who must be woken up in time."""

    def seconds_left(self) -> float | None:
        """Seconds until something is due; None if nothing waits."""

    def wake(self) -> None:
        """Do what is due."""


class ChunkReader(GenericSingerReader[bytes]):
    """Hands each message to its callback. `clock` is woken between chunks and while the input is silent.

    `bulk`, if set, is offered every chunk of whole lines first and answers how many bytes of it it took.
    """

    default_input = sys.stdin.buffer if hasattr(sys.stdin, "buffer") else io.BytesIO()

    def __init__(self) -> None:
        super().__init__()
        self.clock: Clock | None = None
        self.bulk: Callable[[bytes], int] | None = None
        self.line = 0

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read to the end; how many messages of each type there were. Raises `ProtocolError` naming the line."""
        counted: Counter[str] = Counter()
        for chunk in self._chunks(file_input):
            taken = self.bulk(chunk) if self.bulk is not None else 0
            if taken:
                self.line += (rows := chunk.count(b"\n", 0, taken))
                counted["RECORD"] += rows
            for line in chunk[taken:].split(b"\n") if taken < len(chunk) else ():
                self.line += 1
                if not line or line.isspace():
                    continue
                message = self.deserialize_json(line)
                kind = message.get("type")
                callback = callbacks.get(kind) if isinstance(kind, str) else None
                if callback is not None:
                    callback(message)
                elif not isinstance(kind, str):
                    raise ProtocolError(f"{self.where}: a message without a `type`: {_excerpt(line)}")
                counted[str(kind)] += 1
            if chunk.endswith(b"\n") and taken < len(chunk):
                self.line -= 1  # what stands behind the last line's end is no line
            if self.clock is not None and (left := self.clock.seconds_left()) is not None and left <= 0:
                self.clock.wake()
        return counted

    @property
    def where(self) -> str:
        """The line that is being read."""
        return f"line {self.line}"

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """The message on a line; numbers with a fraction are `Decimal`."""
        try:
            message = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProtocolError(
                f"{self.where}: this is no Singer message ({error}): {_excerpt(line)}",
                hint="a tap prints nothing but messages, each a whole line of JSON in UTF-8",
            ) from error
        if not isinstance(message, dict):
            raise ProtocolError(f"{self.where}: this is no Singer message: {_excerpt(line)}")
        return message

    def _chunks(self, file_input: IO[Any] | None) -> Iterator[bytes]:
        """Whole lines, many at once."""
        rest: list[bytes] = []
        for piece in self._pieces(file_input):
            end = piece.rfind(b"\n") + 1
            if not end:
                rest.append(piece)
                continue
            yield b"".join((*rest, piece[:end]))
            rest = [piece[end:]] if end < len(piece) else []
        if rest:
            yield b"".join(rest)

    def _pieces(self, file_input: IO[Any] | None) -> Iterator[bytes]:
        source: Any = self.default_input if file_input is None else getattr(file_input, "buffer", file_input)
        try:
            handle: int | None = source.fileno()
        except (AttributeError, OSError):
            handle = None
        while True:
            if handle is not None:
                self._wait(handle)
                piece = source.read1(CHUNK)
            else:
                piece = source.read(CHUNK)
            if not piece:
                return
            yield piece.encode() if isinstance(piece, str) else piece

    def _wait(self, handle: int) -> None:
        """Until there is input; the clock is woken when something is due before."""
        while self.clock is not None and (left := self.clock.seconds_left()) is not None:
            if select.select([handle], [], [], max(left, 0))[0]:
                return
            self.clock.wake()


def _excerpt(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    return repr(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…")
