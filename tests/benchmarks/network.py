"""A network between a program and its server that can fall silent: connections are accepted, and nothing goes on."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

_PIECE = 1 << 16


class Network:
    """Leads from a port of its own to another one on this machine."""

    def __init__(self, port: int) -> None:
        self._there = port
        self._open = threading.Event()
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._open.set()

    def hang(self) -> None:
        """From now on nothing goes through, and nothing is refused."""
        self._open.clear()

    def go_on(self) -> None:
        """What was held back goes through."""
        self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(here,), daemon=True).start()

    def _connect(self, here: socket.socket) -> None:
        self._open.wait()
        try:
            there = socket.create_connection(("127.0.0.1", self._there))
        except OSError:
            here.close()
            return
        for from_, to in ((here, there), (there, here)):
            from_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(from_, to), daemon=True).start()

    def _carry(self, from_: socket.socket, to: socket.socket) -> None:
        try:
            while piece := from_.recv(_PIECE):
                self._open.wait()
                to.sendall(piece)
        except OSError:
            pass  # one of the two ended; so does the other
        for each in (from_, to):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
