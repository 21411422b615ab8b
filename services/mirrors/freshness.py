"""How far a mirror is, and how far behind its topic: the headers of every answer, and what a request may demand."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import falcon.asgi

from core.errors import InvalidInputError, UnavailableError
from core.position import Position
from projections.freshness import Freshness, Look, freshness
from services.worker import Worker

POSITION_HEADER: Final = "Quick-Position"
"""Header of an answer: the position up to which it includes every write. What is read with it, reads no older state."""

LAG_HEADER: Final = "Quick-Lag"
"""Header of an answer: `records=N; seconds=S`, each `unknown` while nobody has measured it."""

AT_LEAST_HEADER: Final = "Quick-At-Least"
"""Request header with the position of a write that the answer must include."""

MAX_LAG_HEADER: Final = "Quick-Max-Lag"
"""Request header with how far the mirror may be behind: `5s`, `500ms`, `100 records`, or `5s, 100 records`."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LIMIT: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(ms|s|m)|([0-9]{1,18}) ?records?")


UNKNOWN: Final = Freshness(None, None)


LOOKS_CURRENT_S: Final = 0.02
"""How long looks are taken for the last ones: the projector looks once a second, and each look tells its own time."""


class FreshnessSource(Protocol):
    """Knows how far mirrors are behind; asked for every answer, so it must be quick."""

    def of(self, topic_id: str, offsets: Mapping[int, int]) -> Freshness:
        """Return how far a mirror of the topic is behind that has folded everything before *offsets*."""


class Looks:
    """The looks at Kafka's topics that the projector of this machine notes.

    Args:
        worker: The process-wide parts.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._version = -1
        self._current_until = 0.0
        self._looks: dict[str, Look | None] = {}

    def of(self, topic_id: str, offsets: Mapping[int, int]) -> Freshness:
        """Return how far a mirror of the topic is behind that has folded everything before *offsets*."""
        now = time.monotonic()
        if now >= self._current_until:
            self._current_until = now + LOOKS_CURRENT_S
            self._look_again()
        if topic_id not in self._looks:
            view = self._worker.views.freshness
            if view is None:
                return UNKNOWN
            self._looks[topic_id] = view.look(topic_id)
        return freshness(self._looks[topic_id], offsets)

    def _look_again(self) -> None:
        """Drop what is known when the projector has looked again."""
        view = self._worker.views.freshness
        version = -1 if view is None else view.version()
        if version != self._version:
            self._version, self._looks = version, {}


class Versioned(Protocol):
    """A mirror, or one moment of it, as far as its position goes."""

    def version(self) -> int:
        """Return a number that changes with every change."""

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each partition."""


class Standing(NamedTuple):
    """Up to where a mirror was folded at some moment."""

    topic_id: str
    version: int
    offsets: Mapping[int, int]
    token: str


class Told:
    """What answers tell of one mirror: up to where it was folded, and the lag, which is found once in a millisecond."""

    __slots__ = ("_at_ms", "_lines", "lag", "lag_text", "standing")

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.lag = UNKNOWN
        self.lag_text = ""
        self._lines = b""
        self._at_ms = -1

    def look_again(self, source: FreshnessSource) -> None:
        """Find the lag of now: it is told in milliseconds."""
        at_ms = time.time_ns() // 1_000_000
        if self._at_ms != at_ms:
            self.lag = source.of(self.standing.topic_id, self.standing.offsets)
            self.lag_text, self._lines, self._at_ms = lag_text(self.lag), b"", at_ms

    def lines(self) -> bytes:
        """Return the headers of an answer as they go over the wire."""
        if not self._lines:
            sent = {POSITION_HEADER: self.standing.token, LAG_HEADER: self.lag_text}
            self._lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in sent.items()).encode()
        return self._lines


