"""What all streams of the tap share: the connection, the envelope beside each record, and reading ahead."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from singer_sdk import Stream
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import CatalogEntry, Message, Metadata, MetadataMapping, RecordMessage, Schema, SchemaMessage

if TYPE_CHECKING:
    from tap_hubspot.api import HubSpot
    from tap_hubspot.tap import TapHubSpot

ENVELOPE = "sync"
"""Stands beside `schema` and `record` in a message, where other plugins ignore it."""

DELETED_AT = "_sdc_deleted_at"
MOMENT = {"type": ["string", "null"], "format": "date-time", "readOnly": True}

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class SchemaWithSync(SchemaMessage):
    """SCHEMA that also says which account is read, and what time it is there."""

    sync: dict[str, Any] | None = None


class RecordWithSync(RecordMessage):
    """RECORD that also says what became of the record."""

    sync: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The message."""
        shown: dict[str, Any] = super().to_dict()
        return {**shown, ENVELOPE: self.sync}


class Writer(MsgSpecWriter):
    """Writes messages in large pieces; the SDK's writer has the system take each by itself."""

    def write_message(self, message: Message) -> None:
        """Write a message; all is out when a STATE is."""
        sys.stdout.buffer.write(self.format_message(message))
        if not isinstance(message, RecordMessage):
            sys.stdout.flush()


class WholeSchema(Schema):
    """A schema with the words that the SDK's form of it leaves out: `readOnly`, `x-unique`, `x-options`."""

    whole: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The schema as it was declared."""
        return self.whole


class HubSpotStream(Stream):
    """A stream of HubSpot. `get_records` yields rows; what stands under `ENVELOPE` in one goes beside the record."""

    STATE_MSG_FREQUENCY = 50_000

    def __init__(self, tap: TapHubSpot, name: str, schema: dict[str, Any] | None = None) -> None:
        super().__init__(tap, schema, name)
        self._hubspot_tap = tap

    @property
    def hubspot(self) -> HubSpot:
        """The account."""
        return self._hubspot_tap.hubspot

    @property
    def metadata(self) -> MetadataMapping:
        """What is selected; the column that tells of deletions goes along with any other."""
        found: MetadataMapping = super().metadata
        crumb = ("properties", DELETED_AT)
        if crumb in found:
            found[crumb].inclusion = Metadata.InclusionType.AUTOMATIC
        return found

    @property
    def chosen(self) -> list[str]:
        """The columns that are selected, in the order of the schema."""
        return [name for name in self.schema["properties"] if self.mask[("properties", name)]]

    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        account = self.hubspot.account()
        sync = {"account": f"hubspot:{account.portal}", "clock": self.hubspot.session.clock().isoformat()}
        own = self.schema["properties"]
        for plain in super()._generate_schema_messages():
            columns = {
                name: own[name]
                if own.get(name, {}).get("type") == column.get("type")
                else column  # a map may change it
                for name, column in plain.schema["properties"].items()
            }
            schema = {**plain.schema, "properties": columns}
            yield SchemaWithSync(plain.stream, schema, plain.key_properties, plain.bookmark_properties, sync)

    @property
    def _singer_catalog_entry(self) -> CatalogEntry:
        entry = super()._singer_catalog_entry
        schema = WholeSchema()
        schema.whole = self.schema
        entry.schema = schema
        return entry

    def _generate_record_messages(self, record: dict[str, Any]) -> Generator[RecordMessage, None, None]:
        sync = record.pop(ENVELOPE, None)
        for plain in super()._generate_record_messages(record):
            if sync is None:
                yield plain
            else:
                told = RecordWithSync(plain.stream, plain.record, plain.version, plain.time_extracted)
                told.sync = sync
                yield told


def ahead(workers: ThreadPoolExecutor, depth: int, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in the order of the items, with so many under way at once and no more kept."""
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(workers.submit(work, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()


def in_batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """The items in lists of at most `size`."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
