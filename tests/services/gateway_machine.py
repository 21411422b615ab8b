"""A machine whose command log is written by hand, for what only reads it: no broker is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, cast

from core.errors import UnavailableError
from core.event_mapper import EventMapper
from core.gateway_settings import GatewaySettings
from core.rest_settings import RestSettings
from projections.registry import RecordedEvent, RegistryProjection
from services.gateway.rest_client import RestClient
from services.gateway.writing import READ_ONLY
from services.gateways import Gateways
from services.local_mirrors import LocalMirrors
from services.worker import Worker
from tests.made_log import MadeLog
from tests.services.memory_mirrors import MemoryMirrors

T = TypeVar("T")


class Machine:
    """A log that is written by hand, the registry that is folded from it, and the gateways of workers."""

    def __init__(self, folder: Path) -> None:
        self.made = MadeLog(folder / "log")
        self.projection = RegistryProjection(folder / "registry")
        self.registry = self.projection.view
        self.log_error: UnavailableError | None = None
        self.workers: list[Gateways] = []

    @property
    def views(self) -> SimpleNamespace:
        return SimpleNamespace(registry=self.registry)

    @property
    def log(self) -> SimpleNamespace:
        if self.log_error is not None:
            raise self.log_error
        return SimpleNamespace(index=self.made.index)

    @property
    def settings(self) -> SimpleNamespace:
        return SimpleNamespace(default_image_tag="1.0", gateway=GatewaySettings())

    async def in_thread(self, work: Callable[[], T]) -> T:
        return work()

    def fold(self) -> None:
        """Bring the registry to the end of the log."""
        mapper, reached = EventMapper(), self.registry.position()
        events = [
            RecordedEvent(position, mapper.event(indexed)) for position, indexed in self.made.index.all_events(reached)
        ]
        self.projection.fold(events, reached + len(events))

    def create(self, name: str, sdl: str = "") -> None:
        self.made.create_gateway(name, sdl)
        self.fold()

    def apply(self, name: str, sdl: str) -> None:
        self.made.apply_schema(name, sdl)
        self.fold()

    def delete(self, name: str) -> None:
        self.made.delete_gateway(name)
        self.fold()

    def deploy_application(self, name: str) -> None:
        self.made.deploy_application(name)
        self.fold()

    def worker(self) -> Gateways:
        """Return the gateways of a worker that has just been started."""
        self.workers.append(
            Gateways(cast("Worker", self), cast("LocalMirrors", MemoryMirrors()), READ_ONLY, RestClient(RestSettings()))
        )
        return self.workers[-1]

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.projection.close()
        self.made.index.close()
