"""The fast path: what is asked for most is answered where it was parsed, without Falcon and without a task of its own.

A way on it knows only the good case. Whatever else it meets (a parameter, a header that changes the answer, a key that
does not exist, an error) it leaves to Falcon's resources: so each rule stands in one place, and what is answered here
is what they would answer. That makes some requests be read twice, so a way that leaves one has changed nothing.

A way may begin what ends later. From then on the request is not begun anew: should that not end as it should, Falcon's
resource finds it in the scope, under `BEGUN`, and tells what became of it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import falcon

from core.errors import QuickError
from services.compression import IN_THREAD_BYTES, MIN_BYTES, compressed, takes_gzip
from services.security import ApiKeys

logger = logging.getLogger(__name__)

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as they were sent."""

JSON_LINE: Final = b"content-type: application/json\r\n"
"""Header of an answer in JSON."""

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


class Begun(NamedTuple):
    """What a way has begun."""

    future: asyncio.Future[Any]
    """What becomes of it."""
    answer: Callable[[Any], FastAnswer | None]
    """Makes the answer of what came of it; `None` where Falcon's resource is to tell."""


BEGUN: Final = "quick.begun"
"""Where in the scope of a request its `Begun.future` stands, which has ended."""


class FastWay(Protocol):
    """One kind of request that is answered on the fast path."""

    @property
    def path(self) -> re.Pattern[bytes]:
        """What the whole path of the request looks like."""

    def answer(self, names: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> FastAnswer | Begun | None:
        """Return the answer or what will have one, `None` where it would not surely be that of Falcon's resource.

        Args:
            names: What the groups of the path's pattern stand for.
            headers: Of the request.
            body: Of the request.

        Raises:
            QuickError: Something is not as it should be; Falcon's resource will tell.
            falcon.HTTPError: The same.
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
        ways: By the method, and the first segment of the path.
        lines: Headers of every answer.
        gzip_level: With which answers are compressed for clients that take it; 0 for not at all.
    """

    def __init__(
        self, keys: ApiKeys, ways: Mapping[tuple[bytes, bytes], FastWay], lines: bytes, gzip_level: int
    ) -> None:
        self._keys = keys
        self._ways = ways
        self._lines = lines
        self._gzip_level = gzip_level

    def turn(self, method: bytes, url: bytes, sent: Headers) -> Turn | None:
        """Return the way that a request may take, `None` where it is Falcon's."""
        way = self._ways.get((method, url[1 : url.find(b"/", 1)]))
        match = None if way is None else way.path.fullmatch(url)
        if way is None or match is None:
            return None
        headers = dict(sent)
        if len(headers) != len(sent) or not headers.keys().isdisjoint(_CHANGING):
            return None
        return Turn(way, method.decode(), url.decode(), tuple(name.decode() for name in match.groups()), headers)

    def answer(self, turn: Turn, body: bytes) -> bytes | Begun | None:
        """Return an answer from behind its status line on, or what will have one; `None` where that is Falcon's."""
        try:
            self._keys.holder(turn.headers.get(b"x-api-key", b"").decode("latin-1"), turn.method, turn.path)
            answer = turn.way.answer(turn.names, turn.headers, body)
        except (QuickError, falcon.HTTPError):
            return None
        except Exception:  # Whatever it is: Falcon's resource meets it again, and tells it with an ID for the log.
            logger.warning("%s %s failed on the fast path", turn.method, turn.path, exc_info=True)
            return None
        return answer if answer is None or isinstance(answer, Begun) else self._whole(answer, turn.headers)

    def answer_of(self, turn: Turn, begun: Begun) -> bytes | None:
        """Return the answer to what has ended, as `answer` does."""
        if begun.future.cancelled() or begun.future.exception() is not None:
            return None
        answer = begun.answer(begun.future.result())
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
