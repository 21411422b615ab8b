"""Builds one copy of a mirror beside the one that answers, in a process of its own; ends when it holds everything.

Its argument is a `BuildOrder` as JSON. It continues what an earlier process has left behind.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

from core.errors import QuickError, StoreError, StoreFullError, UnavailableError
from core.kafka_reader import ConsumedRecord, Polled, TopicsConsumer, keys_of, values_of, watermarks
from core.settings import Settings
from projections.collector import spare_the_collector
from projections.mirror_entries import Kept
from projections.mirror_folds import MAX_CHANGED_PAGES, MirrorProjection
from projections.mirror_indexing import Values, find_schema, index_writer, registry_elsewhere
from projections.mirror_progress import Progress, write_progress
from projections.registry import RegistryView

logger = logging.getLogger(__name__)

BATCH_RECORDS: Final = 10_000
"""Records that are taken apart together."""

COMMIT_EVERY_S: Final = 0.5
"""Time between two commits: nobody reads here yet, and a killed process goes on from the last one."""

POLL_S: Final = 0.5

SILENCE_S: Final = 30.0
"""How long nothing may come, though not all has come, before the consumer is replaced: it can fall silent for ever."""

FULL_DISK_PAUSE_S: Final = 1.0


class BuildOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be built, and where."""

    topic: str
    partitions: int
    path: str
    kept: Kept
    values: Values
    registry: str
    """Folder of the registry, which knows the schemas."""


class MirrorBuild:
    """Folds one topic from its beginning to its end.

    Args:
        order: What is to be built.
        settings: Where Kafka is.
        stopping: Set when the process is to end early.
    """

    def __init__(self, order: BuildOrder, settings: Settings, stopping: threading.Event) -> None:
        self._topic = order.topic
        self._stopping = stopping
        marks = watermarks(settings.kafka, order.topic, order.partitions)
        self._registry = RegistryView.open(Path(order.registry))
        elsewhere = registry_elsewhere(settings)
        indexer = index_writer(order.kept, order.values, lambda known: find_schema(known, self._registry, elsewhere))
        ends = {partition: mark.high for partition, mark in marks.items()}
        kept = order.kept
        self._mirror = MirrorProjection(Path(order.path), ends, kept.write_type, kept.definition, indexer, kept.share)
        self._mirror.begin_at({partition: mark.low for partition, mark in marks.items()})
        self._path = Path(order.path)
        self._total = sum(max(0, marks[p].high - offset) for p, offset in self._mirror.offsets.items())
        self._passed_before = sum(self._mirror.offsets.values())
        self._records = self._bytes = 0
        self._began_at_ms = int(time.time() * 1000)
        self._settings = settings
        self._consume()

    def run(self) -> None:
        """Fold until everything is folded that the topic held when this began, or until told to stop."""
        due = time.monotonic() + COMMIT_EVERY_S
        while not self._mirror.is_ready() and not self._stopping.is_set():
            polled = self._consumer.poll(limit=BATCH_RECORDS, timeout_s=POLL_S)
            self._heed_silence(polled)
            try:
                if polled.records:
                    self._mirror.take(polled.records)
                    self._count(polled.records)
                news = [end for end in polled.ends if self._mirror.ended(end)]
                is_due = time.monotonic() >= due or self._mirror.changed_pages() > MAX_CHANGED_PAGES
                if news or is_due:
                    self._mirror.commit()
                    self._tell()
                    due = time.monotonic() + COMMIT_EVERY_S
            except (StoreError, UnavailableError) as error:
                self._go_back(error)

    def close(self) -> None:
        """Close everything; what is committed stays."""
        self._consumer.close()
        self._mirror.close()
        self._registry.close()

    def _count(self, records: list[ConsumedRecord]) -> None:
        self._records += len(records)
        self._bytes += sum(len(part) for part in (*keys_of(records), *values_of(records)) if part is not None)

    def _tell(self) -> None:
        passed = sum(self._mirror.committed.values()) - self._passed_before
        progress = Progress(
            records=self._records,
            bytes=self._bytes,
            passed=passed,
            total=max(self._total, passed),
            began_at_ms=self._began_at_ms,
        )
        write_progress(self._path, progress)

    def _go_back(self, error: StoreError | UnavailableError) -> None:
        logger.warning("the new copy of %s goes back to its last commit: %s", self._topic, error)
        self._consumer.unassign((self._topic, partition) for partition in self._mirror.offsets)
        self._mirror.rewind(error)
        self._assign()
        if not isinstance(error, StoreFullError):
            self._stopping.wait(FULL_DISK_PAUSE_S)

    def _heed_silence(self, polled: Polled) -> None:
        if polled.records or polled.ends:
            self._heard_at = time.monotonic()
        elif time.monotonic() - self._heard_at >= SILENCE_S:
            logger.warning("nothing comes of %s. The consumer is replaced.", self._topic)
            self._consumer.close()
            self._consume()

    def _consume(self) -> None:
        self._consumer = TopicsConsumer(self._settings.kafka)
        self._heard_at = time.monotonic()
        self._assign()

    def _assign(self) -> None:
        offsets = self._mirror.offsets
        self._consumer.assign({(self._topic, partition): offset for partition, offset in offsets.items()})


def main() -> int:
    """Build what the command line orders; return the exit code."""
    logging.basicConfig(level=os.environ.get("QUICK_LOG_LEVEL", "WARNING"), format="mirror build: %(message)s")
    order = msgspec.json.decode(sys.argv[1], type=BuildOrder)
    spare_the_collector()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        build = MirrorBuild(order, Settings.from_env(os.environ), stopping)
        try:
            build.run()
        finally:
            build.close()
    except QuickError as error:
        print(f"mirror build: {error}", file=sys.stderr)  # noqa: T201 - logging may not be what failed
        return 1
    return 1 if stopping.is_set() else 0


if __name__ == "__main__":
    sys.exit(main())
