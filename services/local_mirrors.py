"""The gateway's port to mirrors: keys encoded and values decoded here, the bytes between from the LMDB beside it.

Where the mirrors are held by other processes, the bytes come from those (`services.remote_mirrors`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from core.errors import (
    InvalidInputError,
    InvalidValueError,
    NotFoundError,
    QuickError,
    TooLargeError,
    UnreadableEntryError,
)
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.primitives import WholeNumberCodec
from core.record_fields import Decoder, ManyDecoder, field_decoder, fields_decoder
from core.types import Codec, TopicType
from projections.mirror_entries import Entry
from projections.mirror_moment import KEYS_AT_ONCE
from projections.windows import Window
from services.gateway.keys import as_key
from services.gateway.mirrors import ListQuery, RangeOf
from services.local_lists import ByIndex, ByKey, ByRange, Condition, LocalRow, Order, condition, rows_of
from services.mirrors.ranges import Indexes, IndexSource, Range, bounds_of, range_indexes, ranged
from services.mirrors.values import MAX_ANSWER_BYTES
from services.readable_mirrors import MirrorSource, ReadableMirror, ReadableMoment
from services.row_cache import RowCache
from services.topic_access import TopicAccess

if TYPE_CHECKING:
    from services.mirrors.answering import AnsweringMirror


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
            many = many_kept = fields_decoder(access.values, names_types=names_types)
            if access.values.type is TopicType.SCHEMA:  # A number is decoded quicker than found.
                scope = access.topic_id, names_types
                kept, many_kept = self.rows.decoder(scope, decode), self.rows.many_decoder(scope, many)
            encode = encoder_of_keys(access.keys)
            known = self._decoders[access.name, names_types] = _Decoders(access, encode, decode, kept, many, many_kept)
        return known


class _Decoders(NamedTuple):
    """What encodes the keys of one topic, and decodes its values."""

    access: TopicAccess
    """What they were made for."""
    encode_keys: Callable[[Sequence[Any]], list[bytes]]
    decode: Decoder
    decode_kept: Decoder
    """Looks among the kept rows first."""
    decode_many: ManyDecoder
    decode_many_kept: ManyDecoder


class _Topic:
    """A topic in one operation."""

    __slots__ = ("access", "decoders", "encode_key", "encode_keys", "moment", "read", "sizes", "view")

    def __init__(self, access: TopicAccess, decoders: _Decoders) -> None:
        self.access = access
        self.encode_key = access.keys.encode
        self.encode_keys = decoders.encode_keys
        self.decoders = decoders
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
        self._held_lock = threading.Lock()  # Several topics may be read at the same time.

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
        read = asked.read
        try:
            raw_keys = asked.encode_keys(keys)
        except QuickError:
            return [self._one(asked, key) for key in keys]
        if len(raw_keys) == 1 and raw_keys[0] not in read:  # The common case, in half the time.
            return [self._read_one(asked, raw_keys[0])]
        unread = [raw for raw in dict.fromkeys(raw_keys) if raw not in read]
        if unread:
            self._read_many(asked, unread)
        if len(unread) < len(raw_keys):  # What is given out again makes the answer longer too.
            self._hold(_bytes_of(asked, raw_keys) - _bytes_of(asked, unread))
        return list(map(read.__getitem__, raw_keys))

    def range(self, topic: str, key: Any, low: Any, high: Any) -> list[Any]:
        """Return the values of a key within a range, in its order."""
        asked = self._topic(topic)
        moment = self._moment(asked)
        raw_key, bounds = self._range(asked, RangeOf(key, low, high))
        return self._decoded(asked, ranged(_DeclaredRanges(moment, asked.access.mirror), raw_key, Range(bounds)))

    def all(self, topic: str, check_time: Callable[[], None]) -> list[Any]:
        """Return all values by key."""
        asked = self._topic(topic)
        values: list[Any] = []
        for page in self._moment(asked).pages():
            check_time()
            values += self._decoded(asked, page)
        return values

    def identity(self, topic: str) -> str:
        """Return the ID that Kafka has given to *topic*."""
        return self._topic(topic).access.topic_id

    def rows(
        self, query: ListQuery, window: Window, check_time: Callable[[], None], *, at_once: int
    ) -> Iterator[LocalRow]:
        """Yield the rows of a list that are in a window."""
        asked = self._topic(query.topic)
        conditions = self._conditions(asked, query)
        scanned = query.scanned
        if query.range is not None:
            order: Order = self._range_order(asked, query.range)
        elif scanned is not None:
            order = ByIndex(self._moment(asked), asked.access.mirror, conditions.pop(scanned))
        else:
            order = ByKey(self._moment(asked))
        # A long scan would drive out what is kept.
        decode = asked.decoders.decode if conditions else asked.decoders.decode_kept
        rows = rows_of(
            order,
            window,
            tuple(conditions.values()),
            decode=lambda entry: _value_of(asked.access, entry, decode),
            check_time=check_time,
            at_once=at_once,
        )
        for row in rows:
            self._hold(len(row.entry.value))
            yield row

    def close(self) -> None:
        """End the moments."""
        for topic in self._topics.values():
            if topic.moment is not None:
                topic.moment.__exit__(None, None, None)
                topic.moment = None
        self._topics.clear()

    def _indexes(self, topic: _Topic) -> Indexes | None:
        # Only what is declared is asked for here; the rows themselves come from the moment.
        return self._mirrors.indexes(topic.access, cast("AnsweringMirror", self._view(topic)))

    def _range(self, topic: _Topic, wanted: RangeOf) -> tuple[bytes, Bounds]:
        """Return the owner of a range and its bounds."""
        access = topic.access
        indexes, field = range_indexes(self._indexes(topic))
        bounds = bounds_of(field, {"from": wanted.low, "to": wanted.high}, field.from_json)
        if indexes.range_key is None:
            return access.keys.encode(as_key(wanted.key, access.keys.type, access.name)), bounds
        return indexes.range_key.from_json(wanted.key), bounds

    def _range_order(self, topic: _Topic, wanted: RangeOf) -> ByRange:
        return ByRange(self._moment(topic), topic.access.mirror, *self._range(topic, wanted))

    def _conditions(self, topic: _Topic, query: ListQuery) -> dict[str, Condition]:
        """Return the conditions of a list by field."""
        if not query.where:
            return {}
        indexes = self._indexes(topic)
        fields = {} if indexes is None else indexes.fields
        for name in query.where:
            if name not in fields:
                raise InvalidInputError(
                    f"The mirror of topic {query.topic} has no index of field {name} any more."
                    f" There are: {', '.join(sorted(fields)) or 'none'}. Declare one, or ask without it."
                )
        return {name: condition(fields[name], given) for name, given in query.where.items()}

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
        return topic.read[raw] if raw in topic.read else self._read_one(topic, raw)

    def _read_one(self, topic: _Topic, key: bytes) -> Any:
        """Return the value under *key*, and remember it."""
        raw = self._moment(topic).value(key)
        if raw is None:
            topic.read[key] = None
            return None
        size = topic.sizes[key] = len(raw)
        self._hold(size)
        value = topic.read[key] = self._value(topic, key, raw)
        return value

    def _read_many(self, topic: _Topic, keys: Sequence[bytes]) -> None:
        """Remember what stands under each of *keys*."""
        values = self._moment(topic).values(keys)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            found = keys[start : start + KEYS_AT_ONCE]
            raws = list(islice(values, len(found)))
            if None in raws:
                topic.read.update(dict.fromkeys(found))
                found = [key for key, raw in zip(found, raws, strict=True) if raw is not None]
            present = [raw for raw in raws if raw is not None]
            sizes = list(map(len, present))
            topic.sizes.update(zip(found, sizes, strict=True))
            self._hold(sum(sizes))
            try:
                decoded = topic.decoders.decode_many_kept(present)
            except QuickError:  # One of them cannot be read, which is its error alone.
                decoded = [self._value(topic, key, raw) for key, raw in zip(found, present, strict=True)]
            topic.read.update(zip(found, decoded, strict=True))

    def _value(self, topic: _Topic, key: bytes, raw: bytes) -> Any:
        try:
            return topic.decoders.decode_kept(raw)
        except QuickError as error:
            return _unreadable(topic.access, self._moment(topic).get(key), error)

    def _decoded(self, topic: _Topic, entries: Sequence[Entry]) -> list[Any]:
        self._hold(sum([len(entry.value) for entry in entries]))
        try:
            return topic.decoders.decode_many([entry.value for entry in entries])
        except QuickError:  # As above.
            return [_value_of(topic.access, entry, topic.decoders.decode) for entry in entries]

    def _hold(self, size: int) -> None:
        with self._held_lock:
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

    def range(self, key: bytes, bounds: Bounds, window: Window) -> list[Entry]:
        """Return the records of a key, see `RangedView`."""
        return self.moment.range(key, bounds, window, declared=self.declared)


def encoder_of_keys(codec: Codec) -> Callable[[Sequence[Any]], list[bytes]]:
    """Return what encodes many keys."""
    if isinstance(codec, WholeNumberCodec):
        return codec.encode_all
    encode = codec.encode
    return lambda keys: [encode(key) for key in keys]


def _bytes_of(topic: _Topic, raw_keys: Iterable[bytes]) -> int:
    return sum(topic.sizes.get(raw, 0) for raw in raw_keys)


def _value_of(access: TopicAccess, entry: Entry, decode: Decoder) -> Any:
    """Return the value of an entry, the error where it cannot be read."""
    try:
        return decode(entry.value)
    except QuickError as error:
        return _unreadable(access, entry, error)


def _unreadable(access: TopicAccess, entry: Entry | None, error: QuickError) -> QuickError:
    """Return the error of one value; what another program has written is told with its place."""
    if entry is None or not isinstance(error, InvalidValueError | NotFoundError):
        return error
    return UnreadableEntryError(access.name, entry.partition, entry.key, str(error))
