"""Singer messages as values, read strictly: what is no message stops the run with the plugin's name and the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from antiphon.errors import PluginFailed
from antiphon.model import Value
from antiphon.singer.batches import FAULT, check_encoding, read_file

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_EXCERPT = 80


class Schema(Struct, frozen=True):
    """SCHEMA: the columns of a stream from here on. `bookmark` names its replication key, empty for a full table.

    `sync` is the envelope of our own taps; other plugins have none.
    """

    stream: str
    properties: Mapping[str, Mapping[str, Any]]
    key: tuple[str, ...]
    bookmark: tuple[str, ...] = ()
    sync: Mapping[str, Any] = field(default_factory=dict)


class Record(Struct, frozen=True, gc=False, tag="RECORD"):
    """RECORD: one row. `sync` is the envelope of our own taps; other plugins have none."""

    stream: str
    record: dict[str, Any]  # of values
    sync: dict[str, Any] = {}


class State(Struct, frozen=True):
    """STATE: how far the tap is, in its own words."""

    value: Mapping[str, Any]


class Ignored(Struct, frozen=True):
    """A message that says nothing about records: ACTIVATE_VERSION and what is yet to be invented."""

    type: str


class Lines(Struct, frozen=True):
    """Consecutive lines, each a message, or a record of `stream` if one is named: those of a BATCH file.

    `source` names them in complaints, `first` is the number of the first one; `hide` takes secrets out of what is said.
    `cut_off`: the one line has no end.
    """

    texts: Sequence[bytes]
    source: str
    first: int = 1
    stream: str | None = None
    hide: Callable[[str], str] = str
    cut_off: bool = False

    def part(self, start: int, stop: int) -> Lines:
        """Some of the lines."""
        if start == 0 and stop >= len(self.texts):
            return self
        return replace(self, texts=self.texts[start:stop], first=self.first + start)

    def whole(self) -> Sequence[bytes]:
        """The lines as whole messages, to tell them apart by their text."""
        if self.stream is None:
            return self.texts
        begin = b'{"type": "RECORD", "stream": ' + _encoder.encode(self.stream) + b', "record": '
        return [begin + text + b"}" for text in self.texts]

    def message(self, at: int) -> Message | None:
        """What one line says; an empty one says nothing. Raises `PluginFailed` naming the source and the line."""
        line = self.texts[at]
        if self.stream is None and (record := _record(line)) is not None:
            return record
        if not line.strip():
            return None
        where = f"{self.source}, line {self.first + at}"
        try:
            if self.stream is not None:
                return Record(self.stream, _row(line, where))
            message = _parse(line, where)
            return replace(message, hide=self.hide) if isinstance(message, Batch) else message
        except PluginFailed as error:
            raise PluginFailed(self.hide(error.message), hint=error.hint) from error


class Batch(Struct, frozen=True):
    """BATCH: records of a stream in files beside the output. `where` the message came from."""

    stream: str
    manifest: tuple[str, ...]
    encoding: Mapping[str, Any]
    where: str
    hide: Callable[[str], str] = str

    def lines(self) -> Iterator[Lines]:
        """The records of all files, some at a time. Raises `PluginFailed` naming the file."""
        for url in self.manifest:
            place = f"{self.where}: the BATCH file {url}"
            try:
                for first, texts in read_file(url, self.encoding, self.where):
                    yield Lines(texts, place, first, stream=self.stream, hide=self.hide)
            except PluginFailed as error:
                raise PluginFailed(self.hide(error.message), hint=error.hint) from error


Message: TypeAlias = Schema | Record | State | Batch | Ignored

_records = msgspec.json.Decoder(Record, float_hook=Decimal)


def parse(line: bytes, where: str) -> Message:
    """The message on a line. Raises `PluginFailed` naming `where` (plugin and line)."""
    return _record(line) or _parse(line, where)


def _record(line: bytes) -> Record | None:
    """The RECORD on a line, which nearly all are; None if it is something else, or a faulty one."""
    try:
        return _records.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _parse(line: bytes, where: str) -> Message:
    """A message of any type, with all that may be wrong with it."""
    try:
        shown = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PluginFailed(
            f"{where}: this is no Singer message ({error}): {_excerpt(line)}",
            hint="a tap prints nothing but messages, each a whole line of JSON in UTF-8, without NaN or Infinity",
        ) from error
    if not isinstance(shown, dict) or not isinstance(shown.get("type"), str):
        raise PluginFailed(
            f"{where}: this is no Singer message: {_excerpt(line)}", hint="a message is an object with a `type`"
        )
    try:
        return _message(shown, where)
    except KeyError as error:
        raise PluginFailed(f"{where}: a {shown['type']} without {error}: {_excerpt(line)}", hint=FAULT) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PluginFailed(f"{where}: a {shown['type']} that is none: {_excerpt(line)}", hint=FAULT) from error


def _message(shown: dict[str, Any], where: str) -> Message:
    match shown["type"]:
        case "RECORD":
            record = shown["record"]
            if not isinstance(record, dict):
                raise PluginFailed(
                    f"{where}: a RECORD of {shown.get('stream')!r} whose record is no object", hint=FAULT
                )
            return Record(shown["stream"], record, _envelope(shown.get("sync")))
        case "STATE":
            value = shown["value"]
            if not isinstance(value, dict):
                raise PluginFailed(
                    f"{where}: a STATE that is no object: {_excerpt(_encoder.encode(value))}",
                    hint="the tap is at fault; nothing of this STATE was stored",
                )
            return State(value)
        case "SCHEMA":
            properties = shown["schema"].get("properties", {})
            return Schema(
                shown["stream"],
                dict(properties),
                tuple(shown.get("key_properties") or ()),
                tuple(shown.get("bookmark_properties") or ()),
                _envelope(shown.get("sync")),
            )
        case "BATCH":
            check_encoding(shown["encoding"], where)
            return Batch(shown["stream"], tuple(shown["manifest"]), shown["encoding"], where)
        case other:
            return Ignored(other)


def _row(line: bytes, where: str) -> dict[str, Value]:
    """A record of a BATCH file."""
    try:
        record = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PluginFailed(f"{where}: this is no JSON ({error}): {_excerpt(line)}", hint=FAULT) from error
    if not isinstance(record, dict):
        raise PluginFailed(f"{where}: this is no record: {_excerpt(line)}", hint=FAULT)
    return record


def _envelope(shown: Any) -> dict[str, Any]:
    """The envelope of our own taps; what another tap may keep under this name is none."""
    return shown if isinstance(shown, dict) else {}


def _excerpt(line: bytes) -> str:
    text = line.decode(errors="replace").strip()
    return repr(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…")


def encode(message: Mapping[str, Any]) -> bytes:
    """One line of Singer text."""
    return _encoder.encode(message) + b"\n"
