"""The process that reconciles the cluster: `python -m k8s.process`, beside the projector of a manager.

It reads the views that the projector writes, and leads or waits among all of its kind: an election of its own on the
log's topic. When the views of another log are served, it ends, and its supervisor starts it again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace

from core.election import Leadership
from core.errors import QuickError, StoreError, UnavailableError
from core.kafka_reader import watermarks
from core.kafka_writer import RecordWriter
from core.settings import Settings
from k8s.apply import ApiClient
from k8s.cluster import KINDS
from k8s.login import load_credentials
from k8s.loop import LOOK_S, Loop
from k8s.outcomes import Outcome
from k8s.reconcile import Reconciler
from k8s.settings import KubernetesSettings
from k8s.statuses import Statuses
from projections.declarations import Declarations
from projections.places import ViewFolder, current
from projections.registry import RegistryView
from projections.status import StatusView

logger = logging.getLogger(__name__)


class Process:
    """All parts of the process."""

    def __init__(self, settings: Settings, kubernetes: KubernetesSettings) -> None:
        self._settings = settings
        self._kubernetes = kubernetes
        self._stopping = threading.Event()
        self._loop: Loop | None = None

    def stop(self) -> None:
        """Let it end soon."""
        self._stopping.set()
        if self._loop is not None:
            self._loop.stop()

    def run(self) -> None:
        """Work until `stop` is called, or until other views are served.

        Raises:
            SettingsError: There are no credentials for the API server.
        """
        namespace = self._kubernetes.namespace
        credentials = replace(load_credentials(), namespace=namespace)
        with ExitStack() as stack:
            client = stack.enter_context(ApiClient(credentials, connections=len(KINDS) + 4))
            views = self._open_views(stack)
            if views is None:
                return
            folder, registry, status = views
            member, log_topic = self._settings.machine_name(), self._settings.log_topic
            leadership = stack.enter_context(
                closing(Leadership(self._settings.kafka, "quick-kubernetes", member, log_topic))
            )
            writer = stack.enter_context(closing(RecordWriter(self._settings.kafka)))
            leader = _Leader(leadership, registry, status, self._settings, folder)
            reconciler = Reconciler(
                client, lambda: Declarations.of(registry, folder.identity), self._kubernetes, leader.leads
            )
            statuses = Statuses(status, writer, self._settings.status_topic, namespace)
            self._loop = Loop(reconciler, registry.version, leader.leads, lambda outcome: _tell(statuses, outcome))
            if self._stopping.is_set():
                return
            leader.when_moved(self._loop.stop)
            self._loop.run()

    def _open_views(self, stack: ExitStack) -> tuple[ViewFolder, RegistryView, StatusView] | None:
        """Wait for the projector to have made the views; return `None` when it is time to stop."""
        while not self._stopping.wait(LOOK_S):
            folder = current(self._settings.data_dir)
            if folder is None:
                continue
            with ExitStack() as opened:
                try:
                    registry = opened.enter_context(closing(RegistryView.open(folder.registry)))
                    status = opened.enter_context(closing(StatusView.open(folder.status)))
                except StoreError as error:
                    logger.debug("the views cannot be opened yet: %s", error)
                    continue
                stack.push(opened.pop_all())
                return folder, registry, status
        return None


class _Leader:
    """Whether this process leads, on views that it may go by."""

    def __init__(
        self, leadership: Leadership, registry: RegistryView, status: StatusView, settings: Settings, folder: ViewFolder
    ) -> None:
        self._leadership = leadership
        self._registry = registry
        self._status = status
        self._settings = settings
        self._folder = folder
        self._has_read_statuses = False
        self._moved: Callable[[], None] = lambda: None

    def when_moved(self, call: Callable[[], None]) -> None:
        """Call *call* when the views of another log are served."""
        self._moved = call

    def leads(self) -> bool:
        """Return whether this process leads, and knows all that an earlier leader has written.

        Where the registry stands still, another machine may know more of the log.
        """
        folder = current(self._settings.data_dir)
        if folder is not None and folder.identity != self._folder.identity:
            logger.warning("the views of another log are served: this process ends")
            self._moved()
            return False
        if not self._leadership.is_held() or self._registry.stopped() is not None:
            self._has_read_statuses = False
            return False
        self._has_read_statuses = self._has_read_statuses or self._are_statuses_read()
        return self._has_read_statuses

    def _are_statuses_read(self) -> bool:
        try:
            end = watermarks(self._settings.kafka, self._settings.status_topic)[0].high
        except UnavailableError as error:
            logger.warning("the statuses cannot be read now: %s", error)
            return False
        return self._status.next_offset() >= end


def _tell(statuses: Statuses, outcome: Outcome) -> bool:
    """Write *outcome*; return whether that was possible."""
    try:
        statuses.tell(outcome)
    except (QuickError, TimeoutError) as error:
        logger.warning("what became of the objects cannot be written now: %s", error)
        return False
    return True


def main() -> int:
    """Run the process with the settings of the environment; return the exit code."""
    logging.basicConfig(level=os.environ.get("QUICK_LOG_LEVEL", "WARNING"), format="kubernetes: %(message)s")
    try:
        process = Process(Settings.from_env(os.environ), KubernetesSettings.from_env(os.environ))
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not in the handler itself: what it interrupts may hold the lock that stopping takes.
            signal.signal(number, lambda *_: threading.Thread(target=process.stop).start())
        process.run()
    except QuickError as error:
        print(f"kubernetes: {error}", file=sys.stderr)  # noqa: T201 - logging may not be what failed
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
