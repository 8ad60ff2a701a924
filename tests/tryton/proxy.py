"""A proxy before a Tryton server, at which requests fail as they do on the way to a real one."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

PAGE = """<!doctype html>
<html lang=en>
<title>500 Internal Server Error</title>
<h1>Internal Server Error</h1>
<p>The server encountered an internal error and was unable to complete your request.</p>
"""


@dataclass(slots=True)
class Fault:
    """What befalls requests whose method, path and body have `pattern` in them, so many `times`.

    `kind`: `page` answers 500 with HTML; `cut` breaks the connection without passing the request on; `lost` passes it
    on and breaks the connection then; `expire` answers as for a session that has ended; `human` has somebody `do`
    something first.
    """

    kind: str
    pattern: str
    times: int = 1
    do: Callable[[], object] | None = None


@dataclass(slots=True)
class Proxy:
    """The proxy; `url` is where it listens."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, text: str) -> Fault | None:
        """The fault that this request meets."""
        with self._lock:
            self.seen.append(text)
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, text):
                    fault.times -= 1
                    self.met.append(fault.kind)
                    return fault
        return None


@contextmanager
def before(server: str) -> Iterator[Proxy]:
    """A proxy before the server at this address."""
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._pass_on("POST")

        def do_PUT(self) -> None:
            self._pass_on("PUT")

        def do_DELETE(self) -> None:
            self._pass_on("DELETE")

        def _pass_on(self, method: str) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = proxy.next(f"{method} {self.path} {body.decode()}")
            kind = fault.kind if fault else ""
            if kind == "cut":
                self.close_connection = True
                return
            if kind == "expire":
                self._answer(401, "text/html", b"")
                return
            if kind == "page":
                self._answer(500, "text/html; charset=utf-8", PAGE.encode())
                return
            if fault is not None and fault.do is not None:
                fault.do()
            headers = {k: v for k, v in self.headers.items() if k.lower() not in {"host", "accept-encoding"}}
            try:
                answer = requests.request(method, server + self.path, data=body, headers=headers, timeout=60)
            except requests.RequestException:  # the server is gone
                self.close_connection = True
                return
            if kind == "lost":
                self.close_connection = True
                return
            self._answer(answer.status_code, answer.headers.get("Content-Type", "text/html"), answer.content)

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # so it is called there
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
