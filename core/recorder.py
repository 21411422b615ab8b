"""The command log as a persistence module of the eventsourcing library: `PERSISTENCE_MODULE=core.recorder`.

One application per Kafka topic. A notification ID counts accepted events, 1, 2, 3 … without gaps; it is the same on
every machine and says nothing about offsets: records that the acceptance rule refuses have an offset and no ID.

Settings, in the library's environment mapping or the process's:

    QUICK_KAFKA_BOOTSTRAP_SERVER   brokers, required
    QUICK_LOG_TOPIC                the topic, created when absent; default: the application's name
    QUICK_DATA_DIR                 folder of the index; a temporary one when unset
    QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR   replicas of a topic that has to be created, 1 when unset
    ORIGINATOR_ID_TYPE             `uuid` (default) or `text`, as in the library's own modules

As everywhere in the library, `SCHOOL_QUICK_LOG_TOPIC` is that setting for the application `School` alone: name topics
so where several applications share one environment, because each needs a topic of its own.

Open applications after a fork, not before: neither LMDB nor Kafka's clients survive one.
"""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    ProcessRecorder,
    TrackingRecorder,
)
from eventsourcing.utils import Environment, resolve_topic

from core.command_log import CommandLog
from core.data_folder import DataFolder
from core.errors import KafkaUnavailableError
from core.local_recorders import LocalRecorder, LocalSnapshotRecorder, LocalTrackingRecorder
from core.log_recorders import KafkaAggregateRecorder, KafkaApplicationRecorder, KafkaProcessRecorder
from core.shared_logs import open_log, release_log

C = TypeVar("C")
L = TypeVar("L", bound=LocalRecorder)
R = TypeVar("R", bound=KafkaApplicationRecorder)


class KafkaFactory(InfrastructureFactory[TrackingRecorder]):
    """Makes the recorders of one application; they share one open log per process, topic and folder.

    Raises:
        InfrastructureFactoryError: A setting is missing or has no usable value.
    """

    BOOTSTRAP_SERVER = "QUICK_KAFKA_BOOTSTRAP_SERVER"
    LOG_TOPIC = "QUICK_LOG_TOPIC"
    DATA_DIR = "QUICK_DATA_DIR"
    REPLICATION_FACTOR = "QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR"
    ORIGINATOR_ID_TYPE = "ORIGINATOR_ID_TYPE"

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self._bootstrap = self.env.get(self.BOOTSTRAP_SERVER, "")
        if not self._bootstrap:
            raise InfrastructureFactoryError(
                f"{self.BOOTSTRAP_SERVER} is not set. Set it to the brokers, as HOST:PORT."
            )
        self._topic = self.env.get(self.LOG_TOPIC) or self.env.name or "events"
        self._replication_factor = self._read_replication_factor()
        self._has_uuids = self._reads_uuids()
        self._data = DataFolder(self.env.get(self.DATA_DIR))
        self._log: CommandLog | None = None
        self._local_recorders: list[LocalRecorder] = []
        self._is_closed = False

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Return a recorder of aggregate sequences; snapshots can be taken again and stay on this machine."""
        if purpose == "snapshots":
            # Inside the index: when that is set aside because its log is gone, so are the snapshots.
            return self._kept(LocalSnapshotRecorder(self.log().index.path / "snapshots", uuids=self._has_uuids))
        return KafkaAggregateRecorder(self.log(), self._name, originator_ids_are_uuids=self._has_uuids)

    def application_recorder(self) -> ApplicationRecorder:
        """Return the recorder of an application."""
        return self._recorder(self.APPLICATION_RECORDER_TOPIC, KafkaApplicationRecorder)

    def process_recorder(self) -> ProcessRecorder:
        """Return the recorder of an application that processes another one."""
        return self._recorder(self.PROCESS_RECORDER_TOPIC, KafkaProcessRecorder)

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> TrackingRecorder:
        """Return a recorder of a projection's progress: local, because the projection itself is.

        Args:
            tracking_recorder_class: The view, a `LocalTrackingRecorder`; each class has a store of its own.

        Raises:
            InfrastructureFactoryError: The class keeps its tracking elsewhere.
            StoreError: The store cannot be opened.
        """
        chosen = tracking_recorder_class
        if chosen is None and (configured := self.env.get(self.TRACKING_RECORDER_TOPIC)):
            chosen = resolve_topic(configured)
        recorder_class = _subclass(chosen or LocalTrackingRecorder, LocalTrackingRecorder)
        self._refuse_when_closed()
        # A projection has its own name and may have no log: what it reads is another application's.
        store = quote(f"{self._name}.{recorder_class.__qualname__}", safe="")
        return self._kept(recorder_class(self._data.path / "tracking" / store))

    def log(self) -> CommandLog:
        """Return the open log, opening it at first use.

        Raises:
            KafkaUnavailableError: No broker answered.
            KafkaRefusedError: Kafka does not take the topic's name or the number of replicas.
            UnsafeLogError: The topic's settings could lose events.
        """
        self._refuse_when_closed()
        if self._log is None:
            folder = self._data.path / "log" / self._topic
            try:
                self._log = open_log(self._bootstrap, self._topic, folder, replication_factor=self._replication_factor)
            except KafkaUnavailableError as error:
                raise KafkaUnavailableError(
                    f"Cannot open the log {self._topic} on {self._bootstrap}: {error}"
                    f" The address is what {self.BOOTSTRAP_SERVER} says."
                ) from error
        return self._log

    def close(self) -> None:
        """Close the local recorders, release the log (the last one to do so closes it), remove a temporary folder."""
        self._is_closed = True
        while self._local_recorders:
            self._local_recorders.pop().close()
        if self._log is not None:
            release_log(self._log)
            self._log = None
        self._data.close()

    @property
    def _name(self) -> str:
        return self.env.name or self._topic

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise InfrastructureFactoryError(f"The application {self._name} is closed. Construct a new one.")

    def _kept(self, recorder: L) -> L:
        """Return *recorder*, to be closed with this factory, but usable when the factory is dropped unclosed."""
        recorder.keeps = self._data
        self._local_recorders.append(recorder)
        return recorder

    def _recorder(self, setting: str, default: type[R]) -> R:
        configured = self.env.get(setting)
        recorder_class = _subclass(resolve_topic(configured), default) if configured else default
        return recorder_class(self.log(), self._name, originator_ids_are_uuids=self._has_uuids)

    def _read_replication_factor(self) -> int:
        configured = self.env.get(self.REPLICATION_FACTOR) or "1"
        if not (configured.isdecimal() and int(configured) > 0):
            raise InfrastructureFactoryError(
                f"{self.REPLICATION_FACTOR}={configured!r} must be a whole number, 1 or more."
            )
        return int(configured)

    def _reads_uuids(self) -> bool:
        configured = (self.env.get(self.ORIGINATOR_ID_TYPE) or "uuid").lower()
        if configured not in {"uuid", "text"}:
            raise InfrastructureFactoryError(f"{self.ORIGINATOR_ID_TYPE}={configured!r} must be 'uuid' or 'text'.")
        return configured == "uuid"


def _subclass(found: Any, wanted: type[C]) -> type[C]:
    """Return the class *found* that a setting or a caller has named."""
    if isinstance(found, type) and issubclass(found, wanted):
        return found
    raise InfrastructureFactoryError(f"{found!r} cannot be used: derive it from {wanted.__module__}.{wanted.__name__}.")
