"""The gateways of a worker: each serves the schema that the registry shows, built once and used until it changes.

What a gateway adds to the user's schema depends on the indexes of its topics' mirrors, so it is built again when these
change.

Every worker and every replica takes the schema from the same log, so none can be left behind on an older one. A schema
that this version cannot use, because an older one took it, stops nobody but its own gateway: that serves the last one
that can be used.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from core.aggregates import aggregate_id
from core.errors import NotFoundError, QuickError, StoredSchemaError, UnavailableError, UnknownEventError
from core.event_mapper import EventMapper
from core.gateways import NOUN, Gateway, GatewayCreated, GatewayDeleted, GatewaySchemaApplied
from core.sdl_lists import listed_topics, with_lists
from core.stored_schemas import stored_schema, unusable
from projections.registry import RegistryView, Row
from services.gateway.executor import GatewayExecutor
from services.gateway.rest_client import RestClient
from services.gateway.topic_threads import TopicThreads
from services.gateway.writing import TopicWriter
from services.local_mirrors import LocalMirrors
from services.worker import Worker

logger = logging.getLogger(__name__)

EARLIER_SCHEMAS: Final = 20
"""How many events of a gateway are looked through for a schema that can be used."""

STOP_TIMEOUT_S: Final = 5.0
"""How long a worker that ends waits for a schema that is being built."""

_LOOK_AGAIN_S: Final = 0.5
"""How soon it is looked again for the registry after it was not there."""

_LOCKS: Final = 16


_Indexes = tuple[tuple[str, tuple[str, ...]], ...]
"""Topics by name, each with the fields of its mirror's indexes."""


class _Built(NamedTuple):
    """A schema that can be used."""

    sdl: str
    """Its text."""
    indexes: _Indexes
    """What was added to it for lists depends on them."""
    executor: GatewayExecutor


class _Served(NamedTuple):
    """What a gateway serves."""

    incarnation: int
    position: int
    """Of the row with its schema."""
    built: _Built | None
    """That schema; where it cannot be used, of an earlier one, `None` without one."""
    trouble: StoredSchemaError | None
    """Why that schema cannot be used, `None` when it is what is served."""
    version: int | None = None
    """Of the registry when this was looked at last: while that stays, this does. `None`: look again."""

    @property
    def executor(self) -> GatewayExecutor | None:
        """Of what was built."""
        return None if self.built is None else self.built.executor