class Stamps:
    """Puts position and lag on answers. What both are made of is kept until the mirror changes.

    Args:
        source: Knows how far mirrors are behind.
    """

    def __init__(self, source: FreshnessSource) -> None:
        self._source = source
        self._told: WeakKeyDictionary[Versioned, Told] = WeakKeyDictionary()

    def put(self, resp: falcon.asgi.Response, topic_id: str, mirror: Versioned) -> Freshness:
        """Set the headers of an answer, which has to be read afterwards, and return how fresh it is at least."""
        told = self.told(topic_id, mirror, mirror)
        resp.set_header(POSITION_HEADER, told.standing.token)
        resp.set_header(LAG_HEADER, told.lag_text)
        return told.lag

    def told(self, topic_id: str, mirror: Versioned, moment: Versioned) -> Told:
        """Return what an answer tells that is read from *moment*, which is one of *mirror* or the mirror itself."""
        told = self._told_of(topic_id, mirror, moment)
        told.look_again(self._source)
        return told

    def lag(self, topic_id: str, mirror: Versioned) -> Freshness:
        """Return how fresh what is read from *mirror* afterwards is at least."""
        return self._source.of(topic_id, self.standing(topic_id, mirror).offsets)

    def standing(self, topic_id: str, mirror: Versioned) -> Standing:
        """Return up to where *mirror* is folded now."""
        return self._told_of(topic_id, mirror, mirror).standing

    def _told_of(self, topic_id: str, mirror: Versioned, moment: Versioned) -> Told:
        version = moment.version()  # Before the offsets: what is committed in between is told by the next answer.
        told = self._told.get(mirror)
        if told is None or told.standing.version != version:
            offsets = moment.offsets()
            last = {partition: following - 1 for partition, following in offsets.items() if following > 0}
            token = Position(topic_id, last).token()
            told = self._told[mirror] = Told(Standing(topic_id, version, offsets, token))
        return told


class MaxLag(NamedTuple):
    """How far a mirror may be behind; `None` where it does not matter."""

    records: int | None
    seconds: float | None

    @classmethod
    def parse(cls, text: str) -> MaxLag:
        """Read the header.

        Raises:
            InvalidInputError: It is malformed, or says the same thing twice.
        """
        records: int | None = None
        seconds: float | None = None
        for part in text.split(","):
            match = _LIMIT.fullmatch(part.strip())
            is_time = match is not None and match[3] is None
            if match is None or (seconds if is_time else records) is not None:
                raise InvalidInputError(
                    f"The header {MAX_LAG_HEADER} is {text[:80]!r}. Send a time, a number of records or both, each"
                    " once: 5s, 500ms, 100 records, or 5s, 100 records."
                )
            if is_time:
                seconds = float(match[1]) * _UNITS[match[2]]
            else:
                records = int(match[3])
        return cls(records, seconds)

    def text(self) -> str:
        """Return this as its header has it."""
        parts = [None if self.seconds is None else f"{self.seconds:.6f}s"]
        parts += [None if self.records is None else f"{self.records} records"]
        return ", ".join(part for part in parts if part is not None)

    def check(self, topic: str, lag: Freshness) -> None:
        """Refuse what is further behind than this, or may be.

        Raises:
            UnavailableError: The mirror of *topic* lags behind too far now.
        """
        if _is_within(lag.records, self.records) and _is_within(lag.seconds, self.seconds):
            return
        raise UnavailableError(
            f"The mirror of topic {topic} lags behind more than the header {MAX_LAG_HEADER} allows: {lag_text(lag)}."
            " Read again, or allow more."
        )


def lag_text(lag: Freshness) -> str:
    """Return *lag* as its header has it."""
    records = "unknown" if lag.records is None else str(lag.records)
    seconds = "unknown" if lag.seconds is None else f"{lag.seconds:.3f}".rstrip("0").rstrip(".")
    return f"records={records}; seconds={seconds}"


def _is_within(lag: float | None, most: float | None) -> bool:
    return most is None or (lag is not None and lag <= most)
