"""What the ingest service keeps for each topic: its reader of pairs, and what the topic takes at once."""

from __future__ import annotations

import asyncio

from core.errors import InvalidInputError, NotFoundError
from core.kafka_batches import KAFKAS_LIMIT_BYTES
from services.ingest.pairs import PairReader
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker


class IngestTopic:
    """One incarnation of a topic, ready to be written to."""

    def __init__(self, access: TopicAccess) -> None:
        self.access = access
        self.reader = PairReader(access.keys, access.values, is_immutable=access.is_immutable)
        self.limit_bytes: int | None = None
        """`max.message.bytes` of the topic, `None` until it is known."""
        self.being_looked_up: asyncio.Future[int] | None = None
        """The question for that limit that is under way."""


class IngestTopics:
    """The topics that a worker writes to, kept until their declaration changes."""

    def __init__(self, worker: Worker, accesses: TopicAccesses) -> None:
        self._worker = worker
        self._accesses = accesses
        self._known: dict[str, IngestTopic] = {}

    def known(self, name: str) -> IngestTopic | None:
        """Return a topic to write to if that takes no time, else `None`.

        Raises:
            QuickError: It cannot be written to now.
        """
        access, known = self._accesses.topic(name), self._known.get(name)
        return None if known is None or known.access is not access else known

    async def topic(self, name: str) -> IngestTopic:
        """Return a topic to write to.

        Raises:
            InvalidInputError: It is not declared (the sentence is Quick's own), or only Quick itself writes it.
            UnavailableError: It does not exist in Kafka yet, or Kafka does not answer.
        """
        if name == self._worker.settings.registry_topic:
            raise InvalidInputError(
                f"Topic {name} is read only: Quick writes there which topics are declared. Declare one, or delete it:"
                " quick topic create, quick topic delete"
            )
        try:
            access = self._accesses.topic(name)
        except NotFoundError as error:
            raise InvalidInputError(f"Topic {name} does not exists.") from error
        known = self._known.get(name)
        if known is None or known.access is not access:
            known = self._known[name] = IngestTopic(access)
        if known.limit_bytes is None:
            await self.look_up_limit(known)
        return known

    async def look_up_limit(self, topic: IngestTopic) -> int:
        """Ask Kafka what a topic takes at once, and keep it.

        All who ask at the same time share one question: when Kafka does not answer, one thread waits and not all.
        """
        if topic.being_looked_up is None:
            topic.being_looked_up = asyncio.ensure_future(self._looked_up(topic))
        return await asyncio.shield(topic.being_looked_up)

    async def _looked_up(self, topic: IngestTopic) -> int:
        try:
            config = await self._worker.in_thread(lambda: self._worker.kafka.topic_config(topic.access.name))
        finally:
            topic.being_looked_up = None
        topic.limit_bytes = int(config.get("max.message.bytes") or KAFKAS_LIMIT_BYTES)
        return topic.limit_bytes
