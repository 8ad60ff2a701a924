"""Webhooks are believed if HubSpot signed them, and just now; HubSpot's own client is the judge of signatures."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence

import pytest
import requests
from hubspot.utils.signature import Signature

from tap_hubspot.listening import Event, Listener, WrongAddress, signature

URL = "https://example.com/hooks?for=%40us%3A1"
AS_SIGNED = "https://example.com/hooks?for=@us:1"
SECRET = "of the app"


class Heard:
    """A listener, and what it took."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.full = False
        self.listener = Listener("127.0.0.1:0", URL, SECRET, self._hear)

    def _hear(self, events: Sequence[Event]) -> bool:
        self.events += () if self.full else events
        return not self.full

    def send(self, body: str, *, age: float = 0.0, secret: str = SECRET, signed: bool = True) -> int:
        """Send what was signed so many seconds ago; the answer's status."""
        stamp = str(round((time.time() - age) * 1000))
        headers = {"X-HubSpot-Request-Timestamp": stamp}
        if signed:
            headers["X-HubSpot-Signature-v3"] = Signature.get_signature(secret, body, "v3", AS_SIGNED, "POST", stamp)
        where = f"http://127.0.0.1:{self.listener.port}/behind-a-proxy"
        return requests.post(where, body.encode(), headers=headers, timeout=5).status_code


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    heard.listener.close()


def test_what_hubspot_signed_just_now_is_heard(heard: Heard) -> None:
    assert heard.send(json.dumps([{"objectId": 1, "propertyValue": "Åse"}], ensure_ascii=False)) == 200
    assert heard.events == [{"objectId": 1, "propertyValue": "Åse"}]


def test_what_somebody_else_signed_or_nobody_or_long_ago_is_not(heard: Heard) -> None:
    assert heard.send("[{}]", secret="another's") == 401
    assert heard.send("[{}]", signed=False) == 401
    assert heard.send("[{}]", age=301) == 401
    assert heard.send("[{}]", age=-301) == 401
    assert heard.events == []


def test_what_is_no_list_of_events_is_refused_and_what_is_too_much_is_put_off(heard: Heard) -> None:
    assert heard.send("{}") == 400
    assert heard.send("no JSON") == 400
    assert requests.get(f"http://127.0.0.1:{heard.listener.port}/", timeout=5).status_code == 405
    heard.full = True
    assert heard.send("[{}]") == 503


def test_an_address_that_cannot_be_had_is_named(heard: Heard) -> None:
    for address in ("8080", "127.0.0.1:none", f"127.0.0.1:{heard.listener.port}"):
        with pytest.raises(WrongAddress, match="webhook_listen"):
            Listener(address, URL, SECRET, lambda _: True)


def test_a_request_that_never_ends_does_not_keep_others_out(heard: Heard) -> None:
    with socket.create_connection(("127.0.0.1", heard.listener.port)) as silent:
        silent.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
        assert heard.send("[{}]") == 200


def test_escapes_that_hubspot_decodes_are_signed_decoded() -> None:
    assert signature(SECRET, "POST", "https://a/%40%3a%20", b"", "1") == signature(
        SECRET, "POST", "https://a/@:%20", b"", "1"
    )
