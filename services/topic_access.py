"""How a service reads and writes one topic: its codecs, its Kafka ID and its mirror, looked up once per declaration."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from core.errors import NotFoundError, StoreError, UnavailableError
from core.mirrors import MirrorDefinition
from core.registered_schema import SchemaLookup
from core.topics import Topic, TopicSchema, WriteType
from core.types import Codec, TopicType, codec_for
from projections.mirrors import MirrorView
from projections.places import file_id
from projections.registry import Row
from projections.status import CREATED
from services.worker import Views, Worker

MIRROR_TIMEOUT_S = 2.0
"""Longest wait for the mirror of a topic that was created a moment ago."""


@dataclass(frozen=True, slots=True)
class TopicAccess:
    """What is needed to read and write one incarnation of a topic."""

    name: str
    topic_id: str
    keys: Codec
    values: Codec
    partitions: int
    value_schema: TopicSchema | None
    key_schema: TopicSchema | None = None
    is_immutable: bool = False
    dangers: tuple[str, ...] = ()
    """Why a later record of a key could win, should the topic be immutable: what would happen, and the way out."""
    mirror: MirrorDefinition | None = None
    """What its mirror keeps; `None` when it has none, and can be written but not read."""


LOOK_AGAIN_S = 0.02
"""How long a copy is read without looking whether another one has taken its place, and how long what is noted of a
topic that is declared as before is taken to be noted still."""


LOOKS = 3
"""How often a mirror is looked for before it is not there: a copy can be replaced between two steps of a look."""


class _Known(NamedTuple):
    """An access, and what it was made from."""

    registered: int
    """Version of the registry when it was asked: while it stays, so does all that is declared."""
    declared: int
    """Position of the topic's declaration, or of its last change."""
    noted: int
    """Version of the statuses when they were asked: while it stays, so does what is noted of Kafka's topics."""
    current_until: float
    """When it is to be looked whether something else was noted meanwhile."""
    access: TopicAccess


class _Opened(NamedTuple):
    """An open mirror."""

    path: Path
    """The link to the copy that answers."""
    identity: tuple[int, int]
    """Of the copy."""
    view: MirrorView
    current_until: float
    """When it is to be looked whether this is still the copy that answers."""


