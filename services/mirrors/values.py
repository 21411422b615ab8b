"""Entries of a mirror as JSON: the values, also with their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import falcon
import falcon.asgi
import msgspec

from core.errors import InvalidValueError, NotFoundError, UnreadableEntryError
from core.types import Codec
from projections.mirror_entries import Entry
from services.mirrors.answering import AnsweringMirror, is_here
from services.topic_access import TopicAccess
from services.worker import Worker

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""Values of one answer that is made as a whole, as they stand in Kafka."""

FEW: Final = 100
"""Entries that are read or decoded at once without holding up other requests."""


def value_of(access: TopicAccess, entry: Entry) -> Any:
    """Return the value of *entry* as a JSON node.

    Raises:
        UnreadableEntryError: What stands in Kafka is none of the topic's type.
    """
    return _node(access, access.values, entry, entry.value)


def value_under(access: TopicAccess, mirror: AnsweringMirror, key: bytes) -> Any | None:
    """Return the value under *key* as a JSON node, `None` where there is none.

    Raises:
        UnreadableEntryError: What stands in Kafka is none of the topic's type.
    """
    raw = mirror.value(key)
    if raw is None:
        return None
    try:
        return access.values.to_json(access.values.decode(raw))
    except (InvalidValueError, NotFoundError):
        entry = mirror.get(key)  # It knows its place, or is already another one.
        return None if entry is None else value_of(access, entry)


def pair_of(access: TopicAccess, entry: Entry) -> dict[str, Any]:
    """Return key and value of *entry* as JSON nodes.

    Raises:
        UnreadableEntryError: What stands in Kafka is none of the topic's types.
    """
    return {"key": _node(access, access.keys, entry, entry.key), "value": value_of(access, entry)}


def encoded(access: TopicAccess, entries: Iterable[Entry], *, with_keys: bool = False) -> bytes:
    """Return *entries* as elements of a JSON list, without its brackets."""
    node_of = pair_of if with_keys else value_of
    return b",".join(msgspec.json.encode(node_of(access, entry)) for entry in entries)


async def read(worker: Worker, mirror: AnsweringMirror, keys: Sequence[bytes]) -> list[Entry | None]:
    """Return the entries of *keys* in their order, `None` for none; many are read in a thread.

    Raises:
        TooLargeError: The values are more bytes than an answer may have.
    """

    def found() -> list[Entry | None]:
        return mirror.get_many(keys, max_bytes=MAX_ANSWER_BYTES)

    return found() if len(keys) <= FEW and is_here(mirror) else await worker.in_thread(found)


async def values(worker: Worker, access: TopicAccess, entries: Sequence[Entry | None]) -> list[Any]:
    """Return the values of *entries*, `None` for none.

    Many are decoded in a thread, and all where a registry elsewhere may have to be asked for a schema.

    Raises:
        UnavailableError: That registry does not answer, and the schema is not known yet.
    """

    def decoded() -> list[Any]:
        return [None if entry is None else value_of(access, entry) for entry in entries]

    is_quick = worker.registry_elsewhere is None and len(entries) <= FEW
    return decoded() if is_quick else await worker.in_thread(decoded)


def answer(resp: falcon.asgi.Response, body: object) -> None:
    """Answer with *body* as JSON."""
    resp.content_type = falcon.MEDIA_JSON
    resp.data = msgspec.json.encode(body)


def _node(access: TopicAccess, codec: Codec, entry: Entry, raw: bytes) -> Any:
    try:
        return codec.to_json(codec.decode(raw))
    except (InvalidValueError, NotFoundError) as error:  # The latter: a schema ID that nobody has given.
        raise UnreadableEntryError(access.name, entry.partition, entry.key, str(error)) from error
