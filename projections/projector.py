"""The projector process: folds the log and the topics into the views of a machine, and reconciles Kafka's topics.

    follow       the command log's index (core.command_log)
    registry     log → registry
    folds        status topic and data topics → status view and mirrors
    watch        Kafka's topics → how current the mirrors are
    reconciler   registry → Kafka's topics, in the one process that leads; it also watches the immutable ones, and
                 publishes the registry in a topic
    replica      what is held of a mirror → status topic, in a mirror pod

Which mirrors are folded, and whether the process may lead, is a matter of its role (`projections.mirror_choice`).
Each part is a thread that ends when it is told to. One that ends by an error ends the process: its supervisor starts
it again, and every part continues from what its store holds.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from core.command_log import CommandLog
from core.election import Leadership
from core.errors import (
    ConflictError,
    FoldError,
    KafkaRefusedError,
    KafkaUnavailableError,
    QuickError,
    StoreError,
    UnavailableError,
)
from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer, watermarks
from core.kafka_writer import RecordWriter
from core.log_topic import LogTopic
from core.published_registry import registry_topic
from core.roles import Role
from core.settings import Settings
from core.signs_of_life import SignReporter, SignSender
from projections.collector import spare_the_collector
from projections.freshness import FreshnessProjection
from projections.liveliness import Liveliness, Turns
from projections.mirror_choice import choice_of
from projections.mirror_indexing import find_schema, registry_elsewhere
from projections.places import log_folder, make_current, view_folder
from projections.reconciler import LeadershipLostError, TopicReconciler
from projections.registry import RegistryProjection
from projections.registry_folder import RegistryFolder
from projections.registry_publisher import RegistryPublisher
from projections.replicas import WRITE_TIMEOUT_S, Announcer, ReplicaStatus
from projections.status import TOPIC_CONFIG, StatusProjection
from projections.topic_folds import Held, TopicFolds
from projections.topic_watch import TopicWatch

logger = logging.getLogger(__name__)

RECONCILE_EVERY_S = 30.0
"""How often everything is compared when nothing has changed."""

WATCH_EVERY_S = 10.0
"""How often it is looked whether somebody has made an immutable topic unsafe in Kafka."""

ELECTION_S = 0.2
"""How often the election is looked at; each look also tells the group that this member is alive."""

RETRY_S = 2.0
"""How soon a difference that could not be applied is tried again."""

WATCH_END_S = 2.0
"""How long a process that ends waits for the look at Kafka's topics that is under way."""

PUBLISHED_FETCH_WAIT_MS = 5
"""How long the end of the published registry is waited for at the broker; the read ends there, and is made seldom."""

LOCK_TIMEOUT_S = 10.0
"""Longest wait for a projector that is ending."""


