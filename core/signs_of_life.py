"""How a process tells the one that supervises it how it is: one datagram after another over a socket that it inherits.

Nothing lies on a disk, which may be full, and nobody waits: a sign that cannot be sent now is followed by another one.
How old a sign is, whoever receives it measures; that is how it shows that a process does not get on.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

logger = logging.getLogger(__name__)

VARIABLE: Final = "QUICK_SIGNS_FD"
"""Environment variable with the number of the inherited socket."""

EVERY_S: Final = 0.5
"""How often a process gives a sign."""

MAX_BYTES: Final = 128 * 1024
"""Longest sign; what figures tell is some kilobytes."""

KEPT_S: Final = 300.0
"""How long the last sign of a process is kept that gives no other."""

_SHOWN_TEXTS, _SHOWN = 20, 500
"""How many texts of each kind are told, and how many characters of each, where all of them are too long."""

PROJECTOR: Final = "projector"
WEB: Final = "web"


class Sign(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a process tells of itself."""

    name: str
    """`PROJECTOR` or `WEB`."""
    pid: int
    has_started: bool = False
    """Whether it has what it needs to begin with: once true, it is taken to stay so."""
    waits_for: list[str] = []
    """Why it is not ready, sentence by sentence; empty when it is."""
    problems: list[str] = []
    """What it cannot do although it is ready."""
    stalled: list[str] = []
    """Which of its parts do not get on, so that it is better started again."""
    metrics: str = ""
    """Its figures, in Prometheus' text format."""


class SignSender:
    """Sends the signs of this process; does nothing where nobody supervises it.

    Args:
        descriptor: Number of the inherited socket, `None` where there is none.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._socket = None if descriptor is None else socket.socket(fileno=os.dup(descriptor))
        if self._socket is not None:
            self._socket.settimeout(0)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> SignSender:
        """Return the sender for the socket that the environment names."""
        number = environ.get(VARIABLE, "")
        return cls(int(number) if number.isdecimal() else None)

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return self._socket is not None

    def send(self, sign: Sign) -> None:
        """Send *sign*, or leave it when there is no room."""
        if self._socket is None:
            return
        raw = msgspec.json.encode(sign)
        if len(raw) > MAX_BYTES:
            raw = msgspec.json.encode(_shortened(sign))
        try:
            self._socket.send(raw)
        except OSError as error:
            logger.debug("a sign of life was not sent: %s", error)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class SignReporter(threading.Thread):
    """Sends a sign again and again until it is closed.

    Args:
        sender: Where it is sent.
        made: Makes the sign; what it raises ends the reports, and so shows.
    """

    def __init__(self, sender: SignSender, made: Callable[[], Sign]) -> None:
        super().__init__(name="signs of life", daemon=True)
        self._sender = sender
        self._made = made
        self._stopping = threading.Event()

    def run(self) -> None:
        """Report until told to end."""
        while not self._stopping.is_set():
            self._sender.send(self._made())
            self._stopping.wait(EVERY_S)

    def close(self) -> None:
        """End the reports."""
        self._stopping.set()
        self.join()
        self._sender.close()


class Received(msgspec.Struct, frozen=True):
    """The last sign of one process."""

    sign: Sign
    at: float
    """On the monotonic clock of who received it."""


class SignReceiver:
    """Receives the signs of all processes that inherit the other end. `serve` runs in a thread of its own."""

    def __init__(self) -> None:
        self._own, self._given = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._last: dict[tuple[str, int], Received] = {}
        self._began = time.monotonic()

    @property
    def descriptor(self) -> int:
        """Number of the socket that children inherit."""
        return self._given.fileno()

    def serve(self) -> None:
        """Receive until `close`."""
        while raw := self._received():
            try:
                sign = msgspec.json.decode(raw, type=Sign)
            except msgspec.DecodeError as error:
                logger.warning("what a process tells of itself cannot be read: %s", error)
                continue
            now = time.monotonic()
            kept = {key: each for key, each in self._last.items() if now - each.at < KEPT_S}
            self._last = {**kept, (sign.name, sign.pid): Received(sign, now)}

    def _received(self) -> bytes:
        try:
            return self._own.recv(MAX_BYTES)
        except OSError:  # It was closed.
            return b""

    def last(self, name: str, within_s: float) -> list[Sign]:
        """Return the last sign of each process called *name* that runs and has given one within so many seconds."""
        oldest = time.monotonic() - within_s
        fresh = [each.sign for each in self._last.values() if each.sign.name == name and each.at >= oldest]
        return [sign for sign in fresh if _is_running(sign.pid)]

    def age_s(self, name: str) -> float:
        """Return how many seconds ago the last sign of any process called *name* came, or the receiver began."""
        ats = [each.at for each in self._last.values() if each.sign.name == name]
        return time.monotonic() - max(ats, default=self._began)

    def close(self) -> None:
        """End `serve`."""
        try:
            self._own.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            logger.debug("the socket for signs of life was closed already: %s", error)
        self._own.close()
        self._given.close()


def _shortened(sign: Sign) -> Sign:
    """Return *sign* with what matters most: a thousand topics may each have their problem."""
    waits_for, problems, stalled = (
        [text[:_SHOWN] for text in texts[:_SHOWN_TEXTS]] for texts in (sign.waits_for, sign.problems, sign.stalled)
    )
    return msgspec.structs.replace(sign, waits_for=waits_for, problems=problems, stalled=stalled, metrics="")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Somebody else's: the number was given again.
        return False
    return True
