"""The fast path: what is asked for most is answered where it was parsed, without Falcon and without a task of its own.

A way on it knows only the good case. Whatever else it meets (a parameter, a header that changes the answer, a key that
does not exist, an error) it leaves to Falcon's resources: so each rule stands in one place, and what is answered here
is what they would answer. That makes some requests be read twice, so a way changes nothing and waits for nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from core.errors import QuickError
from services.compression import IN_THREAD_BYTES, MIN_BYTES, compressed, takes_gzip
from services.security import ApiKeys

logger = logging.getLogger(__name__)

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as they were sent."""

SEGMENT: Final = rb"([^\x00-\x20\x7f-\xff/?#%]+)"
"""A segment of a path in which nothing is encoded, for the patterns of ways."""

_CHANGING: Final = frozenset(
    (
        *(b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"),  # The body is another one, or comes later.
        b"origin",  # What pages of other origins may read is told them.
        *(b"quick-at-least", b"quick-max-lag", b"quick-report-cost"),
    )
)
"""Headers of requests that change what is answered, and that Falcon's resources know."""


class FastAnswer(NamedTuple):
    """What is answered with status 200."""

    lines: bytes
    """Headers, each with its end of line, without the length."""
    body: bytes


class FastWay(Protocol):
    """One kind of request that is answered on the fast path."""

    @property
    def path(self) -> re.Pattern[bytes]:
        """What the whole path of the request looks like."""

    def answer(self, names: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> FastAnswer | None:
        """Return the answer, `None` where it is not sure to be the one that Falcon's resource would give.

        Args:
            names: What the groups of the path's pattern stand for.
            headers: Of the request.
            body: Of the request.

        Raises:
            QuickError: Something is not as it should be; Falcon's resource will tell.
        """


class Turn(NamedTuple):
    """A request on its way."""

    way: FastWay
    method: str
    path: str
    names: tuple[str, ...]
    headers: Mapping[bytes, bytes]

    @property
    def has_body(self) -> bool:
        """Whether a body follows, be it an empty one."""
        return b"content-length" in self.headers


class FastPath:
    """The ways of a process.

    Args:
        keys: The keys that open it.
        ways: Of each method.
        lines: Headers of every answer.
        gzip_level: With which answers are compressed for clients that take it; 0 for not at all.
    """

    def __init__(self, keys: ApiKeys, ways: Mapping[bytes, FastWay], lines: bytes, gzip_level: int) -> None:
        self._keys = keys
        self._ways = ways
        self._lines = lines
        self._gzip_level = gzip_level

    def turn(self, method: bytes, url: bytes, sent: Headers) -> Turn | None:
        """Return the way that a request may take, `None` where it is Falcon's."""
        way = self._ways.get(method)
        match = None if way is None else way.path.fullmatch(url)
        if way is None or match is None:
            return None
        headers = dict(sent)
        if len(headers) != len(sent) or not headers.keys().isdisjoint(_CHANGING):
            return None
        return Turn(way, method.decode(), url.decode(), tuple(name.decode() for name in match.groups()), headers)

    def answer(self, turn: Turn, body: bytes) -> bytes | None:
        """Return an answer from behind its status line on, `None` where Falcon is to give it."""
        try:
            self._keys.holder(turn.headers.get(b"x-api-key", b"").decode("latin-1"), turn.method, turn.path)
            answer = turn.way.answer(turn.names, turn.headers, body)
        except QuickError:
            return None
        except Exception:  # Whatever it is: Falcon's resource meets it again, and tells it with an ID for the log.
            logger.warning("%s %s failed on the fast path", turn.method, turn.path, exc_info=True)
            return None
        return None if answer is None else self._whole(answer, turn.headers)

    def _whole(self, answer: FastAnswer, headers: Mapping[bytes, bytes]) -> bytes | None:
        lines, body = answer
        if self._gzip_level and len(body) >= MIN_BYTES:
            lines += b"vary: Accept-Encoding\r\n"
            if takes_gzip(headers.get(b"accept-encoding", b"").decode("latin-1")):
                if len(body) >= IN_THREAD_BYTES:
                    return None  # It would hold up others; Falcon's way has threads.
                lines, body = lines + b"content-encoding: gzip\r\n", compressed(body, self._gzip_level)
        return b"".join((self._lines, lines, b"content-length: %d\r\n\r\n" % len(body), body))
