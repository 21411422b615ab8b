"""What one gunicorn worker holds: views that another process writes, the command log, some threads.

Everything is opened in the worker, after the fork. Views are opened as soon as a projector has made them and need no
Kafka; the command log is opened in the background and tried again until the broker answers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import TypeVar

from commands.decisions import Commands
from commands.log_safety import note_safety
from core.command_log import CommandLog
from core.errors import (
    LogIdentityError,
    QuickError,
    StandsStillError,
    StoreError,
    UnavailableError,
    UnreadableRecordError,
)
from core.kafka_admin import KafkaAdmin
from core.published_registry import registry_topic
from core.registered_schema import RegisteredSchema
from core.settings import Settings
from core.topics import Topic
from projections import places
from projections.freshness import FreshnessView
from projections.mirror_indexing import find_schema, registry_elsewhere
from projections.registry import RegistryView
from projections.status import StatusView

logger = logging.getLogger(__name__)

T = TypeVar("T")

REOPEN_S = 0.5
"""How soon the command log is tried again after the broker did not answer."""

OPEN_TIMEOUT_S = 5.0
"""How long a worker waits for the command log before it takes requests without it."""

STOP_TIMEOUT_S = 1.0
"""How long a worker that ends waits for an attempt to open the log; the attempt ends with the process."""

WATCH_S = 2.0
"""How often a worker looks whether its views and its log are still the ones that are served."""

_THREADS = 8

_THREADS_FOR_PROCESSES = 4


class Views:
    """The open views of one log."""

    def __init__(self, folder: places.ViewFolder, published: Topic) -> None:
        self.folder = folder
        with ExitStack() as opened:
            self.registry = opened.enter_context(closing(RegistryView.open(folder.registry, published)))
            self.status = opened.enter_context(closing(StatusView.open(folder.status)))
            # Where the second cannot be opened yet, the first is closed: else no later attempt could open it.
            opened.pop_all()
        self._freshness: FreshnessView | None = None

    @property
    def freshness(self) -> FreshnessView | None:
        """Return how current the mirrors are, `None` while no projector has looked."""
        if self._freshness is None:
            with suppress(StoreError):
                self._freshness = FreshnessView(self.folder.freshness)
        return self._freshness

    def close(self) -> None:
        """Close the views."""
        if self._freshness is not None:
            self._freshness.close()
        self.registry.close()
        self.status.close()


class Worker:
    """The process-wide parts that the services share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._published = registry_topic(settings.registry_topic, replication_factor=settings.replication_factor)
        self.kafka = KafkaAdmin(settings.kafka)
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that serves requests, `None` before it does."""
        self.registry_elsewhere = registry_elsewhere(settings)
        """The schema registry that gives the IDs in the place of ours, where there is one."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="worker")
        self._threads_for_processes = ThreadPoolExecutor(_THREADS_FOR_PROCESSES, thread_name_prefix="for processes")
        self._lock = threading.Lock()
        self._views: Views | None = None
        self._commands: Commands | None = None
        self._log_error: str = "it is being opened"
        self.has_failed_to_open = False
        """Whether the command log could not be opened at the last attempt; it is tried again and again."""
        self._noted_dangers: list[str] | None = None
        self._opened = threading.Event()
        self._stopping = threading.Event()
        self._at_start: list[Callable[[], None]] = []
        self._at_stop: list[Callable[[], None]] = []
        self._history = asyncio.Semaphore(1)
        self._opener = threading.Thread(target=self._keep_log_open, name="command log", daemon=True)

    def start(self) -> None:
        """Begin to open the command log; return when it is open, or when that takes long.

        Requests are taken after this: who has seen one worker healthy is not sent to another one that is not. Without
        Kafka a worker serves all the same what needs none.
        """
        self._opener.start()
        for work in self._at_start:
            self._threads.submit(work)
        self._opened.wait(OPEN_TIMEOUT_S)

    def stop(self) -> None:
        """Close everything, delivering what is queued."""
        self._stopping.set()
        self._opener.join(STOP_TIMEOUT_S)  # It may be waiting for a broker that does not answer.
        for close in self._at_stop:
            close()
        self._threads.shutdown()
        self._threads_for_processes.shutdown()
        if self.registry_elsewhere is not None:
            self.registry_elsewhere.close()
        if self._commands is not None:
            self._commands.close()
        if self._views is not None:
            self._views.close()

    def at_start(self, work: Callable[[], None]) -> None:
        """Run *work*, which must not raise, in a thread when the worker starts; nothing waits for it."""
        self._at_start.append(work)

    def at_stop(self, close: Callable[[], None]) -> None:
        """Call *close* when the worker stops, before its own parts are closed."""
        self._at_stop.append(close)

    async def in_history(self, work: Callable[[], T]) -> T:
        """Run *work*, which goes through much of the log; one after the other, so that all else has room."""
        async with self._history:
            return await self.in_thread(work)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run *work*, which blocks, without holding up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def for_process(self, work: Callable[[], T]) -> T:
        """Run *work* that another process waits for, and that waits for none itself.

        It has threads of its own: two processes that ask each other would else wait for each other's threads.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads_for_processes, work)

    @property
    def views(self) -> Views:
        """Return the open views.

        Raises:
            UnavailableError: No projector has made them yet.
        """
        if self._views is None:
            self._open_views()
        assert self._views is not None, "opened or raised"
        return self._views

    @property
    def log(self) -> CommandLog:
        """Return the command log for reading; it may stand still at a record that cannot be decoded.

        Raises:
            UnavailableError: It is not open, or can no longer be followed.
        """
        commands = self._commands
        if commands is None:
            raise UnavailableError(f"The command log is not ready: {self._log_error}.")
        failure = commands.command_log.failure()
        if failure is not None and not isinstance(failure, UnreadableRecordError):
            raise UnavailableError(f"The command log is not ready: {failure}")
        return commands.command_log

    @property
    def commands(self) -> Commands:
        """Return the commands.

        Raises:
            StandsStillError: Nothing is recorded until somebody mends the log, or upgrades this program.
            UnavailableError: The command log is not open, or can no longer be followed.
        """
        log, commands = self.log, self._commands
        assert commands is not None, "its log is open"
        if (failure := log.failure()) is not None:
            raise StandsStillError(f"The command log stands still, so nothing is recorded: {failure}")
        if (reason := self.views.registry.stopped()) is not None:
            raise StandsStillError(f"The registry stands still, so nothing is recorded: {reason}")
        return commands

    def schema(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an ID, whichever registry gave it; with one elsewhere this may block for seconds.

        IDs of our own registry stay known after a deployment has moved to another one.

        Raises:
            NotFoundError: The ID was never given.
            UnavailableError: The registry does not answer, or no projector has made the views yet.
        """
        return find_schema(schema_id, self.views.registry, self.registry_elsewhere)

    def _open_views(self) -> None:
        with self._lock:
            if self._views is not None:
                return
            folder = places.current(self.settings.data_dir)
            if folder is None:
                raise UnavailableError("The registry is not ready: the projector has not started yet.")
            try:
                self._views = Views(folder, self._published)
            except StoreError as error:
                raise UnavailableError(f"The registry is not ready: {error}") from error

    def _keep_log_open(self) -> None:
        """Open the command log, then watch that this process still serves what the projector writes."""
        while self._commands is None and not self._stopping.is_set():
            try:
                commands = Commands(self.settings)
                commands.command_log.prepare_to_append()
                self._commands = commands
                self.has_failed_to_open = False
                self._opened.set()
            except QuickError as error:
                self._log_error, self.has_failed_to_open = str(error), True
                self._stopping.wait(REOPEN_S)
        while not self._stopping.wait(WATCH_S):
            if self._is_outdated():
                logger.warning("the command log or its views were replaced; this worker starts anew")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            self._note_safety()

    def _is_outdated(self) -> bool:
        if self._commands is not None and isinstance(self._commands.command_log.failure(), LogIdentityError):
            return True
        current = places.current(self.settings.data_dir)
        return self._views is not None and current is not None and current.path != self._views.folder.path

    def _note_safety(self) -> None:
        """Record in the log that somebody has made it unsafe, or safe again."""
        assert self._commands is not None, "the log is open"
        dangers = self._commands.command_log.index.unsafe()
        if dangers == self._noted_dangers or self._commands.command_log.failure() is not None:
            return
        try:
            note_safety(self._commands, platform.node(), dangers)
        except UnavailableError as error:
            logger.warning("that the log's settings have changed is to be recorded later: %s", error)
            return
        except QuickError as error:
            logger.error("the log became unsafe, and cannot even record that: %s", error)
        self._noted_dangers = dangers
