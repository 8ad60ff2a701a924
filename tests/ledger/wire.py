"""A network between a runner and its ledger that can be cut: a TCP relay of two halves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Relays connections to `port` of this machine until it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._near: list[socket.socket] = []
        self._far: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """The server learns that the runner is gone; the runner hears nothing more, and does not know it yet."""
        for end in self._far:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def tell(self) -> None:
        """The runner learns of it."""
        for end in self._near:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()
        self.cut()
        self.tell()
        for end in (*self._near, *self._far):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._near.append(near)
            self._far.append(far)
            threading.Thread(target=_relay, args=(near, far), kwargs={"to_its_end": True}, daemon=True).start()
            threading.Thread(target=_relay, args=(far, near), daemon=True).start()


def _relay(source: socket.socket, sink: socket.socket, *, to_its_end: bool = False) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    if to_its_end:  # a runner that died: its host tells the server
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    made = Wire(port)
    try:
        yield made
    finally:
        made.close()
