"""Salesforce's Pub/Sub API: a gRPC server from whose stream of change events clients subscribe.

```python
with Salesforce() as salesforce, PubSub(salesforce) as events:
    salesforce.org.changes.on.add("Contact")
    ...  # a client that is pointed at `events.address`, without TLS
```

It answers GetTopic, GetSchema and Subscribe. Needs the extra `salesforce-cdc`. The `error-code` of a call that fails is
that of Salesforce docs, "Pub/Sub API", "Handle Errors"; the words beside it are ours.
"""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NoReturn, Self

import grpc

from antiphon_sandbox.salesforce.avro import Layout, encoded, layout
from antiphon_sandbox.salesforce.changes import KEPT, Event
from antiphon_sandbox.salesforce.errors import Refused
from antiphon_sandbox.salesforce.schema import SObject
from antiphon_sandbox.salesforce.server import Salesforce
from tap_salesforce.api import pubsub as wire

_CODE = "sfdc.platform.eventbus.grpc"
_LOOK = 0.05
"""Seconds between two looks whether the client is still there."""


class PubSub:
    """The server. `keepalive`: seconds of silence after which an empty answer says where the stream is.

    `refuse`: status and `error-code` with which the next subscriptions end at once; `breaks`: after how many events the
    next ones break off; `holds`: none of them is told any.
    """

    def __init__(self, salesforce: Salesforce, *, port: int = 0, keepalive: float = 270.0) -> None:
        self.salesforce, self.keepalive = salesforce, keepalive
        self.refuse: list[tuple[grpc.StatusCode, str]] = []
        self.breaks: list[int] = []
        self.holds = False
        self.calls: list[str] = []
        self._layouts: dict[str, Layout] = {}
        self._stands: dict[int, datetime] = {}
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        self._server.add_generic_rpc_handlers([_handlers(self)])
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_why: object) -> None:
        self._server.stop(None).wait()

    def get_topic(self, request: Any, context: grpc.ServicerContext) -> Any:
        """What is known of a topic."""
        self._admit("GetTopic", context)
        sobject = self._object(request.topic_name, context)
        return wire.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=self.salesforce.org.id,
            can_publish=False,
            can_subscribe=True,
            schema_id=self._layout(sobject).id,
        )

    def get_schema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A schema by its id, one of an object as it was, too."""
        self._admit("GetSchema", context)
        known = self._layouts.get(request.schema_id)
        if known is None:
            _end(context, grpc.StatusCode.NOT_FOUND, f"{_CODE}.schema.not.found", "there is no such schema")
        return wire.SchemaInfo(schema_json=known.json, schema_id=known.id)

    def subscribe(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """The events after a place, as many as are asked for, until the client goes away."""
        self._admit("Subscribe", context)
        first = next(requests)
        sobject = self._object(first.topic_name, context)
        after = self._place(first, context)
        budget = _Budget(requests, first, context, self.salesforce.org.changes.news)
        silent, left = 0.0, self.breaks.pop(0) if self.breaks else sys.maxsize
        while context.is_active():
            budget.check()
            waiting, newest = self._after(sobject, after)
            events = waiting[: min(budget.left, left, wire.MOST)]
            if events:
                budget.left -= len(events)
                left -= len(events)
                after, silent = events[-1].number, 0.0
                shown = [self._shown(sobject, each) for each in events]
                last = self._replay_id(after)
                yield wire.FetchResponse(events=shown, latest_replay_id=last, pending_num_requested=budget.left)
                continue
            if left == 0:
                _end(context, grpc.StatusCode.UNAVAILABLE, f"{_CODE}.service.unavailable", "the connection ends")
            with self.salesforce.org.changes.news:
                self.salesforce.org.changes.news.wait(_LOOK)
            silent += _LOOK
            if silent >= self.keepalive:
                silent = 0.0
                last = self._replay_id(self._stand(after if waiting else newest))
                yield wire.FetchResponse(latest_replay_id=last, pending_num_requested=budget.left)

    # ---- what is told

    def _after(self, sobject: SObject, number: int) -> tuple[list[Event], int]:
        """The events after a place, and the place at which there are none after it."""
        org = self.salesforce.org
        with org.lock:
            kept = [] if self.holds else org.changes.kept(org.clock())
            found = [each for each in kept if each.number > number and each.object == sobject.name]
            return found, max(number, self._newest())

    def _stand(self, number: int) -> int:
        """Where the stream is told to be: a place to go on from, for as long as an event is kept."""
        self._stands[number] = self.salesforce.org.clock()
        return number

    def _newest(self) -> int:
        events = self.salesforce.org.changes.events
        return events[-1].number if events else 0

    def _shown(self, sobject: SObject, event: Event) -> Any:
        shape = self._layout(sobject)
        payload = encoded(shape, sobject, event)
        told = wire.ProducerEvent(id=f"{event.transaction}-{event.number}", schema_id=shape.id, payload=payload)
        return wire.ConsumerEvent(event=told, replay_id=self._replay_id(event.number))

    def _layout(self, sobject: SObject) -> Layout:
        shape = layout(sobject)
        return self._layouts.setdefault(shape.id, shape)

    def _replay_id(self, number: int) -> bytes:
        """Opaque to clients."""
        return base64.b85encode(self.salesforce.org.changes.epoch.to_bytes(2, "big") + number.to_bytes(8, "big"))

    def _place(self, first: Any, context: grpc.ServicerContext) -> int:
        org = self.salesforce.org
        match first.replay_preset:
            case wire.EARLIEST:
                return 0
            case wire.CUSTOM:
                found = next((n for n in self._numbers() if self._replay_id(n) == first.replay_id), None)
                if found is None:
                    words = "the replay id is none, or its event is kept no longer"
                    _end(context, grpc.StatusCode.INVALID_ARGUMENT, wire.CORRUPTED, words)
                return found
            case _:
                with org.lock:
                    return self._newest()

    def _numbers(self) -> list[int]:
        org = self.salesforce.org
        with org.lock:
            stands = [number for number, at in self._stands.items() if at >= org.clock() - KEPT]
            return stands + [each.number for each in org.changes.kept(org.clock())]

    # ---- who may ask

    def _admit(self, call: str, context: grpc.ServicerContext) -> None:
        self.calls.append(call)
        if call == "Subscribe" and self.refuse:
            status, code = self.refuse.pop(0)
            _end(context, status, code, "the sandbox was told to refuse")
        given = dict(context.invocation_metadata())
        try:
            self.salesforce.app.check(str(given.get("accesstoken", "")))
        except Refused as refused:
            _end(context, grpc.StatusCode.UNAUTHENTICATED, f"{_CODE}.service.auth.error", refused.message)
        if given.get("tenantid") != self.salesforce.org.id or not given.get("instanceurl"):
            words = "tenantid or instanceurl are none of the token's"
            _end(context, grpc.StatusCode.UNAUTHENTICATED, f"{_CODE}.service.auth.headers.invalid", words)

    def _object(self, topic: str, context: grpc.ServicerContext) -> SObject:
        org = self.salesforce.org
        told = (org.objects[name] for name in org.changes.on)
        found = next((each for each in told if topic == f"/data/{layout(each).name}"), None)
        if found is None:
            words = f"there is no topic {topic}, or no right to it"
            _end(context, grpc.StatusCode.NOT_FOUND, f"{_CODE}.topic.not.found", words)
        return found


class _Budget:
    """How many events the client still takes; its further requests come in a thread of their own."""

    def __init__(
        self, requests: Iterator[Any], first: Any, context: grpc.ServicerContext, news: threading.Condition
    ) -> None:
        self.left, self._topic, self._context, self._news = first.num_requested, first.topic_name, context, news
        self._wrong = "" if first.num_requested > 0 else "requested.events.invalid"
        threading.Thread(target=self._follow, args=(requests,), daemon=True).start()

    def check(self) -> None:
        """End the call if a request was wrong."""
        if self._wrong:
            code = f"{_CODE}.subscription.fetch.{self._wrong}"
            _end(self._context, grpc.StatusCode.INVALID_ARGUMENT, code, "the request is wrong")

    def _follow(self, requests: Iterator[Any]) -> None:
        try:
            for each in requests:
                if each.num_requested <= 0:
                    self._wrong = "requested.events.invalid"
                if each.topic_name not in {"", self._topic}:
                    self._wrong = "topic.mismatch"
                with self._news:
                    self.left += each.num_requested
                    self._news.notify_all()
        except grpc.RpcError:
            return  # the client went away


def _end(context: grpc.ServicerContext, status: grpc.StatusCode, code: str, words: str) -> NoReturn:
    context.set_trailing_metadata((("error-code", code),))
    context.abort(status, words)
    raise AssertionError


def _handlers(server: PubSub) -> grpc.GenericRpcHandler:
    def unary(work: Any, asked: Any, told: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(work, asked.FromString, told.SerializeToString)

    calls = {
        "GetTopic": unary(server.get_topic, wire.TopicRequest, wire.TopicInfo),
        "GetSchema": unary(server.get_schema, wire.SchemaRequest, wire.SchemaInfo),
        "Subscribe": grpc.stream_stream_rpc_method_handler(
            server.subscribe, wire.FetchRequest.FromString, wire.FetchResponse.SerializeToString
        ),
    }
    return grpc.method_handlers_generic_handler(wire.SERVICE, calls)
