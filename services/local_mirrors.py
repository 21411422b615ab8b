"""The gateway's port to mirrors: keys encoded and values decoded here, the bytes between from the LMDB beside it.

Where the mirrors are held by other processes, the bytes come from those (`services.remote_mirrors`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, cast

from core.errors import InvalidValueError, NotFoundError, QuickError, TooLargeError, UnreadableEntryError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.record_fields import Decoder, field_decoder
from core.types import TopicType
from projections.mirror_entries import Entry
from projections.mirrors import MirrorSize, MirrorView
from services.gateway.keys import as_key
from services.mirrors.ranges import IndexSource, Range, bounds_of, range_indexes, ranged
from services.mirrors.values import MAX_ANSWER_BYTES
from services.row_cache import RowCache
from services.topic_access import TopicAccess


class ReadableMoment(Protocol):
    """What an operation reads of one topic, see `projections.mirror_moment.MirrorMoment`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key."""

    def values(self, keys: Iterable[bytes]) -> Iterator[bytes | None]:
        """Yield the values of *keys*."""

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key."""

    def range(
        self,
        key: bytes,
        bounds: Bounds,
        *,
        reverse: bool = False,
        limit: int | None = None,
        declared: MirrorDefinition | None = None,
    ) -> list[Entry]:
        """Return the records of a key within bounds of the range field."""

    def pages(self) -> Iterator[list[Entry]]:
        """Yield all entries by key, some at a time."""


class OpenableMoment(ReadableMoment, Protocol):
    """One that is to be opened first."""

    def __enter__(self) -> ReadableMoment: ...


class ReadableMirror(Protocol):
    """A mirror, see `projections.mirrors.MirrorView`."""

    def moment(self) -> OpenableMoment:
        """Return what one operation reads of it."""

    def size(self) -> MirrorSize:
        """Return how much it holds."""


class MirrorSource(Protocol):
    """Finds topics and their mirrors, see `services.topic_access.TopicAccesses`."""

    def topic(self, name: str) -> TopicAccess:
        """Return the access to a topic."""

    def ready_mirror(self, access: TopicAccess) -> ReadableMirror | None:
        """Return the mirror of a topic, `None` while it cannot be read."""

    def mirror(self, access: TopicAccess) -> ReadableMirror:
        """Return the mirror of a topic, waiting a little for that of a new one."""


