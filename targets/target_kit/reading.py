"""Reading Singer lines in large chunks, waking up when something is due even if no more lines come."""

from __future__ import annotations

import io
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
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

    `bulk`, if set, is offered a chunk of whole lines and where the unread ones begin, and answers up to where it took
    them: the same place if it did not.
    """

    default_input = sys.stdin.buffer if hasattr(sys.stdin, "buffer") else io.BytesIO()

    def __init__(self) -> None:
        super().__init__()
        self.clock: Clock | None = None
        self.bulk: Callable[[bytes, int], int] | None = None
        self.line = 0

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read to the end; how many messages of each type there were. Raises `ProtocolError` naming the line."""
        counted: Counter[str] = Counter()
        for chunk in self._chunks(file_input):
            start = 0
            while start < len(chunk):
                taken = self.bulk(chunk, start) if self.bulk is not None else start
                if taken > start:
                    rows = chunk.count(b"\n", start, taken)
                    self.line += rows
                    counted["RECORD"] += rows
                else:
                    taken = chunk.find(b"\n", start) + 1 or len(chunk)
                    self.line += 1
                    if kind := self._one(chunk[start:taken], callbacks):
                        counted[kind] += 1
                start = taken
            if self.clock is not None and (left := self.clock.seconds_left()) is not None and left <= 0:
                self.clock.wake()
        return counted

    def _one(self, line: bytes, callbacks: Mapping[str, Callable[[dict[str, Any]], None]]) -> str:
        """Hand over one message; its type. Types that are not known are passed over."""
        if line.isspace():
            return ""
        message = self.deserialize_json(line)
        kind = message.get("type")
        if not isinstance(kind, str):
            raise ProtocolError(f"{self.where}: a message without a `type`: {_excerpt(line)}")
        if (callback := callbacks.get(kind)) is not None:
            callback(message)
        return kind

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
