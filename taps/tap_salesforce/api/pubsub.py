"""The messages and calls of Salesforce's Pub/Sub API, as its published definition has them: `eventbus.v1.PubSub`.

They are written down here and made when they are first needed, so that no generated code has to be kept. Only what a
subscriber needs is here. Needs the extra `salesforce-cdc`. Source: developerforce/pub-sub-api, `pubsub_api.proto`;
it is CC0. What is on the wire is judged by code that others compiled from it.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

SERVICE = "eventbus.v1.PubSub"
LATEST, EARLIEST, CUSTOM = 0, 1, 2
"""Where a subscription begins: at the next event, at the first that is kept, after the one of `replay_id`."""

MOST = 100
"""Events that may be asked for at once (Salesforce docs, "Pub/Sub API Allocations")."""

CORRUPTED = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted"
"""The `error-code` of a subscription whose replay id is none, or whose event is not kept any longer."""

_PACKAGE = "eventbus.v1"
_TEXT, _BYTES, _BOOLEAN, _INTEGER, _ENUM, _MESSAGE = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_BOOL,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_ENUM,
    FieldDescriptorProto.TYPE_MESSAGE,
)
_FIELDS: dict[
    str, list[tuple[str, FieldDescriptorProto.Type.ValueType, str]]
] = {  # in the order of their numbers; `*` after a type: many
    "TopicRequest": [("topic_name", _TEXT, "")],
    "TopicInfo": [
        ("topic_name", _TEXT, ""),
        ("tenant_guid", _TEXT, ""),
        ("can_publish", _BOOLEAN, ""),
        ("can_subscribe", _BOOLEAN, ""),
        ("schema_id", _TEXT, ""),
        ("rpc_id", _TEXT, ""),
    ],
    "SchemaRequest": [("schema_id", _TEXT, "")],
    "SchemaInfo": [("schema_json", _TEXT, ""), ("schema_id", _TEXT, ""), ("rpc_id", _TEXT, "")],
    "EventHeader": [("key", _TEXT, ""), ("value", _BYTES, "")],
    "ProducerEvent": [
        ("id", _TEXT, ""),
        ("schema_id", _TEXT, ""),
        ("payload", _BYTES, ""),
        ("headers", _MESSAGE, "EventHeader*"),
    ],
    "ConsumerEvent": [("event", _MESSAGE, "ProducerEvent"), ("replay_id", _BYTES, "")],
    "FetchRequest": [
        ("topic_name", _TEXT, ""),
        ("replay_preset", _ENUM, "ReplayPreset"),
        ("replay_id", _BYTES, ""),
        ("num_requested", _INTEGER, ""),
        ("auth_refresh", _TEXT, ""),
    ],
    "FetchResponse": [
        ("events", _MESSAGE, "ConsumerEvent*"),
        ("latest_replay_id", _BYTES, ""),
        ("rpc_id", _TEXT, ""),
        ("pending_num_requested", _INTEGER, ""),
    ],
}


def _file() -> FileDescriptorProto:
    made = FileDescriptorProto(name="pubsub.proto", package=_PACKAGE, syntax="proto3")
    presets = made.enum_type.add(name="ReplayPreset")
    for number, preset in enumerate(("LATEST", "EARLIEST", "CUSTOM")):
        presets.value.add(name=preset, number=number)
    for name, fields in _FIELDS.items():
        message = made.message_type.add(name=name)
        for number, (field, kind, of) in enumerate(fields, start=1):
            label = FieldDescriptorProto.LABEL_REPEATED if of.endswith("*") else FieldDescriptorProto.LABEL_OPTIONAL
            named = f".{_PACKAGE}.{of.rstrip('*')}" if of else None
            message.field.add(name=field, number=number, type=kind, label=label, type_name=named)
    return made


_pool = DescriptorPool()  # one of our own: others may have the published definition in the usual one
_pool.Add(_file())


def _message(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


TopicRequest, TopicInfo = _message("TopicRequest"), _message("TopicInfo")
SchemaRequest, SchemaInfo = _message("SchemaRequest"), _message("SchemaInfo")
ProducerEvent, ConsumerEvent = _message("ProducerEvent"), _message("ConsumerEvent")
FetchRequest, FetchResponse = _message("FetchRequest"), _message("FetchResponse")
