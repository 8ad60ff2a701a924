"""Messages with an envelope: SCHEMA says which account is read, RECORD says what became of the record.

The envelope stands beside `schema` and `record`, where other plugins ignore it (docs/connectors.md has its words).
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from singer_sdk import Stream
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import CatalogEntry, Message, Metadata, MetadataMapping, RecordMessage, Schema, SchemaMessage

ENVELOPE = "sync"
"""Stands beside `schema` and `record` in a message, where other plugins ignore it."""

DELETED_AT = "_sdc_deleted_at"
MOMENT = {"type": ["string", "null"], "format": "date-time", "readOnly": True}


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


class EnvelopeStream(Stream):
    """A stream whose `get_records` yields rows; what stands under `ENVELOPE` in one goes beside the record."""

    STATE_MSG_FREQUENCY = 50_000

    def account_and_clock(self) -> dict[str, Any]:
        """What the SCHEMA's envelope says: `account` (a fingerprint, no secret), `clock` (the server's now)."""
        raise NotImplementedError

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

    _signpost: Any = None
    """The server's time when the read began, where a stream keeps it."""
    thorough = True
    """Whether the read looks for what takes long to find, as deletions may."""
    _before: Mapping[tuple[Any, ...], dict[str, Any]] = MappingProxyType({})

    def read_again(self, *, thorough: bool) -> None:
        """Read from the bookmark on, as a run of its own would; nothing is written of what the last read showed so."""
        self._signpost, self.thorough = None, thorough
        if signpost := self.get_replication_key_signpost(None):
            self._write_replication_key_signpost(None, signpost)
        self._write_starting_replication_value(None)
        whole = self.replication_method == "FULL_TABLE"
        if whole:
            self._write_schema_message()
        before: dict[tuple[Any, ...], dict[str, Any]] = {}
        declared = whole
        for row in self.get_records(None):
            if isinstance(row, tuple):
                raise TypeError(f"{self.name} has rows with contexts")
            key = tuple(row[name] for name in self.primary_keys)
            before[key] = row
            self._increment_stream_state(row)
            if whole or self._before.get(key) != row:
                if not declared:
                    self._write_schema_message()
                    declared = True
                self._write_record_message(dict(row))
        self._before = {} if whole else before
        self._finalize_state(self.stream_state)

    def write(self, rows: Iterable[dict[str, Any]]) -> int:
        """Write SCHEMA and these rows, or nothing if there are none; how many there were."""
        number = 0
        for number, row in enumerate(rows, 1):
            if number == 1:
                self._write_schema_message()
            self._write_record_message(row)
        return number

    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        sync, own = self.account_and_clock(), self.schema["properties"]
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
