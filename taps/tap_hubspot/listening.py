"""Webhooks: a small HTTP server that believes only what HubSpot has signed, and answers before anything is done.

| request                                                        | answer |
|----------------------------------------------------------------|--------|
| signed (v3) with the app's secret, at most five minutes old    | 200    |
| the same, and no list of events                                | 400    |
| not signed, or signed otherwise, or older                      | 401    |
| not a POST                                                     | 405    |
| longer than four megabytes                                     | 413    |
| more events than can be kept are waiting                       | 503    |

HubSpot takes an answer that needs more than five seconds for none, and sends the events again, up to ten times in a
day; it sends at most a hundred at once, to https only: a proxy before this server speaks TLS.
Source: HubSpot docs, "Webhooks API", "Validating requests | Validate the v3 request signature".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tap_hubspot.api import HubSpotError

OLDEST = 300.0
"""Seconds after which a signature counts no more."""
_LONGEST = 4 << 20
_SLOWEST = 5.0
"""Seconds that a request may take to arrive."""
_DECODED = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""The escapes that HubSpot decodes in the address before it signs: `:/?@!$'()*,;`."""

logger = logging.getLogger("tap_hubspot")

Event = Mapping[str, Any]


def signature(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """`X-HubSpot-Signature-v3`: base64 of HMAC-SHA256 of method, decoded address, body and timestamp, joined."""
    decoded = _DECODED.sub(lambda found: unquote(found[0]), uri)
    source = method.encode() + decoded.encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), source, hashlib.sha256).digest()).decode()


def complaint(secret: str, uri: str, body: bytes, headers: Message, now: float) -> str:
    """Why a POST is not believed to be HubSpot's; empty if it is. `now` in seconds since 1970."""
    stamp, given = headers.get("X-HubSpot-Request-Timestamp", ""), headers.get("X-HubSpot-Signature-v3", "")
    if not given or not stamp.isdecimal():
        return "it is not signed"
    if not hmac.compare_digest(signature(secret, "POST", uri, body, stamp).encode(), given.encode()):
        return "its signature is not that of the app's secret for this address"
    age = now - int(stamp) / 1000
    return f"it was signed {age:.0f} seconds ago" if abs(age) > OLDEST else ""


class Listener:
    """Listens from its making until it is closed. `url` is the address that HubSpot knows, `hear` takes events."""

    def __init__(self, address: str, url: str, secret: str, hear: Callable[[Sequence[Event]], bool]) -> None:
        """`address` is HOST:PORT. `hear` is called in other threads, is quick, and says whether it took them.

        Raises `WrongAddress` if there is no listening there.
        """
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise WrongAddress(f"webhook_listen: {address!r} is no address", hint="write HOST:PORT, as 127.0.0.1:8080")

        class Handler(_Handler):
            pass

        Handler.url, Handler.secret, Handler.hear = url, secret, staticmethod(hear)
        try:
            self._server = _Server((host.strip("[]"), int(port)), Handler)
        except (OSError, OverflowError) as error:
            raise WrongAddress(f"webhook_listen: {address}: {error}", hint="name an address and a free port") from error
        threading.Thread(target=self._server.serve_forever, name="webhooks", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class WrongAddress(HubSpotError):
    """Webhooks cannot be listened to as the settings say."""

    @property
    def wrong_settings(self) -> bool:
        """The settings alone are at fault."""
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is tried again by HubSpot."""
        del request
        logger.info("a webhook from %s broke off: %s", client_address[0], sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SLOWEST
    url: str
    secret: str
    hear: Callable[[Sequence[Event]], bool]

    def do_POST(self) -> None:
        """Events, if they are signed."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        if why := complaint(self.secret, self.url, body, self.headers, time.time()):
            logger.warning("a webhook is not believed: %s", why)
            self._answer(401)
            return
        try:
            events = json.loads(body)
        except ValueError:
            events = None
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            self._answer(400)
            return
        self._answer(200 if self.hear(events) else 503)

    def do_GET(self) -> None:
        """Nothing to see."""
        self._answer(405)

    do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int) -> None:
        self.close_connection = status != HTTPStatus.OK
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Requests are no news."""
