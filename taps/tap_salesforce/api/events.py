"""Change events: a subscription to the Pub/Sub API, and what an event says.

| answer                                              | what is done                                                  |
|-----------------------------------------------------|---------------------------------------------------------------|
| events                                              | handed over, and as many asked for again                      |
| an answer without any                               | `Position`: all that there was has been told                  |
| nothing for a while, once the topic was had         | the end, of which nothing is concluded; who stays, begins anew |
| `UNAUTHENTICATED`                                   | another token, once                                           |
| `UNAVAILABLE`, no answer, a connection that broke   | again from the last replay id, after 0.5 s, doubled each time |
| `INVALID_ARGUMENT` with `…replayid.corrupted`       | `ExpiredReplay`: the event of the replay id is kept no longer |
| any other                                           | `Refused`, by name                                            |

Needs the extra `salesforce-cdc`. Source: Salesforce docs, "Pub/Sub API", "Change Data Capture Developer Guide".
"""

from __future__ import annotations

import io
import json
import logging
import queue
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import fastavro
import grpc

from tap_salesforce.api import pubsub as wire
from tap_salesforce.api.errors import ExpiredReplay, NotAuthorized, OverLimit, Refused, SalesforceError, Unavailable
from tap_salesforce.api.session import ATTEMPTS, CLIENT, Session

OVERFLOW = "GAP_OVERFLOW"

_SILENT = 330.0
"""Seconds after which a subscription that stays is begun anew: within 270 an empty answer says that it is alive."""

_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
    }
)

logger = logging.getLogger("tap_salesforce")


@dataclass(frozen=True, slots=True)
class Change:
    """One event. `kind`: `CREATE`, `UPDATE`, `GAP_DELETE` …; `columns`: those that it says were changed.

    `ours`: it is of a write with our name as the client.
    """

    ids: Sequence[str]
    kind: str
    at: datetime
    columns: Sequence[str]
    ours: bool
    replay_id: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """Where the stream stands, with nothing before it left to tell."""

    replay_id: bytes


Told: TypeAlias = Change | Position
_Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]


