"""`/metrics`: figures of this machine in Prometheus' text format.

All of them are read from the views when they are asked for, so every worker gives the same answer and none counts for
itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import falcon.asgi

from core.figures import CONTENT_TYPE, Gauge, text_of
from services.worker import Worker


class MetricsResource:
    """Answers with gauges of the log, the registry and the topics; with fewer of them while those are not open."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the figures; open without a key."""
        resp.content_type = CONTENT_TYPE
        resp.text = metrics_text(self._worker)


def metrics_text(worker: Worker) -> str:
    """Return the figures.

    Raises:
        UnavailableError: Log or registry are not open.
    """
    return text_of(_gauges(worker))


def _gauges(worker: Worker) -> Iterator[Gauge]:
    index, registry = worker.log.index, worker.views.registry
    unreadable = index.unreadable()
    yield Gauge("quick_log_position", "Position of the last command in the log.", index.max_notification_id() or 0)
    yield Gauge("quick_log_next_offset", "Kafka offset up to which the log is folded.", index.next_offset())
    yield Gauge(
        "quick_log_unsafe_settings", "Settings of the log's topic that could lose commands.", len(index.unsafe())
    )
    yield Gauge("quick_log_stands_still", "1 while an unreadable record holds up the log.", int(unreadable is not None))
    yield Gauge("quick_log_quarantined_records", "Unreadable records that were passed.", len(index.quarantined()))
    yield Gauge("quick_registry_position", "Position up to which the registry is folded.", registry.position())
    yield Gauge(
        "quick_registry_stands_still",
        "1 while an event of a newer version holds up the registry.",
        int(registry.stopped() is not None),
    )
    yield Gauge(
        "quick_immutable_topics_unsafe",
        "Immutable topics in which a later record of a key could win; writes to them are refused.",
        len(worker.views.status.unsafe()),
    )
