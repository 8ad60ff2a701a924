"""The target: messages in, work to the sinks in order, receipts on the disk, and only then STATE."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NoReturn

import click
from singer_sdk import Target
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import SameRecordTransform

from antiphon.protocol import ENVELOPE, parse_bookmark
from target_kit.batches import local_files, read_jsonl
from target_kit.checks import CheckReport
from target_kit.command import TargetCommand, add_check_options, answer_check, parse_planned
from target_kit.errors import NoSchema, ProtocolError, RowsRefused, SettingsError, TargetError
from target_kit.lines import LineFile, encode
from target_kit.operations import Kind, Operation, Row, Work, parse_work
from target_kit.outcomes import Outcome, Rejected, to_receipt
from target_kit.reading import ChunkReader
from target_kit.secrets import Secrets
from target_kit.settings import FLUSH_SECONDS, FLUSH_SECONDS_FOLLOWING, SHARED_SETTINGS, SYNC_KEY, Capability
from target_kit.sink import OperationSink

_NAMED = 20
"""So many refused rows are named in the log; the others are counted."""


class OperationTarget(Target):
    """A Singer target that also keeps the reconciler's envelope; subclasses name it, its settings and its sink.

    Sinks are drained one after the other, in the order in which their work came.
    """

    package_name = "antiphon"
    default_sink_class: type[OperationSink]
    message_reader_class = ChunkReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        Capability.CHECK,
        Capability.ENVELOPE,
        Capability.RECEIPTS,
        Capability.FOLLOW,
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.logger.addFilter(_says_what_is_wrong)
        self.max_parallelism = 1
        self.secrets = Secrets(self.config, self.config_jsonschema)
        usual = FLUSH_SECONDS_FOLLOWING if self.config.get("follow") else FLUSH_SECONDS
        self._flush_seconds = float(self.config.get("flush_seconds", usual))
        self._receipts = self._line_file("receipts_path")
        self._rejected = self._line_file("rejected_path")
        self._refused = 0
        self._waiting_since: float | None = None
        self._written_state: Any = None
        self._plain: set[str] = set()
        self._warned = False
        if isinstance(self.message_reader, ChunkReader):
            self.message_reader.clock = self

    def check(self, streams: Sequence[str], *, fix: bool) -> CheckReport:
        """Answer `--check`: look at settings, rights and what the `streams` need; `fix` makes what can be made.

        Raises `TargetError` for nothing that a check can say.
        """
        raise NotImplementedError

    def estimate(self, planned: Mapping[str, Mapping[Kind, int]]) -> CheckReport:
        """Answer `--check --planned`: what so many operations on each stream cost, and whether they can be afforded.

        Raises `SettingsError` where the target does not have the capability `estimate`.
        """
        raise SettingsError(
            f"{self.name} cannot reckon what {', '.join(planned)} would cost", hint="leave --planned out"
        )

    @property
    def sync_key(self) -> str:
        """The column or property that holds the key of the link."""
        return str(self.config.get("sync_key", SYNC_KEY))

    # ---- messages

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream, schema = message_dict.get("stream"), message_dict.get("schema")
        if (
            not isinstance(stream, str)
            or not isinstance(schema, dict)
            or not isinstance(schema.get("properties"), dict)
        ):
            raise ProtocolError(
                f"{self._where}: the SCHEMA of {stream!r} is none", hint="it needs `stream` and `schema.properties`"
            )
        maps = self.mapper.stream_maps.get(stream)
        if maps and (maps[0].raw_schema, maps[0].raw_key_properties) != (schema, message_dict.get("key_properties")):
            for each in maps:
                if each.stream_alias in self._sinks_active:
                    self.drain_one(self._sinks_active[each.stream_alias])
        super()._process_schema_message(message_dict)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        work = parse_work(message_dict, self._where)
        if work is None:
            return
        stream = message_dict.get("stream")
        maps = self.mapper.stream_maps.get(str(stream))
        if maps is None:
            raise NoSchema(
                f"{self._where}: a record of {stream!r} before its SCHEMA",
                hint="the tap is at fault: it prints the SCHEMA of each stream first",
            )
        if isinstance(work, Operation):
            if len(maps) != 1 or type(maps[0]) is not SameRecordTransform:
                raise SettingsError(
                    f"`stream_maps` rebuilds {stream!r}, which carries operations of the reconciler",
                    hint="map its fields in sync.yml instead",
                )
            self._hand_over(maps[0].stream_alias, work)
            return
        self.plain_records_came(str(stream))
        for each in maps:
            record = each.transform(dict(work.record)) if _changes(each) else work.record
            if record is not None:
                self._hand_over(each.stream_alias, Row(record, work.deleted))

    def plain_records_came(self, stream: str) -> None:
        """Note that records without the envelope came, and that they wait."""
        self._plain.add(stream)
        self._wait_no_longer_than_allowed()

    def is_plain(self, stream: str) -> bool:
        """Whether a stream's records are written as they come, without stream maps."""
        maps = self.mapper.stream_maps.get(stream, ())
        return len(maps) == 1 and not _changes(maps[0]) and maps[0].stream_alias == stream

    def _hand_over(self, stream: str, work: Work) -> None:
        sink = self._operation_sink(stream)
        if isinstance(work, Operation):
            for other in self._sinks_active.values():
                if other is not sink and isinstance(other, OperationSink) and other.has_operations():
                    self.drain_one(other)
        else:
            sink.require_key(work.record, self._where)
        if sink.must_drain_before(work):
            self.drain_one(sink)
        sink.take(work)
        self._wait_no_longer_than_allowed()
        if sink.is_full:
            self.drain_one(sink)

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        if not isinstance(message_dict.get("value"), dict):
            raise ProtocolError(f"{self._where}: a STATE that is no object", hint="nothing of it was stored")
        super()._process_state_message(message_dict)
        self._wait_no_longer_than_allowed()
        if self._plain and not self._warned and parse_bookmark(message_dict["value"]) is not None:
            self._warned = True
            self.logger.warning(
                "Records of the reconciler (%s) came without the envelope `%s`: they are written as they are, without "
                "a look at what is there and without receipts. Name the target's `receipts_path` in sync.yml; if it "
                "is named, a mapper between has rebuilt them.",
                ", ".join(sorted(self._plain)),
                ENVELOPE,
            )
        if self.config.get("follow"):
            self.wake()

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        encoding = message_dict.get("encoding") or {}
        files = local_files(message_dict, self._where)
        if encoding.get("format") != "jsonl":
            raise TargetError(
                f"{self._where}: a BATCH in the format {encoding.get('format')!r}",
                hint=f"{self.name} reads jsonl batches",
            )
        for path in files:
            for record in read_jsonl(path, encoding.get("compression"), self._where):
                self._process_record_message({"stream": message_dict.get("stream"), "record": record})

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Nothing: it comes before the records that it speaks of, and proves no absence."""

    # ---- what came of it

    def record_outcome(self, stream: str, operation: Operation, outcome: Outcome) -> None:
        """Keep the receipt of an operation until the next STATE; without `receipts_path` say what went wrong."""
        if self._receipts is not None:
            self._receipts.add(to_receipt(operation.op_id, outcome, datetime.now(UTC).isoformat()))
        if isinstance(outcome, Rejected) or (self._receipts is None and type(outcome).__name__ != "Applied"):
            words = outcome.fault.message if isinstance(outcome, Rejected) else type(outcome).__name__.lower()
            self.logger.warning(
                "%s: %s of %s: %s", stream, operation.kind.value, dict(operation.key), self.secrets.hide(words)
            )

    def record_refusal(self, sink: OperationSink, row: Row, rejected: Rejected) -> None:
        """Keep a refused row, or hold STATE back from here on."""
        key = {name: row.record.get(name) for name in sink.key_properties}
        if self._rejected is None:
            self._refused += 1
        if self._rejected is not None or self._refused <= _NAMED:
            self.logger.warning(
                "%s: the record %s was refused: %s", sink.stream_name, key, self.secrets.hide(rejected.fault.message)
            )
        if self._rejected is not None:
            at, fault = datetime.now(UTC).isoformat(), rejected.fault
            error = {"class": fault.name, "status": fault.status, "message": fault.message}
            self._rejected.add({"stream": sink.stream_name, "record": dict(row.record), "error": error, "at": at})

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Print the STATE, once receipts and refused rows are on the disk."""
        self.save_lines()
        if self._refused or state == self._written_state:
            return
        self._written_state = state
        sys.stdout.write(encode(state).decode() + "\n")
        sys.stdout.flush()

    def save_lines(self) -> None:
        """Bring receipts and refused rows to the disk."""
        for file in (self._receipts, self._rejected):
            if file is not None:
                file.save()

    def process_endofpipe(self) -> None:
        """Write the rest. Raises `RowsRefused` if records were refused and kept nowhere."""
        super().process_endofpipe()
        self.save_lines()
        if self._refused:
            raise RowsRefused(
                f"{self._refused} records were refused (the first are named above); all others are written, "
                "but no STATE was printed since",
                hint="correct them at their source, or set `rejected_path` to keep them in a file and go on",
            )

    # ---- time

    def seconds_left(self) -> float | None:
        """Seconds until what waits must be written."""
        if self._waiting_since is None:
            return None
        return self._waiting_since + self._flush_seconds - time.monotonic()

    def wake(self) -> None:
        """Write and acknowledge what waits."""
        self.drain_all()
        self.save_lines()

    def _wait_no_longer_than_allowed(self) -> None:
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def _reset_max_record_age(self) -> None:
        """The SDK's word that everything is drained."""
        super()._reset_max_record_age()
        self._waiting_since = None

    # ---- the command line

    def _handle_termination(self, signum: int, frame: FrameType | None) -> NoReturn:
        """End at once: what is not committed is undone by the system, and is sent again."""
        del signum, frame
        raise KeyboardInterrupt

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The command line of the SDK's targets, with `--check`, and with one clear line for each error."""
        command = super().get_singer_command()
        return TargetCommand(
            name=cls.name,
            callback=cls.invoke,
            context_settings={"help_option_names": ["--help"]},
            params=add_check_options(command.params),
            help=command.help,
            logger=cls.logger,
        )

    @classmethod
    def invoke(
        cls,
        *,
        check: bool = False,
        streams: str = "",
        fix: bool = False,
        planned: str = "",
        about: bool = False,
        about_format: str | None = None,
        **options: Any,
    ) -> None:
        """Run the target, or answer `--check`."""
        if check and not about:
            config = options.get("config")
            target = cls(config=config.config if config else {}, parse_env_config=bool(config and config.parse_env))
            wanted = [name for name in streams.split(",") if name]
            report = target.estimate(parse_planned(planned)) if planned else target.check(wanted, fix=fix)
            answer_check(report, about_format, target.secrets.hide)
        elif streams or fix or planned:
            raise SettingsError(
                "--streams, --fix and --planned belong to --check", hint=f"{cls.name} --config F --check --fix"
            )
        super().invoke(about=about, about_format=about_format, **options)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """The shared settings, and the SDK's for stream maps and flattening; not those that nothing here reads."""
        properties = config_jsonschema.setdefault("properties", {})
        for name, declared in SHARED_SETTINGS["properties"].items():
            properties.setdefault(name, declared)
        super(Target, cls).append_builtin_config(config_jsonschema)

    # ---- small things

    @property
    def _where(self) -> str:
        return self.message_reader.where if isinstance(self.message_reader, ChunkReader) else "the input"

    def _operation_sink(self, stream: str) -> OperationSink:
        sink = self._sinks_active.get(stream)
        if not isinstance(sink, OperationSink):
            raise NoSchema(f"{self._where}: a record of {stream!r} before its SCHEMA")
        return sink

    def _line_file(self, setting: str) -> LineFile | None:
        path = self.config.get(setting)
        return LineFile(Path(path), setting, self.secrets.hide_bytes) if path else None


def _says_what_is_wrong(record: logging.LogRecord) -> bool:
    """Not the SDK's word that a sink could not be set up: the error that follows says why."""
    return not str(record.msg).startswith("Error initializing target sink")


def _changes(stream_map: Any) -> bool:
    """Whether a stream map does anything to a record."""
    return type(stream_map) is not SameRecordTransform or stream_map.flattening_enabled


logging.getLogger("singer_sdk.metrics").setLevel(logging.WARNING)