class Gateways:
    """Finds the executor of a gateway's schema as it is now.

    An executor never changes: operations that are being executed end with the schema with which they began.

    Args:
        worker: The process-wide parts.
        mirrors: Where executors read.
        writer: Where they write.
        rest: Calls REST services for them.
        threads: In which they read several topics at the same time, where reading means to wait.
    """

    def __init__(
        self,
        worker: Worker,
        mirrors: LocalMirrors,
        writer: TopicWriter,
        rest: RestClient,
        threads: TopicThreads | None = None,
    ) -> None:
        self._worker = worker
        self._threads = threads
        self._mirrors = mirrors
        self._writer = writer
        self._rest = rest
        # One for each gateway, as far as possible: building one must not hold up the others.
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))
        self._served: dict[str, _Served] = {}
        self._swept_at: int | None = None
        """Version of the registry when gateways that are gone were looked for last."""
        self._stopping = threading.Event()
        self._warming: threading.Thread | None = None

    def start(self) -> None:
        """Begin to build the schema of each gateway, so that what cannot be used is told before anybody asks for it."""
        self._warming = threading.Thread(target=self._build_all, name="gateways", daemon=True)
        self._warming.start()

    def close(self) -> None:
        """End what was begun."""
        self._stopping.set()
        if self._warming is not None:
            self._warming.join(STOP_TIMEOUT_S)

    def known(self, name: str) -> GatewayExecutor | None:
        """Return the executor of a gateway in a microsecond, `None` where it has to be looked for."""
        served = self._served.get(name)
        if served is None or served.version != self._worker.views.registry.version():
            return None
        return served.executor

    def executor(self, name: str) -> GatewayExecutor:
        """Return the executor of a gateway; builds it after its schema has changed, so it is called in a thread.

        Raises:
            NotFoundError: There is no such gateway.
            StoredSchemaError: This version cannot use its schema, nor an earlier one.
            UnavailableError: The registry is not ready.
        """
        registry = self._worker.views.registry
        served = self._served.get(name)
        if served is None or served.version != registry.version():
            served = self._current(name, registry)
        if served.executor is None:
            assert served.trouble is not None, "what can be used is built"
            raise served.trouble
        return served.executor

    def troubles(self) -> list[str]:
        """Return what is wrong with gateways whose schema cannot be used; tells nothing of what is in it."""
        self._forget_deleted()
        return [
            f"Gateway {name} {'cannot answer' if served.executor is None else 'serves an earlier schema'}: this version"
            f" cannot use the one in the log. To see why: quick gateway describe {name}"
            for name, served in sorted(self._served.items())
            if served.trouble is not None
        ]

    def _current(self, name: str, registry: RegistryView) -> _Served:
        """Return what a gateway serves by the registry as it is now."""
        self._row(name, registry)  # Who asks for a gateway that does not exist waits for nobody.
        with self._locks[_lock_number(name)]:
            version: int | None = registry.version()  # Before the row: so it is never that of a later one.
            row = self._row(name, registry)
            known = self._served.get(name)
            if known is None or known.position != row.position:
                known = self._built(row, known)
            elif known.built is not None:
                known = known._replace(built=self._refreshed(name, known.built))
            if known.built is None:
                known, version = self._with_earlier(name, known, version)
            self._served[name] = served = known._replace(version=version)
        self._forget_deleted()
        return served

    def _row(self, name: str, registry: RegistryView) -> Row[Gateway]:
        try:
            return registry.gateway(name)
        except NotFoundError:
            self._served.pop(name, None)
            raise

    def _built(self, row: Row[Gateway], before: _Served | None) -> _Served:
        """Build what *row* says; where that cannot be used, what was served before goes on to be."""
        name = row.state.name
        try:
            built = self._build(name, row.state.sdl)
        except StoredSchemaError as trouble:
            logger.error("%s", trouble)
            is_same_life = before is not None and before.incarnation == row.incarnation
            earlier = before.built if before is not None and is_same_life else None
            return _Served(row.incarnation, row.position, earlier, trouble)
        return _Served(row.incarnation, row.position, built, None)

    def _refreshed(self, name: str, built: _Built) -> _Built:
        """Return what was built, built again where indexes have changed that it depends on."""
        if built.indexes == self._indexes(topic for topic, _ in built.indexes):
            return built
        try:
            return self._build(name, built.sdl)
        except StoredSchemaError:  # It is in the log already, and what was built without these indexes still works.
            return built

    def _with_earlier(self, name: str, served: _Served, version: int | None) -> tuple[_Served, int | None]:
        """Look for an earlier schema in the log; it is looked for again only if the log cannot be read now."""
        try:
            return served._replace(built=self._earlier(name)), version
        except UnavailableError:
            return served, None

    def _earlier(self, name: str) -> _Built | None:
        """Return the last schema in the log that can be used, `None` when there is none.

        Raises:
            UnavailableError: The log cannot be read now.
        """
        with suppress(UnknownEventError):  # A newer version wrote what comes before.
            for sdl in self._earlier_schemas(name):
                with suppress(StoredSchemaError):
                    return self._build(name, sdl)
        return None

    def _earlier_schemas(self, name: str) -> Iterator[str]:
        """Yield the schemas of this life of a gateway, the last one first."""
        mapper = EventMapper()
        index = self._worker.log.index
        for indexed in index.events_of(str(aggregate_id(NOUN, name)), desc=True, limit=EARLIER_SCHEMAS):
            match mapper.event(indexed):
                case GatewaySchemaApplied(sdl=sdl):
                    yield sdl
                case GatewayCreated(sdl=sdl):
                    if sdl.strip():
                        yield sdl
                    return
                case GatewayDeleted():
                    return

    def _build(self, name: str, sdl: str) -> _Built:
        schema = stored_schema(name, sdl)
        indexes = self._indexes(listed_topics(schema))
        try:
            executor = GatewayExecutor(
                with_lists(schema, dict(indexes)),
                self._mirrors,
                name,
                writer=self._writer,
                rest=self._rest,
                settings=self._worker.settings.gateway,
                entry_counts=self._mirrors.entry_count,
                threads=self._threads,
            )
            return _Built(sdl, indexes, executor)
        except Exception as error:
            error_id = uuid.uuid4().hex[:12]
            logger.exception("Gateway %s cannot be built from its schema, error %s", name, error_id)
            raise unusable(name, f"An unexpected error occurred: look for {error_id} in the server's log.") from error

    def _indexes(self, topics: Iterable[str]) -> _Indexes:
        """Return the indexes that the mirrors of *topics* are declared with; none where there is no mirror."""
        registry = self._worker.views.registry
        found: list[tuple[str, tuple[str, ...]]] = []
        for topic in topics:
            try:
                found.append((topic, registry.mirror(topic).state.definition.indexes))
            except NotFoundError:
                found.append((topic, ()))
        return tuple(found)

    def _forget_deleted(self) -> None:
        """Drop what nobody can ask for any more."""
        registry = self._worker.views.registry
        if (version := registry.version()) == self._swept_at:
            return
        self._swept_at = version
        for name in tuple(self._served):
            with suppress(NotFoundError):
                self._row(name, registry)

    def _build_all(self) -> None:
        """Build one gateway after the other, and rest as long as each took: requests go before."""
        for name in self._names():
            began = time.monotonic()
            with suppress(QuickError):
                self.executor(name)
            if self._stopping.wait(time.monotonic() - began):
                return

    def _names(self) -> list[str]:
        """Return the names of all gateways, as soon as there is a registry."""
        while not self._stopping.is_set():
            try:
                return [row.state.name for row in self._worker.views.registry.gateways()]
            except QuickError:
                self._stopping.wait(_LOOK_AGAIN_S)
        return []


def _lock_number(name: str) -> int:
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % _LOCKS
