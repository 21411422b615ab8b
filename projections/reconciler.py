"""Makes Kafka's topics match the registry: desired state in, the difference applied.

Level-triggered: it compares what should be with what is, whenever something changed and every now and then, so
replaying the log has no side effects and a missed event loses nothing. Which Kafka topic belongs to which incarnation
stands in `__quick-status`, written before and after creation: a topic is deleted only when its Kafka ID is the one
that was written down for an incarnation that the registry no longer has. Kafka deletes by name, so between that check
and the deletion a risk of milliseconds stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from core.errors import ConflictError, KafkaRefusedError, KafkaUnavailableError, NotFoundError
from core.kafka_admin import KafkaAdmin
from core.kafka_writer import OutRecord, RecordWriter, last_offsets
from core.topic_safety import Watched, look_at
from core.topics import Topic, WriteType
from projections.registry import UNDECLARED, RegistryView, Row
from projections.status import CREATED, CREATING, FAILED, StatusView, TopicStatus, encode, topic_key

logger = logging.getLogger(__name__)

DELETION_TIMEOUT_S = 10.0
"""Longest wait until Kafka no longer shows a topic that it has agreed to delete."""

ACKNOWLEDGE_TIMEOUT_S = 15.0
"""Longest wait until a status is written and read back."""


COMPACTED = "compact"


class _Incarnation(NamedTuple):
    name: str
    incarnation: int


class LeadershipLostError(Exception):
    """Raised between two effects when another process leads now; the work is left to it."""


class TopicReconciler:
    """Compares and applies, in the one process that leads.

    Args:
        leads: Returns whether this process leads; asked before every effect.
        status_topic: Where outcomes are written.
        status: The view of that topic, which another thread of this process folds.
    """

    def __init__(
        self,
        registry: RegistryView,
        status: StatusView,
        kafka: KafkaAdmin,
        writer: RecordWriter,
        status_topic: str,
        leads: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._status = status
        self._kafka = kafka
        self._writer = writer
        self._status_topic = status_topic
        self._leads = leads

    def reconcile(self) -> bool:
        """Apply every difference; return whether all is as it should be.

        Raises:
            KafkaUnavailableError: The broker did not answer; what was done stands, the rest is still to be done.
            LeadershipLostError: Another process leads now.
        """
        live = {_Incarnation(row.state.name, row.incarnation): row for row in self._wanted()}
        known = {_Incarnation(status.name, status.incarnation): status for status in self._status.topics()}
        for incarnation, status in known.items():
            if incarnation not in live:
                self._retire(status)
        states = [self._state_of(row, known.get(incarnation)) for incarnation, row in live.items()]
        return all(state == CREATED for state in states)

    def _wanted(self) -> list[Row[Topic]]:
        """Return all topics that are to be in Kafka."""
        published = self._registry.published
        return self._registry.topics() + ([] if published is None else [self._registry.topic(published.name)])

    def watch(self) -> None:
        """Look what others have done to the topics, and note it.

        A topic that was deleted and created again under its name is the one that is served from now on. Not so an
        immutable one: the first record of a key would no longer count, so writes to it are refused.

        Raises:
            KafkaUnavailableError: The broker did not answer.
            KafkaRefusedError: Kafka does not let this user look.
            LeadershipLostError: Another process leads now.
        """
        created = self._created()
        found = self._kafka.describe_all(created)
        for name, (row, status) in created.items():
            is_adoptable = row.state.write_type is WriteType.MUTABLE
            if is_adoptable and name in found and found[name].topic_id != status.topic_id:
                logger.warning("somebody has deleted the Kafka topic %s and created it again: it is adopted", name)
                self._note(row, CREATED, topic_id=found[name].topic_id)
        self._watch_immutable()

    def _created(self) -> dict[str, tuple[Row[Topic], TopicStatus]]:
        created = {}
        for row in self._wanted():
            status = self._status.topic(row.state.name, row.incarnation)
            if status is not None and status.state == CREATED and status.topic_id is not None:
                created[row.state.name] = (row, status)
        return created

    def _watch_immutable(self) -> None:
        statuses: dict[str, TopicStatus] = {}
        watched = []
        for name, (row, status) in self._created().items():
            if row.state.write_type is WriteType.IMMUTABLE:
                assert status.topic_id is not None, "it was created"
                statuses[name] = status
                watched.append(Watched(row.state, status.topic_id))
        for name, dangers in look_at(self._kafka, watched).items():
            if statuses[name].dangers != dangers:
                self._note_dangers(statuses[name], dangers)

    # A topic that should exist.

    def _state_of(self, row: Row[Topic], status: TopicStatus | None) -> str:
        """Make the topic if it is missing; return what became of it."""
        if row.incarnation != UNDECLARED:
            return self._establish(row, status)
        try:
            return self._establish_published(row, status)
        except KafkaRefusedError as error:  # Nothing that is declared waits for it.
            return self._note_failed(row, str(error))

    def _establish(self, row: Row[Topic], status: TopicStatus | None) -> str:
        if status is not None and status.state == CREATED:
            return CREATED
        existing = self._kafka.describe(row.state.name)
        was_announced = status is not None and status.state == CREATING
        if existing is not None and not was_announced:
            return self._note_failed(row, f"Kafka has a topic {row.state.name} that was not created for this one.")
        if existing is None:
            self._note(row, CREATING)
            refusal = self._create(row.state)
            if refusal is not None:
                return self._note_failed(row, refusal)
            existing = self._kafka.describe(row.state.name)
        if existing is None:
            return CREATING  # Kafka has agreed and does not show it yet: the next look will find it.
        self._note(row, CREATED, topic_id=existing.topic_id)
        return CREATED

    def _establish_published(self, row: Row[Topic], status: TopicStatus | None) -> str:
        """Make the topic that the registry is published in, again if somebody has deleted it.

        One that is there is taken, whoever made it: what it holds is put right anyway.
        """
        existing = self._kafka.describe(row.state.name)
        if existing is None:
            refusal = self._create(row.state)
            if refusal is not None:
                return self._note_failed(row, refusal)
            existing = self._kafka.describe(row.state.name)
        if existing is None:
            return CREATING
        if status is not None and (status.state, status.topic_id) == (CREATED, existing.topic_id):
            return CREATED
        if (policy := self._kafka.topic_config(row.state.name).get("cleanup.policy")) != COMPACTED:
            return self._note_failed(
                row,
                f"Kafka has a topic {row.state.name} with cleanup.policy={policy}, from which old entries of the"
                f" registry would vanish. Set it to {COMPACTED}, or delete the topic: it is made again.",
            )
        self._note(row, CREATED, topic_id=existing.topic_id)
        return CREATED

    def _create(self, topic: Topic) -> str | None:
        """Ask Kafka to create *topic*; return why it refused."""
        self._confirm_leadership()
        try:
            self._kafka.create_topic(
                topic.name,
                partitions=topic.partitions,
                replication_factor=topic.replication_factor,
                config=topic.config,
            )
        except ConflictError:
            # It was not there a moment ago, and was announced since: the client has sent the request again because the
            # answer to the first one was late. So it is this one, as it would be after a crash at this place.
            logger.info("Kafka has created the topic %s at an earlier request", topic.name)
            return None
        except KafkaRefusedError as error:
            return str(error)
        logger.info("created the Kafka topic %s", topic.name)
        return None

    # A topic that should be gone.

    def _retire(self, status: TopicStatus) -> None:
        if status.incarnation == UNDECLARED:
            # The registry is published elsewhere now; who reads in the old topic may read on.
            self._write(topic_key(status.name, status.incarnation), None)
            return
        existing = self._kafka.describe(status.name)
        topic_id = status.topic_id
        if existing is not None and status.state == CREATING:
            topic_id = existing.topic_id  # Announced and created, but the process died before it wrote the ID down.
        if existing is not None and existing.topic_id == topic_id:
            self._delete(status.name, topic_id)
        self._write(topic_key(status.name, status.incarnation), None)

    def _delete(self, name: str, topic_id: str) -> None:
        self._confirm_leadership()
        try:
            self._kafka.delete_topic(name)
        except NotFoundError:
            logger.info("the Kafka topic %s was gone already", name)
        self._await_deletion(name, topic_id)
        logger.info("deleted the Kafka topic %s", name)

    def _await_deletion(self, name: str, topic_id: str) -> None:
        deadline = time.monotonic() + DELETION_TIMEOUT_S
        while (existing := self._kafka.describe(name)) is not None and existing.topic_id == topic_id:
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"Kafka still shows the topic {name}, which it has agreed to delete.")
            time.sleep(0.01)

    # What became of it.

    def _note_failed(self, row: Row[Topic], error: str) -> str:
        known = self._status.topic(row.state.name, row.incarnation)
        if known is None or known.error != error:
            logger.warning("the Kafka topic %s cannot be created: %s", row.state.name, error)
            self._note(row, FAILED, error=error)
        return FAILED

    def _note(self, row: Row[Topic], state: str, *, topic_id: str | None = None, error: str | None = None) -> None:
        status = TopicStatus(
            name=row.state.name, incarnation=row.incarnation, state=state, topic_id=topic_id, error=error
        )
        self._write(topic_key(row.state.name, row.incarnation), encode(status))

    def _note_dangers(self, status: TopicStatus, dangers: list[str]) -> None:
        for danger in dangers:
            logger.error("writes to topic %s are refused: %s", status.name, danger)
        if not dangers:
            logger.warning("the immutable topic %s is safe again", status.name)
        noted = msgspec.structs.replace(status, dangers=dangers)
        self._write(topic_key(status.name, status.incarnation), encode(noted))

    def _write(self, key: bytes, value: bytes | None) -> None:
        """Write a status and wait until the view has it, so that the next look sees what this one did."""
        self._confirm_leadership()
        written = self._writer.write(self._status_topic, [OutRecord(key, value)]).result(ACKNOWLEDGE_TIMEOUT_S)
        [offset] = last_offsets(self._writer.bootstrap, self._status_topic, written).values()
        self._status.wait_for(offset, ACKNOWLEDGE_TIMEOUT_S)

    def _confirm_leadership(self) -> None:
        if not self._leads():
            raise LeadershipLostError
