"""An answer that outlives its request: the connection leaves gunicorn's thread and goes on without
one.

gunicorn names the request's socket in the environment (``gunicorn.socket``). Its file descriptor is
duplicated for us, and gunicorn's own is made one end of a connection whose other end is closed:
gunicorn then sees a client that has gone, and closes what is no longer the client's. Nothing else
of gunicorn is touched; the thread is free at once.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Begin = Callable[[socket.socket, bytes], None]
"""Takes the connection and the head of the answer, which is still to be sent; returns at once."""


class EventStream(Response):
    """Server-sent events that ``begin`` goes on sending.

    Where the connection cannot be handed over (another server, TLS inside gunicorn) the answer is
    204, which tells an EventSource not to try again; the page then polls.
    """

    def __init__(self, begin: Begin) -> None:
        super().__init__(iter(()), content_type="text/event-stream")
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"  # nginx would keep the events for itself
        self._begin = begin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand over; what is returned goes nowhere then."""
        if environ["REQUEST_METHOD"] == "GET":
            connection = taken_from(environ)
            if connection is not None:
                lines = [
                    f"HTTP/1.1 {self.status}",
                    *(f"{name}: {value}" for name, value in self.headers),
                    "Connection: close",
                ]
                self._begin(connection, "\r\n".join([*lines, "", ""]).encode("latin-1"))
            else:
                self.status_code = HTTPStatus.NO_CONTENT
        return super().__call__(environ, start_response)


def taken_from(environ: WSGIEnvironment) -> socket.socket | None:
    """The connection of a request, ours alone from now on; ``None`` if it cannot be had."""
    theirs = environ.get("gunicorn.socket")
    if not isinstance(theirs, socket.socket) or isinstance(theirs, ssl.SSLSocket):
        return None
    ours = theirs.dup()
    end, other = socket.socketpair()
    other.close()
    os.dup2(end.fileno(), theirs.fileno(), inheritable=False)
    end.close()
    return ours