class TopicAccesses:
    """The topics of a worker, looked up in the registry and kept until their declaration changes."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._accesses: dict[str, _Known] = {}
        self._mirrors: dict[str, _Opened] = {}

    def topic(self, name: str) -> TopicAccess:
        """Return the access to a topic.

        Raises:
            NotFoundError: The topic is not declared.
            UnavailableError: It is declared, and does not exist in Kafka yet.
        """
        views = self._worker.views
        registered, known = views.registry.version(), self._accesses.get(name)
        if known is not None and known.registered == registered:
            now = time.monotonic()
            if now < known.current_until:
                return known.access
            if known.noted == views.status.version():
                self._accesses[name] = known._replace(current_until=now + LOOK_AGAIN_S)
                return known.access
        return self._asked_again(views, name, known)

    def _asked_again(self, views: Views, name: str, known: _Known | None) -> TopicAccess:
        registered, noted = views.registry.version(), views.status.version()
        row = views.registry.topic(name)
        if known is None or known.declared != row.position:
            access = _access(views, row, self._worker.schema)
        else:
            access = _moved(known.access, _place(views, row), _definition(views, name))
        current_until = time.monotonic() + LOOK_AGAIN_S
        self._accesses[name] = _Known(registered, row.position, noted, current_until, access)
        return access

    def mirror(self, access: TopicAccess) -> MirrorView:
        """Return the mirror of a topic, waiting a little for that of a new one; blocks, so call it in a thread.

        Raises:
            NotFoundError: The topic has none.
            UnavailableError: It is being built, and would not answer with everything that the topic holds.
        """
        deadline = time.monotonic() + MIRROR_TIMEOUT_S
        while (mirror := self.ready_mirror(access)) is None:
            if time.monotonic() > deadline:
                raise UnavailableError(f"The mirror of topic {access.name} is being built. Try again.")
            time.sleep(0.005)
        return mirror

    def ready_mirror(self, access: TopicAccess) -> MirrorView | None:
        """Return the mirror of a topic, `None` while it is being built.

        Raises:
            NotFoundError: The topic has none.
        """
        if access.mirror is None:
            raise no_mirror(access.name)
        mirror = self.open_mirror(access)
        return mirror if mirror is not None and mirror.is_ready() else None

    def open_mirror(self, access: TopicAccess) -> MirrorView | None:
        """Return the mirror of a topic, also while it is being built; `None` before that has begun.

        Whoever waits for something to come asks again: another copy may have taken the place of this one.
        """
        known = self._mirrors.get(access.topic_id)
        if known is not None and time.monotonic() < known.current_until:
            return known.view
        with self._lock:
            return self._looked_for(access.topic_id)

    def _looked_for(self, topic_id: str) -> MirrorView | None:
        """Open a mirror that is new, or whose copy was replaced; who reads in the old copy reads on."""
        for _ in range(LOOKS):
            try:
                return self._found(topic_id)
            except (StoreError, FileNotFoundError):
                continue  # It was replaced between two steps, and the other copy is there; or it is just being made.
        return None

    def _found(self, topic_id: str) -> MirrorView:
        known = self._mirrors.get(topic_id)
        current_until = time.monotonic() + LOOK_AGAIN_S
        path = self._worker.views.folder.mirror(topic_id) if known is None else known.path
        if known is not None and known.identity == file_id(path / "data.mdb"):
            self._mirrors[topic_id] = known._replace(current_until=current_until)
            return known.view
        copy = path.resolve(strict=True)  # The link may lead elsewhere a moment later.
        identity = file_id(copy / "data.mdb")
        self._drop_deleted()
        if known is None or known.identity != identity:
            known = _Opened(path, identity, MirrorView(copy), current_until)
        self._mirrors[topic_id] = known
        return known.view

    def _drop_deleted(self) -> None:
        """Drop the mirrors of topics that were deleted: each holds files open until nobody reads in it any more."""
        for topic_id in list(self._mirrors):
            if not self._worker.views.folder.mirror(topic_id).exists():
                del self._mirrors[topic_id]


def no_mirror(topic: str) -> NotFoundError:
    """Return the refusal to read a topic that has no mirror."""
    return NotFoundError(f"There is no mirror of topic {topic}. Create one: quick mirror create {topic}")


class _Place(NamedTuple):
    """What Kafka has of a topic."""

    topic_id: str
    dangers: tuple[str, ...]


def _place(views: Views, row: Row[Topic]) -> _Place:
    topic = row.state
    status = views.status.topic(topic.name, row.incarnation)
    if status is None or status.state != CREATED or status.topic_id is None:
        reason = "it is being created" if status is None or status.error is None else status.error
        raise UnavailableError(f"Topic {topic.name} does not exist in Kafka yet: {reason}. Try again.")
    return _Place(status.topic_id, tuple(status.dangers))


def _definition(views: Views, topic: str) -> MirrorDefinition | None:
    try:
        return views.registry.mirror(topic).state.definition
    except NotFoundError:
        return None


def _moved(access: TopicAccess, place: _Place, mirror: MirrorDefinition | None) -> TopicAccess:
    """Return *access* with what has changed; the same one when nothing has, so that what is made from it stays."""
    if (access.topic_id, access.dangers) == place and access.mirror == mirror:
        return access
    return replace(access, topic_id=place.topic_id, dangers=place.dangers, mirror=mirror)


def _access(views: Views, row: Row[Topic], schemas: SchemaLookup) -> TopicAccess:
    topic, place = row.state, _place(views, row)
    return TopicAccess(
        name=topic.name,
        topic_id=place.topic_id,
        keys=_codec(topic.key_type, topic.key_schema, schemas),
        values=_codec(topic.value_type, topic.value_schema, schemas),
        partitions=topic.partitions,
        value_schema=topic.value_schema,
        key_schema=topic.key_schema,
        is_immutable=topic.write_type is WriteType.IMMUTABLE,
        dangers=place.dangers,
        mirror=_definition(views, topic.name),
    )


def _codec(type_: TopicType, schema: TopicSchema | None, schemas: SchemaLookup) -> Codec:
    return codec_for(type_, schema=None if schema is None else schema.registered(), schemas=schemas)
