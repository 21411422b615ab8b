"""Questions and requests to the cluster: topics, their settings, its identity."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, and not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from core.errors import KafkaRefusedError, KafkaUnavailableError, NotFoundError, QuickError
from core.kafka import REQUEST_TIMEOUT_S, UNKNOWN, client_config, translated

logger = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S: Final = 3 * REQUEST_TIMEOUT_S
"""How long an answer is waited for. librdkafka's own bounds end before: that of the request and the operation's."""


class _NotThereError(KafkaRefusedError):
    """A topic or partition is not there."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What Kafka says of one topic."""

    name: str
    topic_id: str
    """Kafka's own identity of the topic (KIP-516): a topic created again under the same name has another one."""
    partitions: int
    replicas: int
    """Of the first partition."""


class KafkaAdmin:
    """Questions and requests to the cluster as a whole. Safe to use from several threads.

    After a request without an answer, or without that of a partition, there is another client: what one knows of the
    brokers can be outdated for good, such as the epoch of a leader before a restart, or that a topic that was created
    a moment ago has no partitions yet.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client = AdminClient(client_config(bootstrap))

    def cluster_id(self) -> str:
        """Return the identity of the cluster (KIP-78).

        Raises:
            KafkaUnavailableError: No broker answered.
        """
        client = self._client
        future = client.describe_cluster(request_timeout=REQUEST_TIMEOUT_S)
        return str(self._answer(client, future, "describing the cluster").cluster_id)

    def describe(self, name: str) -> TopicFacts | None:
        """Return what Kafka says of the topic *name*, `None` when there is no such topic."""
        return self.describe_all([name]).get(name)

    def describe_all(self, names: Iterable[str]) -> dict[str, TopicFacts]:
        """Return what Kafka says of those of *names* that exist."""
        wanted = list(names)
        if not wanted:
            return {}
        client = self._client
        futures = client.describe_topics(TopicCollection(wanted), request_timeout=REQUEST_TIMEOUT_S)
        found = {}
        for name, future in futures.items():
            topic = self._existing(client, future, f"describing topic {name}")
            if topic is not None:
                replicas = len(topic.partitions[0].replicas) if topic.partitions else 0
                found[name] = TopicFacts(name, str(topic.topic_id), len(topic.partitions), replicas)
        return found

    def topic_names(self) -> set[str]:
        """Return the names of all topics of the cluster."""
        client = self._client
        try:
            return set(client.list_topics(timeout=REQUEST_TIMEOUT_S).topics)
        except KafkaException as error:
            raise self._failed(client, error, "listing the topics") from error

    def create_topic(
        self,
        name: str,
        *,
        partitions: int,
        replication_factor: int,
        config: Mapping[str, str],
        validate_only: bool = False,
    ) -> None:
        """Create a topic, or with *validate_only* ask Kafka whether it would.

        Raises:
            ConflictError: A topic of this name exists.
            KafkaRefusedError: Kafka does not take the name, the numbers or the settings.
            KafkaUnavailableError: No broker answered; the topic may exist all the same.
        """
        topic = NewTopic(name, partitions, replication_factor, config=dict(config))
        client = self._client
        futures = client.create_topics(
            [topic],
            validate_only=validate_only,
            request_timeout=REQUEST_TIMEOUT_S,
            operation_timeout=REQUEST_TIMEOUT_S,
        )
        self._answer(client, futures[name], f"to create topic {name}")

    def delete_topic(self, name: str) -> None:
        """Delete a topic.

        Raises:
            NotFoundError: There is no such topic.
            KafkaUnavailableError: No broker answered; the topic may be gone all the same.
        """
        client = self._client
        futures = client.delete_topics([name], request_timeout=REQUEST_TIMEOUT_S, operation_timeout=REQUEST_TIMEOUT_S)
        try:
            self._answer(client, futures[name], f"to delete topic {name}")
        except _NotThereError as error:
            raise NotFoundError(f"Kafka has no topic {name}") from error

    def topic_config(self, name: str) -> dict[str, str]:
        """Return the settings of the topic *name* as Kafka applies them, defaults included."""
        client, resource = self._client, ConfigResource(ResourceType.TOPIC, name)
        future = client.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource]
        entries = self._answer(client, future, f"reading the settings of topic {name}")
        return {entry.name: entry.value for entry in entries.values()}

    def topic_configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the settings of those of *names* that exist, as Kafka applies them, defaults included."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        client = self._client
        futures = client.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S)
        found = {}
        for resource, future in futures.items():
            entries = self._existing(client, future, f"reading the settings of topic {resource.name}")
            if entries is not None:
                found[resource.name] = {entry.name: entry.value for entry in entries.values()}
        return found

    def low_watermarks(self, partitions: Mapping[str, int]) -> dict[str, dict[int, int]]:
        """Return the offset at which each partition begins, without those that have no leader now, or do not exist.

        Args:
            partitions: How many partitions each topic has.
        """
        return self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # not annotated there

    def committed_ends(self, partitions: Mapping[str, int]) -> dict[str, dict[int, int]]:
        """Return up to where committed records can be read now, without partitions that have no leader or are gone.

        Args:
            partitions: How many partitions each topic has.
        """
        return self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # not annotated there

    def _offsets(self, partitions: Mapping[str, int], spec: OffsetSpec) -> dict[str, dict[int, int]]:
        wanted = {TopicPartition(name, p): spec for name, count in partitions.items() for p in range(count)}
        if not wanted:
            return {}
        found: dict[str, dict[int, int]] = {}
        client, committed = self._client, IsolationLevel.READ_COMMITTED
        answers = client.list_offsets(wanted, isolation_level=committed, request_timeout=REQUEST_TIMEOUT_S)
        for place, future in answers.items():
            try:
                answer = self._existing(client, future, f"asking for an offset of {place.topic}[{place.partition}]")
            except KafkaUnavailableError as error:
                logger.info("%s", error)
                continue
            if answer is not None:
                found.setdefault(place.topic, {})[place.partition] = answer.offset
        if sum(map(len, found.values())) < len(wanted):
            self._renew(client)
        return found

    def _existing(self, client: AdminClient, future: Future[Any], doing: str) -> Any | None:
        """Return what was asked of a topic or partition, `None` when there is none."""
        try:
            return self._answer(client, future, doing)
        except _NotThereError:
            return None

    def _answer(self, client: AdminClient, future: Future[Any], doing: str) -> Any:
        """Return what *client* was asked for."""
        try:
            return future.result(_ANSWER_TIMEOUT_S)
        except KafkaException as error:
            raise self._failed(client, error, doing) from error
        except TimeoutError as error:
            self._renew(client)
            raise KafkaUnavailableError(f"Kafka's client gave no answer while {doing}. Try again.") from error

    def _failed(self, client: AdminClient, error: KafkaException, doing: str) -> QuickError:
        """Return our error for that of *client*."""
        failed = translated(error, doing)
        if isinstance(failed, KafkaUnavailableError):
            self._renew(client)
        return _NotThereError(str(failed)) if error.args[0].code() in UNKNOWN else failed

    def _renew(self, client: AdminClient) -> None:
        """Replace *client*, unless another request has done so already."""
        if self._client is client:
            self._client = AdminClient(client_config(self._bootstrap))
