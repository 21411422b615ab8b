"""The gateways of a worker: each serves the schema that the registry shows, built once and used until it changes.

Every worker and every replica takes the schema from the same log, so none can be left behind on an older one.
"""

from __future__ import annotations

import threading

from core.sdl import parse_gateway_schema
from services.gateway.executor import GatewayExecutor
from services.local_mirrors import LocalMirrors
from services.worker import Worker


class Gateways:
    """Finds the executor of a gateway's schema as it is now."""

    def __init__(self, worker: Worker, mirrors: LocalMirrors) -> None:
        self._worker = worker
        self._mirrors = mirrors
        self._lock = threading.Lock()
        self._executors: dict[str, tuple[int, GatewayExecutor]] = {}

    def executor(self, name: str) -> GatewayExecutor:
        """Return the executor of a gateway.

        Raises:
            NotFoundError: There is no such gateway.
            UnavailableError: The registry is not ready.
        """
        row = self._worker.views.registry.gateway(name)
        known = self._executors.get(name)
        if known is not None and known[0] == row.position:
            return known[1]
        with self._lock:  # Requests that arrive together build it once.
            known = self._executors.get(name)
            if known is not None and known[0] == row.position:
                return known[1]
            executor = GatewayExecutor(
                parse_gateway_schema(row.state.sdl),
                self._mirrors,
                name,
                self._worker.settings.gateway,
                entry_counts=self._mirrors.entry_count,
            )
            self._executors[name] = (row.position, executor)
            return executor