class Projector:
    """All parts of the process, opened in order and closed in reverse."""

    def __init__(self, settings: Settings, liveliness: Liveliness | None = None) -> None:
        self._settings = settings
        self._liveliness = liveliness or Liveliness()
        self._folds: TopicFolds | None = None
        self._stopping = threading.Event()
        self._changed = threading.Event()
        self._failed = threading.Event()
        self._lock = _hold(settings.data_dir / "projector.lock")
        self._kafka = KafkaAdmin(settings.kafka)
        topic = LogTopic(settings.kafka, settings.log_topic, replication_factor=settings.replication_factor)
        self._log = CommandLog(topic, log_folder(settings.data_dir, settings.log_topic))
        self._folder = view_folder(settings.data_dir, self._log.identity.folder_name)
        published = registry_topic(settings.registry_topic, replication_factor=settings.replication_factor)
        self._registry = RegistryProjection(self._folder.registry, published)
        self._status = StatusProjection(self._folder.status, self._ensure_status_topic())
        make_current(settings.data_dir, self._folder)  # Last, so that a reader finds all views that it opens.

    def run(self) -> None:
        """Work until `stop` is called or a part fails.

        Raises:
            SystemExit: A part failed; the log says why.
        """
        parts = [self._part("registry", self._follow_registry), self._part("folds", self._fold_topics)]
        if self._settings.role.leads:
            parts.append(self._part("reconciler", self._reconcile))
        if self._settings.role is Role.MIRROR:
            parts.append(self._part("replica", self._announce))
        for part in parts:
            part.start()
        self._stopping.wait()
        for part in parts:
            part.join()
        self._close()
        if self._failed.is_set():
            raise SystemExit(1)

    def stop(self) -> None:
        """Tell all parts to end."""
        self._stopping.set()
        self._changed.set()

    def _close(self) -> None:
        self._registry.close()
        self._status.close()
        self._log.close()
        self._lock.close()

    def _part(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except QuickError as error:
                logger.error("%s stopped: %s", name, error)
                self._failed.set()
            except Exception:
                logger.exception("%s stopped", name)
                self._failed.set()
            finally:
                self.stop()

        return threading.Thread(target=run, name=name, daemon=True)

    # The registry.

    def _follow_registry(self) -> None:
        folder, turns = RegistryFolder(self._log.index, self._registry), Turns()
        self._liveliness.watch("registry", turns.at)
        end = self._log.index.max_notification_id() or 0  # The log was folded before, up to where it ended then.
        while not self._stopping.is_set():
            turns.note()
            if self._log.wait_for_position(folder.position, timeout_s=0.5) > folder.position:
                try:
                    folder.fold_next()
                except FoldError as error:
                    # A newer program wrote the event: all else goes on, and this one is to be upgraded.
                    logger.error("the registry stands still: %s", error)
                    self._registry.note_stopped(str(error))
                    turns.rest()
                    self._liveliness.has_started = True
                    self._stopping.wait()
                self._changed.set()
            self._liveliness.has_started |= folder.position >= end

    # The status view and the mirrors.

    def _fold_topics(self) -> None:
        kafka = self._settings.kafka
        freshness = FreshnessProjection(self._folder.freshness)
        registry, elsewhere = self._registry.view, registry_elsewhere(self._settings)
        folds = TopicFolds(
            self._folder,
            registry,
            self._status,
            self._settings.status_topic,
            freshness,
            lambda schema_id: find_schema(schema_id, registry, elsewhere),
            kafka,
            lambda wait_ms: TopicsConsumer(kafka, tells_lost=True, fetch_wait_ms=wait_ms),
            self._stopping,
            choice_of(self._settings.role, self._settings.served),
            self._settings.mirror_share if self._settings.role is Role.MIRROR else None,
        )
        self._folds = folds
        self._liveliness.watch("folds", lambda: folds.turned_at)
        watch = TopicWatch(kafka, freshness, folds.folded, folds.positions)
        folds.facts, folds.standing_still = lambda: watch.facts, lambda: watch.standing_still
        watching = self._part("watch", lambda: watch.run(self._stopping))
        watching.start()
        try:
            folds.run()
        finally:
            self.stop()
            watching.join(WATCH_END_S)  # It may be waiting for a broker that does not answer.
            if not watching.is_alive():
                freshness.close()
            if elsewhere is not None:
                elsewhere.close()

    def _ensure_status_topic(self) -> str:
        """Create the status topic when it is absent, and return Kafka's ID of it."""
        name = self._settings.status_topic
        if self._kafka.describe(name) is None:
            try:
                self._kafka.create_topic(
                    name,
                    partitions=1,
                    replication_factor=self._settings.replication_factor,
                    config=TOPIC_CONFIG,
                )
            except ConflictError:
                logger.debug("%s was created by another process at the same time", name)
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while (facts := self._kafka.describe(name)) is None:
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(f"Kafka does not show the topic {name} after creating it.")
            time.sleep(0.02)
        return facts.topic_id

    # The replica that a mirror pod is.

    def _announce(self) -> None:
        writer = RecordWriter(self._settings.kafka, delivery_timeout_s=WRITE_TIMEOUT_S)
        announcer = Announcer(writer, self._settings.status_topic, self._replica)
        self._liveliness.waits_for = lambda: self._replica_waits_for(announcer)
        try:
            announcer.run(self._stopping)
        finally:
            writer.close()

    def _held(self) -> Held | None:
        assert self._settings.served is not None, "a mirror is there for one topic"
        return None if self._folds is None else self._folds.held(self._settings.served)

    def _replica(self) -> ReplicaStatus | None:
        """Return what this process is to say of what it holds, `None` while it holds nothing."""
        held = self._held()
        if held is None:
            return None
        return ReplicaStatus(
            topic=self._settings.served or "",
            topic_id=held.topic_id,
            replica=self._settings.machine_name(),
            address=self._settings.advertised_address,
            partitions=list(range(held.partitions)),
            is_ready=held.has_caught_up,
            share=held.share,
            entries=held.entries,
            lease_ms=int(self._settings.mirror_lease_s * 1000),
        )

    def _replica_waits_for(self, announcer: Announcer) -> list[str]:
        topic, held = self._settings.served, self._held()
        if held is None:
            return [f"There is no topic {topic} with a mirror yet, or Kafka does not have it yet."]
        if not held.has_caught_up:
            return [f"The mirror of topic {topic} has not caught up with it since this process was started."]
        if not announcer.is_told_ready:
            return [f"That the mirror of topic {topic} is ready here was not announced yet."]
        return []

    # Kafka's topics.

    def _reconcile(self) -> None:
        member = self._settings.machine_name()
        leadership = Leadership(self._settings.kafka, "quick-reconciler", member, self._settings.log_topic)
        writer = RecordWriter(self._settings.kafka)
        reconciler = TopicReconciler(
            self._registry.view,
            self._status.view,
            self._kafka,
            writer,
            self._settings.status_topic,
            leadership.is_held,
        )
        elsewhere = registry_elsewhere(self._settings)
        publisher = RegistryPublisher(
            self._registry.view,
            self._status.view,
            self._kafka,
            lambda: TopicsConsumer(self._settings.kafka, fetch_wait_ms=PUBLISHED_FETCH_WAIT_MS),
            writer,
            elsewhere,
            leadership.is_held,
        )
        try:
            self._reconcile_until_stopped(reconciler, publisher, leadership)
        finally:
            if elsewhere is not None:
                elsewhere.close()
            writer.close()
            leadership.close()
        self._stopping.wait()  # Where the registry stands still, another machine is to lead.

    def _reconcile_until_stopped(
        self, reconciler: TopicReconciler, publisher: RegistryPublisher, leadership: Leadership
    ) -> None:
        """Reconcile when something changed, when it is due, and at once when this process begins to lead."""
        has_statuses = False
        due = watch_due = 0.0
        while not self._stopping.is_set() and self._registry.view.stopped() is None:
            has_changed = self._changed.wait(ELECTION_S)
            if not leadership.is_held():
                # Whoever leads meanwhile writes statuses that we must read first. What changes now is seen at the
                # first look as a leader; left standing, it would end every wait at once.
                self._changed.clear()
                has_statuses, due, watch_due = False, 0.0, 0.0
                continue
            if has_changed or time.monotonic() >= due:
                self._changed.clear()
                has_statuses = has_statuses or self._has_read_statuses()
                is_settled = has_statuses and _is_settled(reconciler)
                is_settled = has_statuses and _has_published(publisher) and is_settled
                due = time.monotonic() + (RECONCILE_EVERY_S if is_settled else RETRY_S)
            if has_statuses and time.monotonic() >= watch_due:
                watch_due = time.monotonic() + (WATCH_EVERY_S if _has_watched(reconciler) else RETRY_S)

    def _has_read_statuses(self) -> bool:
        """Read what an earlier leader has written; return whether that was possible."""
        try:
            end = watermarks(self._settings.kafka, self._settings.status_topic)[0].high
            self._status.view.wait_for(end - 1, timeout_s=LOCK_TIMEOUT_S)
        except UnavailableError as error:
            logger.warning("the statuses of the Kafka topics cannot be read now: %s", error)
            return False
        return True


def _is_settled(reconciler: TopicReconciler) -> bool:
    """Reconcile once; return whether nothing is left to be done."""
    try:
        return reconciler.reconcile()
    except UnavailableError as error:
        logger.warning("the Kafka topics cannot be reconciled now: %s", error)
    except LeadershipLostError:
        logger.info("another process reconciles the Kafka topics now")
    return False


def _has_published(publisher: RegistryPublisher) -> bool:
    """Publish the registry once; return whether nothing is left to be done."""
    try:
        return publisher.publish()
    except LeadershipLostError:
        logger.info("another process publishes the registry now")
    except QuickError as error:
        logger.warning("the registry cannot be published now: %s", error)
    return False


def _has_watched(reconciler: TopicReconciler) -> bool:
    """Look at the immutable topics once; return whether that was possible."""
    try:
        reconciler.watch()
    except (UnavailableError, KafkaRefusedError) as error:
        logger.warning("whether the immutable topics are safe cannot be told now: %s", error)
        return False
    except LeadershipLostError:
        logger.info("another process watches the immutable topics now")
        return False
    return True


def _hold(path: Path) -> IO[str]:
    """Make sure that no other process writes the views of this data folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise StoreError(
                    f"Another projector writes the views in {path.parent}. Stop it, or use another data folder."
                ) from error
            time.sleep(0.05)
        else:
            return file


def main() -> int:
    """Run the projector with the settings of the environment; return the exit code."""
    logging.basicConfig(level=os.environ.get("QUICK_LOG_LEVEL", "WARNING"), format="projector: %(message)s")
    liveliness = Liveliness()
    reporter = SignReporter(SignSender.from_env(os.environ), liveliness.sign)
    reporter.start()
    try:
        spare_the_collector()
        projector = Projector(Settings.from_env(os.environ), liveliness)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: projector.stop())
        projector.run()
    except QuickError as error:
        print(f"projector: {error}", file=sys.stderr)  # noqa: T201 - logging may not be what failed
        return 1
    finally:
        reporter.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
