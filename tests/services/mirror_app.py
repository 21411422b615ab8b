"""The mirror service over mirrors in memory: real resources and errors, no broker and no LMDB."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self, TypeVar, cast

import falcon.asgi
import falcon.testing

from core.errors import InvalidInputError, NotFoundError
from core.ordered_bytes import Bounds
from core.position import Position
from core.types import TopicType, codec_for
from projections.freshness import Freshness
from projections.mirror_entries import Entry, key_tail
from projections.mirrors import MirrorView
from projections.pages import Page, Placed, PlacedPage
from projections.windows import WHOLE, Window
from services.errors import add_error_handlers
from services.mirrors.batch import MirrorBatchResource
from services.mirrors.finding import Mirrors
from services.mirrors.keys import MirrorKeyResource, MirrorKeysResource
from services.mirrors.pages import MirrorAllResource
from services.mirrors.range_resources import MirrorIndexResource, MirrorRangeResource
from services.mirrors.ranges import Indexes
from services.mirrors.rows import MirrorRowsResource
from services.mirrors.status import MirrorPartitionsResource
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker

T = TypeVar("T")

TOPIC_ID = "a-topic-id"

CURRENT = Freshness(0, 0.0)

KEYS, VALUES = codec_for(TopicType.STRING), codec_for(TopicType.LONG)


class WholeNumberField:
    """A comparable field of whole numbers."""

    def __init__(self, name: str) -> None:
        self.name = name

    def from_text(self, text: str) -> bytes:
        try:
            return ordered(int(text))
        except ValueError as error:
            raise InvalidInputError(f"{text!r} is no bound of field {self.name}. Give a whole number.") from error

    def from_json(self, node: object) -> bytes:
        if type(node) is not int:
            raise InvalidInputError(f"{node!r} is no bound of field {self.name}. Give a whole number.")
        return ordered(node)

    def of_value(self, value: object) -> bytes | None:
        return None if value is None else self.from_json(value)


def ordered(number: int) -> bytes:
    return struct.pack(">Q", number + 2**63)


def is_within(raw: bytes, bounds: Bounds) -> bool:
    is_above = bounds.low is None or raw > bounds.low or (bounds.includes_low and raw == bounds.low)
    is_below = bounds.high is None or raw < bounds.high or (bounds.includes_high and raw == bounds.high)
    return is_above and is_below


@dataclass
class MemoryMirror:
    """Last values and histories of a topic whose value, a whole number, is the field too."""

    last: dict[bytes, Entry] = field(default_factory=dict)
    history: dict[bytes, list[Entry]] = field(default_factory=dict)
    commits: int = 0
    next_offset: int = 0
    asked_offsets: int = 0

    __hash__ = object.__hash__

    def write(self, key: str, value: int, *, ranged_under: bytes | None = None) -> None:
        raw_key = KEYS.encode(key)
        entry = Entry(0, self.next_offset, raw_key, VALUES.encode(value))
        self.last[raw_key] = entry
        self.history.setdefault(raw_key if ranged_under is None else ranged_under, []).append(entry)
        self.commits += 1
        self.next_offset += 1

    def version(self) -> int:
        return self.commits

    def share(self) -> None:
        return None

    def offsets(self) -> dict[int, int]:
        self.asked_offsets += 1
        return {0: self.next_offset}

    def includes(self, position: Position) -> bool:
        return all(self.next_offset > offset for offset in position.offsets.values())

    def value(self, key: bytes) -> bytes | None:
        entry = self.last.get(key)
        return None if entry is None else entry.value

    def get(self, key: bytes) -> Entry | None:
        return self.last.get(key)

    def get_many(self, keys: list[bytes], *, max_bytes: int | None = None) -> list[Entry | None]:
        return [self.last.get(key) for key in keys]

    def all(self) -> Iterator[Entry]:
        return iter([self.last[key] for key in sorted(self.last)])

    def page(self, window: Window = WHOLE) -> Page:
        after, limit = window.after or b"", window.limit or 1000
        rest = [self.last[key] for key in sorted(self.last) if key_tail(key) > after]
        return Page(rest[:limit], key_tail(rest[limit - 1].key) if len(rest) > limit else None)

    def moment(self) -> MemoryMirror:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def range(self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: Any = None) -> list[Entry]:
        rows = sorted(self.history.get(key, ()), key=_field_of, reverse=window.reverse)
        return [row for row in rows if is_within(_field_of(row), bounds)][: window.limit]

    def ranged(self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: Any = None) -> PlacedPage:
        return PlacedPage([Placed(_field_of(row), row) for row in self.range(key, bounds, window)], None)

    def find(self, field: str, bounds: Bounds, window: Window) -> Page:
        rows = sorted(self.last.values(), key=lambda row: (_field_of(row), row.key), reverse=window.reverse)
        rows = [row for row in rows if is_within(_field_of(row), bounds)]
        start = 0 if window.after is None else int(window.after)
        following = start + (window.limit or len(rows))
        return Page(rows[start:following], b"%d" % following if len(rows) > following else None)


def _field_of(entry: Entry) -> bytes:
    return ordered(VALUES.decode(entry.value))


@dataclass
class MirrorApp:
    """A client of the service over one mirror, and what the test may change."""

    mirror: MemoryMirror | MirrorView
    lag: Freshness = CURRENT
    range_field: WholeNumberField | None = None
    range_key: WholeNumberField | None = None
    indexed: Mapping[str, WholeNumberField] = field(default_factory=dict)
    access: TopicAccess = field(default_factory=lambda: TopicAccess("t", TOPIC_ID, KEYS, VALUES, 1, None))

    def of(self, topic_id: str, offsets: Mapping[int, int]) -> Freshness:
        return self.lag

    def indexes(self, access: TopicAccess, mirror: MirrorView) -> Indexes | None:
        if self.range_field is None and not self.indexed:
            return None
        view = cast("MemoryMirror", self.mirror)  # One of LMDB has its own.
        return Indexes(view, self.range_field, self.range_key, self.indexed)

    def client(self) -> falcon.testing.TestClient:
        def topic(name: str) -> TopicAccess:
            if name != self.access.name:
                raise NotFoundError(f"Topic {name} not found in topic registry")
            return self.access

        async def in_thread(work: Callable[[], T]) -> T:
            return work()

        worker = SimpleNamespace(in_thread=in_thread, for_process=in_thread, registry_elsewhere=None)
        topics = SimpleNamespace(topic=topic, ready_mirror=lambda _: self.mirror)
        mirrors = Mirrors(cast("Worker", worker), cast("TopicAccesses", topics), self)
        app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
        add_error_handlers(app)
        for path, resource in (
            ("/mirror/{topic}/mirror", MirrorAllResource(mirrors)),
            ("/mirror/{topic}/mirror/keys", MirrorKeysResource(mirrors)),
            ("/mirror/{topic}/mirror/batch", MirrorBatchResource(mirrors)),
            ("/mirror/{topic}/range", MirrorRangeResource(mirrors, self.indexes)),
            ("/mirror/{topic}/mirror/range/{key:path}", MirrorRangeResource(mirrors, self.indexes)),
            ("/mirror/{topic}/mirror/index/{field}", MirrorIndexResource(mirrors, self.indexes)),
            ("/mirror/{topic}/mirror/{key:path}", MirrorKeyResource(mirrors)),
            ("/mirror/{topic}/streams/partitions", MirrorPartitionsResource(mirrors)),
            ("/mirror/{topic}/rows", MirrorRowsResource(mirrors)),
        ):
            app.add_route(path, resource)
        return falcon.testing.TestClient(app)


def get(client: falcon.testing.TestClient, path: str, **headers: str) -> tuple[int, Any]:
    """Return status and body of an answer; of an error only what it says in detail."""
    address, _, query = path.partition("?")
    answer = client.simulate_get(
        address, query_string=query, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    body = answer.json
    return answer.status_code, body.get("detail", body)