class Events:
    """The change events of an org. `address`: host and port; `http://` before it stands for no TLS.

    `silence`: seconds without an answer after which a subscription is taken for read; `patience`: seconds that a call
    with one answer may take.
    """

    def __init__(
        self, session: Session, org_id: str, address: str, silence: float, *, patience: float = 30.0
    ) -> None:  # fmt: skip
        self.session, self._org_id, self._silence, self._patience = session, org_id, silence, patience
        plain = address.startswith("http://")
        target = address.removeprefix("http://").removeprefix("https://")
        tls = grpc.ssl_channel_credentials()
        self._channel = grpc.insecure_channel(target) if plain else grpc.secure_channel(target, tls)
        self._schemas: dict[str, tuple[Any, list[dict[str, Any]]]] = {}

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def of(self, name: str, after: bytes | None, *, stay: bool = False) -> Generator[Told, None, None]:
        """The events of an object after that of a replay id, or all that are kept, until there are no more for now.

        With `stay` those to come as well, without an end.

        Raises `ExpiredReplay`, and the other errors of `tap_salesforce.api.errors`.
        """
        what, renewed = f"the change events of {name}", False
        topic = f"/data/{name.removesuffix('__c')}{'__' if name.endswith('__c') else ''}ChangeEvent"
        attempt = 1
        while True:
            token = self.session.token()
            try:
                for told in self._subscribed(topic, after, token.value, token.instance, stay=stay):
                    after, attempt = told.replay_id, 1
                    yield told
            except grpc.RpcError as error:
                failure = _failure(error, what)
                if isinstance(failure, NotAuthorized) and not renewed and self.session.ended(token):
                    renewed = True
                    continue
                if not isinstance(failure, Unavailable) or attempt == ATTEMPTS:
                    raise failure from None
                wait = 0.5 * 2 ** (attempt - 1)
                logger.info("%s: %s; again in %.1f s", what, failure.message, wait)
                self.session.pause(wait)
                attempt += 1
            else:
                if not stay:
                    return

    def _subscribed(self, topic: str, after: bytes | None, token: str, instance: str, *, stay: bool) -> Iterator[Told]:
        metadata: _Metadata = (("accesstoken", token), ("instanceurl", instance), ("tenantid", self._org_id))
        # Silence says nothing unless there is such a topic, and somebody who answers.
        self._ask("GetTopic", wire.TopicRequest(topic_name=topic), wire.TopicInfo, metadata)
        subscribe = self._channel.stream_stream(
            f"/{wire.SERVICE}/Subscribe",
            request_serializer=wire.FetchRequest.SerializeToString,
            response_deserializer=wire.FetchResponse.FromString,
        )
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        start = {"replay_preset": wire.CUSTOM, "replay_id": after} if after else {"replay_preset": wire.EARLIEST}
        requests.put(wire.FetchRequest(topic_name=topic, num_requested=wire.MOST, **start))
        call = subscribe(iter(requests.get, None), metadata=metadata)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_gather, args=(call, answers), daemon=True).start()
        try:
            while True:
                try:
                    answer = answers.get(timeout=_SILENT if stay else self._silence)
                except queue.Empty:
                    return
                if isinstance(answer, grpc.RpcError):
                    raise answer
                if not answer.events:
                    yield Position(answer.latest_replay_id)
                    if stay:
                        continue
                    return
                # Asked for before these are worked on: one that is told no event has been told all that there are.
                requests.put(wire.FetchRequest(topic_name=topic, num_requested=len(answer.events)))
                for each in answer.events:
                    yield self._change(each, metadata)
        finally:
            requests.put(None)
            call.cancel()

    def _change(self, told: Any, metadata: _Metadata) -> Change:
        schema, fields = self._schema(told.event.schema_id, metadata)
        said = fastavro.schemaless_reader(io.BytesIO(told.event.payload), schema, None)
        if not isinstance(said, dict):
            raise SalesforceError(f"an event of schema {told.event.schema_id} is no record")
        head = said["ChangeEventHeader"]
        changed = _columns(head["changedFields"], fields)
        if head["changeType"] in {"CREATE", "UNDELETE"}:
            changed = _all_of(said, fields)
        return Change(
            ids=head["recordIds"],
            kind=head["changeType"],
            at=datetime.fromtimestamp(head["commitTimestamp"] / 1000, UTC),
            columns=changed,
            ours=f"client={CLIENT}" in head["changeOrigin"].split(";"),
            replay_id=told.replay_id,
        )

    def _schema(self, schema_id: str, metadata: _Metadata) -> tuple[Any, list[dict[str, Any]]]:
        if schema_id not in self._schemas:
            asked = wire.SchemaRequest(schema_id=schema_id)
            shown = json.loads(self._ask("GetSchema", asked, wire.SchemaInfo, metadata).schema_json)
            self._schemas[schema_id] = (fastavro.parse_schema(shown), shown["fields"])
        return self._schemas[schema_id]

    def _ask(self, call: str, asked: Any, answer: Any, metadata: _Metadata) -> Any:
        ask = self._channel.unary_unary(
            f"/{wire.SERVICE}/{call}",
            request_serializer=type(asked).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return ask(asked, metadata=metadata, timeout=self._patience)


def _gather(call: Any, answers: queue.SimpleQueue[Any]) -> None:
    """Read a subscription's answers, and in the end its error: gRPC has no limit of time for one answer."""
    try:
        for answer in call:
            answers.put(answer)
    except grpc.RpcError as error:
        answers.put(error)


def _failure(error: Any, what: str) -> SalesforceError:
    """What a call that ended means."""
    code, words = error.code(), " ".join(str(error.details()).split())
    told = dict(error.trailing_metadata() or ()).get("error-code", "")
    said = f"{what}: Salesforce says: {words} ({told or code.name})"
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT if told == wire.CORRUPTED:
            return ExpiredReplay(said)
        case grpc.StatusCode.UNAUTHENTICATED:
            return NotAuthorized(said, hint="the access token has ended: get another, or use a flow that renews it")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return OverLimit(said, hint="the limit counts the last 24 hours: run again later, or less often")
        case code if code in _PASSING:
            return Unavailable(said, hint="try again later; if it stays so, is `pubsub_address` to be had from here?")
        case grpc.StatusCode.NOT_FOUND | grpc.StatusCode.PERMISSION_DENIED:
            hint = (
                "select the object in Setup, Change Data Capture, and give the user the right to view all its records"
            )
            return Refused(said, hint=hint)
        case _:
            return Refused(said)


# ---- fields


def _columns(bitmaps: Sequence[str], fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of bitmaps, in which a bit stands for a field, the lowest for the first; `4-0x3`: some of field 4."""
    found = []
    for each in bitmaps:
        place, _, bits = each.rpartition("-")
        known = [field["name"] for field in fields] if not place else _within(fields[int(place)])
        found += [name for at, name in enumerate(known) if int(bits, 16) >> at & 1]
    return found


def _all_of(said: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that an event has a value for."""
    found: list[str] = []
    for each in fields[1:]:
        value = said.get(each["name"])
        if isinstance(value, dict):
            found += [name for name, held in zip(_within(each), value.values(), strict=True) if held is not None]
        elif value is not None:
            found.append(each["name"])
    return found


def _within(field: Mapping[str, Any]) -> list[str]:
    """The columns of a field that is a record: of a person's name, of an address, whose kind stands before, a place."""
    name = str(field["name"])
    record = next(kind for kind in field["type"] if isinstance(kind, dict))
    shorts = [str(each["name"]) for each in record["fields"]]
    if name.endswith("Address"):
        return [f"{name.removesuffix('Address')}{short}" for short in shorts]
    if name.endswith("__c"):
        return [f"{name.removesuffix('c')}{short}__s" for short in shorts]
    return shorts