class LocalMirrors:
    """Reads mirrors; implements `services.gateway.mirrors.MirrorReader`.

    Args:
        topics: Finds topics and their mirrors.
        indexes: Finds what mirrors can be asked for beside their keys.
        rows: Where decoded rows are kept.
        decodes_at_hand: Whether nothing has to be waited for: every schema is known here, and the mirrors are too.
        max_bytes: Values that one operation is given, as they stand in Kafka.
    """

    def __init__(
        self,
        topics: MirrorSource,
        indexes: IndexSource,
        rows: RowCache | None = None,
        *,
        decodes_at_hand: bool = True,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.topics = topics
        self.indexes = indexes
        self.rows = RowCache(0) if rows is None else rows
        self.decodes_at_hand = decodes_at_hand
        self.max_bytes = max_bytes
        self._decoders: dict[tuple[str, bool], _Decoders] = {}

    def begin(self, *, names_types: bool = False) -> LocalReading:
        """Begin the reading of one operation."""
        return LocalReading(self, names_types=names_types)

    def entry_count(self, topic: str) -> int | None:
        """Return how many entries *topic* has, those included that were deleted of late; `None` where none is read."""
        try:
            return self.topics.mirror(self.topics.topic(topic)).size().entries
        except QuickError:
            return None

    def decoders(self, access: TopicAccess, *, names_types: bool) -> _Decoders:
        """Return what decodes the values of a topic, made once per declaration."""
        known = self._decoders.get((access.name, names_types))
        if known is None or known.access is not access:
            decode = kept = field_decoder(access.values, names_types=names_types)
            if access.values.type is TopicType.SCHEMA:  # A number is decoded quicker than found.
                kept = self.rows.decoder((access.topic_id, names_types), decode)
            known = self._decoders[access.name, names_types] = _Decoders(access, decode, kept)
        return known


class _Decoders(NamedTuple):
    """What decodes the values of one topic."""

    access: TopicAccess
    """What they were made for."""
    decode: Decoder
    decode_kept: Decoder
    """Looks among the kept rows first."""


class _Topic:
    """A topic in one operation."""

    __slots__ = ("access", "decode", "decode_kept", "encode_key", "moment", "read", "sizes", "view")

    def __init__(self, access: TopicAccess, decoders: _Decoders) -> None:
        self.access = access
        self.encode_key = access.keys.encode
        self.decode = decoders.decode
        self.decode_kept = decoders.decode_kept
        self.view: ReadableMirror | None = None
        self.moment: ReadableMoment | None = None
        self.read: dict[bytes, Any] = {}
        """What was read, by the bytes of the key."""
        self.sizes: dict[bytes, int] = {}
        """Bytes of those values."""


class LocalReading:
    """What one operation reads; implements `services.gateway.mirrors.MirrorReading`."""

    def __init__(self, mirrors: LocalMirrors, *, names_types: bool) -> None:
        self._mirrors = mirrors
        self._names_types = names_types
        self._topics: dict[str, _Topic] = {}
        self._held = 0

    def is_at_hand(self, topic: str) -> bool:
        """Return whether keys are read without waiting: the mirror is ready, and so is every schema."""
        try:
            found = self._topic(topic)
            if found.view is None:
                found.view = self._mirrors.topics.ready_mirror(found.access)
        except QuickError:
            return False  # It comes again when the topic is read.
        return found.view is not None and self._mirrors.decodes_at_hand

    def key_type(self, topic: str) -> TopicType:
        """Return the type of the keys of *topic*."""
        return self._topic(topic).access.keys.type

    def get_many(self, topic: str, keys: Sequence[Any]) -> list[Any]:
        """Return the values of *keys* in their order, `None` for none, an exception for what cannot be read."""
        asked = self._topics.get(topic) or self._topic(topic)
        encode, read = asked.encode_key, asked.read
        try:
            raw_keys = [encode(key) for key in keys]
        except QuickError:
            return [self._one(asked, key) for key in keys]
        if len(raw_keys) == 1 and raw_keys[0] not in read:  # The common case, in half the time.
            self._read(asked, raw_keys, (self._moment(asked).value(raw_keys[0]),))
            return [read[raw_keys[0]]]
        unread = [raw for raw in dict.fromkeys(raw_keys) if raw not in read]
        if unread:
            self._read(asked, unread, self._moment(asked).values(unread))
        if len(unread) < len(raw_keys):  # What is given out again makes the answer longer too.
            self._hold(_bytes_of(asked, raw_keys) - _bytes_of(asked, unread))
        return [read[raw] for raw in raw_keys]

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        """Return the values of a key within a range, in its order."""
        asked = self._topic(topic)
        access, moment = asked.access, self._moment(asked)
        # Only what is declared is asked for here; the rows themselves come from the moment.
        view = cast("MirrorView", self._view(asked))
        indexes, field = range_indexes(self._mirrors.indexes(access, view))
        bounds = bounds_of(field, {"from": low, "to": high}, field.from_json)
        if indexes.range_key is None:
            raw_key = access.keys.encode(as_key(key, access.keys.type, topic))
        else:
            raw_key = indexes.range_key.from_json(key)
        return self._decoded(asked, ranged(_DeclaredRanges(moment, access.mirror), raw_key, Range(bounds)))

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        """Return all values by key."""
        asked = self._topic(topic)
        values: list[Any] = []
        for page in self._moment(asked).pages():
            check_time()
            values += self._decoded(asked, page)
        return values

    def close(self) -> None:
        """End the moments."""
        for topic in self._topics.values():
            if topic.moment is not None:
                topic.moment.__exit__(None, None, None)
                topic.moment = None
        self._topics.clear()

    def _topic(self, name: str) -> _Topic:
        known = self._topics.get(name)
        if known is None:
            access = self._mirrors.topics.topic(name)
            decoders = self._mirrors.decoders(access, names_types=self._names_types)
            known = self._topics[name] = _Topic(access, decoders)
        return known

    def _view(self, topic: _Topic) -> ReadableMirror:
        if topic.view is None:
            topic.view = self._mirrors.topics.mirror(topic.access)
        return topic.view

    def _moment(self, topic: _Topic) -> ReadableMoment:
        if topic.moment is None:
            topic.moment = self._view(topic).moment().__enter__()
        return topic.moment

    def _one(self, topic: _Topic, key: Any) -> Any:
        try:
            raw = topic.encode_key(key)
        except QuickError as error:
            return error
        if raw not in topic.read:
            self._read(topic, [raw], [self._moment(topic).value(raw)])
        return topic.read[raw]

    def _read(self, topic: _Topic, keys: Sequence[bytes], values: Iterable[bytes | None]) -> None:
        """Decode *values*, and remember what was read under each of *keys*."""
        read, sizes, decode, max_bytes = topic.read, topic.sizes, topic.decode_kept, self._mirrors.max_bytes
        for key, raw in zip(keys, values, strict=True):
            if raw is None:
                read[key] = None
                continue
            size = sizes[key] = len(raw)
            self._held += size
            if self._held > max_bytes:
                raise self._too_much()
            try:
                read[key] = decode(raw)
            except QuickError as error:
                read[key] = _unreadable(topic.access, self._moment(topic).get(key), error)

    def _decoded(self, topic: _Topic, entries: Iterable[Entry]) -> list[Any]:
        decode, values = topic.decode, []
        for entry in entries:
            self._hold(len(entry.value))
            try:
                values.append(decode(entry.value))
            except QuickError as error:
                values.append(_unreadable(topic.access, entry, error))
        return values

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._mirrors.max_bytes:
            raise self._too_much()

    def _too_much(self) -> TooLargeError:
        return TooLargeError(
            f"The values that this operation reads have more than {self._mirrors.max_bytes} bytes. "
            "Ask for fewer at once."
        )


class _DeclaredRanges(NamedTuple):
    """The ranges of a mirror at one moment, asked knowing what it is declared to keep."""

    moment: ReadableMoment
    declared: MirrorDefinition | None

    def range(self, key: bytes, bounds: Bounds, *, reverse: bool = False, limit: int | None) -> list[Entry]:
        """Return the records of a key, see `RangedView`."""
        return self.moment.range(key, bounds, reverse=reverse, limit=limit, declared=self.declared)


def _bytes_of(topic: _Topic, raw_keys: Iterable[bytes]) -> int:
    return sum(topic.sizes.get(raw, 0) for raw in raw_keys)


def _unreadable(access: TopicAccess, entry: Entry | None, error: QuickError) -> QuickError:
    """Return the error of one value; what another program has written is told with its place."""
    if entry is None or not isinstance(error, InvalidValueError | NotFoundError):
        return error
    return UnreadableEntryError(access.name, entry.partition, entry.key, str(error))
