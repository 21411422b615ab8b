"""The executors of gateways without their HTTP: the one that a worker uses, and graphql-core's beside it.

The one place of the benchmarks that knows how an executor is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from core.sdl import parse_gateway_schema
from core.settings import Settings
from services.gateway.executor import GatewayExecutor
from services.local_mirrors import LocalMirrors
from services.mirrors.ranges import DeclaredIndexes
from services.row_cache import RowCache
from services.topic_access import TopicAccesses
from services.worker import Worker

Execute = Callable[[str, Mapping[str, Any]], bytes]
"""From query and variables to the answer as it goes over the wire."""


class Executors(NamedTuple):
    """Both over one schema and the same mirrors, as a process can open these only once."""

    usual: GatewayExecutor
    """As a worker has it."""
    generic: GatewayExecutor
    """Leaves every operation to graphql-core."""


def open_executors(environment: Mapping[str, str], gateway: str) -> Executors:
    """Return the executors of a gateway, over the views and mirrors of an instance that runs on this machine."""
    worker = Worker(Settings.from_env(environment))
    schema = parse_gateway_schema(worker.views.registry.gateway(gateway).state.sdl)
    rows = RowCache(worker.settings.gateway_row_cache_mb * 1024 * 1024)
    mirrors = LocalMirrors(TopicAccesses(worker), DeclaredIndexes(), rows)
    usual, generic = (GatewayExecutor(schema, mirrors, gateway, uses_plans=uses_plans) for uses_plans in (True, False))
    return Executors(usual, generic)


def by(executor: GatewayExecutor) -> Execute:
    """Return what executes an operation and encodes its answer."""

    def execute(query: str, variables: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(executor.execute(query, None, variables))

    return execute
