"""How a service reads and writes one topic: its codecs, its Kafka ID and its mirror, looked up once per declaration."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from core.errors import StoreError, UnavailableError
from core.registered_schema import SchemaLookup
from core.topics import Topic, TopicSchema
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


class TopicAccesses:
    """The topics of a worker, looked up in the registry and kept until their declaration changes."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._accesses: dict[str, tuple[int, TopicAccess]] = {}
        self._mirrors: dict[str, tuple[tuple[int, int], MirrorView]] = {}

    def topic(self, name: str) -> TopicAccess:
        """Return the access to a topic.

        Raises:
            NotFoundError: The topic is not declared.
            UnavailableError: It is declared, and does not exist in Kafka yet.
        """
        views = self._worker.views
        row = views.registry.topic(name)
        known = self._accesses.get(name)
        if known is not None and known[0] == row.position:
            return known[1]
        access = _access(views, row, self._worker.schema)
        self._accesses[name] = (row.position, access)
        return access

    def mirror(self, access: TopicAccess) -> MirrorView:
        """Return the mirror of a topic, waiting a little for that of a new one; blocks, so call it in a thread.

        Raises:
            UnavailableError: It is being built, and would not answer with everything that the topic holds.
        """
        deadline = time.monotonic() + MIRROR_TIMEOUT_S
        while (mirror := self.ready_mirror(access)) is None:
            if time.monotonic() > deadline:
                raise UnavailableError(f"The mirror of topic {access.name} is being built. Try again.")
            time.sleep(0.005)
        return mirror

    def ready_mirror(self, access: TopicAccess) -> MirrorView | None:
        """Return the mirror of a topic, `None` while it is being built."""
        mirror = self._open_mirror(access)
        return mirror if mirror is not None and mirror.is_ready() else None

    def _open_mirror(self, access: TopicAccess) -> MirrorView | None:
        path = self._worker.views.folder.mirror(access.topic_id)
        try:
            identity = file_id(path / "data.mdb")
        except FileNotFoundError:
            return None
        known = self._mirrors.get(access.topic_id)
        if known is not None and known[0] == identity:
            return known[1]
        with self._lock:
            return self._reopen_mirror(access, identity)

    def _reopen_mirror(self, access: TopicAccess, identity: tuple[int, int]) -> MirrorView | None:
        """Open a mirror that is new, or that was built again at the same place."""
        known = self._mirrors.get(access.topic_id)
        if known is not None and known[0] == identity:
            return known[1]
        if known is not None:
            known[1].close()
        self._close_deleted()
        try:
            mirror = MirrorView(self._worker.views.folder.mirror(access.topic_id))
        except StoreError:
            return None  # It is just being made.
        self._mirrors[access.topic_id] = (identity, mirror)
        return mirror

    def _close_deleted(self) -> None:
        """Close the mirrors of topics that were deleted: each holds files open."""
        for topic_id, (_, mirror) in list(self._mirrors.items()):
            if not self._worker.views.folder.mirror(topic_id).exists():
                mirror.close()
                del self._mirrors[topic_id]


def _access(views: Views, row: Row[Topic], schemas: SchemaLookup) -> TopicAccess:
    topic = row.state
    status = views.status.topic(topic.name, row.incarnation)
    if status is None or status.state != CREATED or status.topic_id is None:
        reason = "it is being created" if status is None or status.error is None else status.error
        raise UnavailableError(f"Topic {topic.name} does not exist in Kafka yet: {reason}. Try again.")
    return TopicAccess(
        name=topic.name,
        topic_id=status.topic_id,
        keys=_codec(topic.key_type, topic.key_schema, schemas),
        values=_codec(topic.value_type, topic.value_schema, schemas),
    )


def _codec(type_: TopicType, schema: TopicSchema | None, schemas: SchemaLookup) -> Codec:
    return codec_for(type_, schema=None if schema is None else schema.registered(), schemas=schemas)
