"""The executors of gateways without their HTTP: the one that a worker uses, and graphql-core's beside it.

The one place of the benchmarks that knows how an executor is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from core.settings import Settings
from services.gateway.executor import GatewayExecutor
from services.gateways import Gateways
from services.local_mirrors import LocalMirrors
from services.mirrors.ranges import DeclaredIndexes
from services.topic_access import TopicAccesses
from services.worker import Worker

Execute = Callable[[str, Mapping[str, Any]], bytes]
"""From query and variables to the answer as it goes over the wire."""


def open_executor(environment: Mapping[str, str], gateway: str) -> GatewayExecutor:
    """Return the executor of a gateway, over the views and mirrors of an instance that runs on this machine."""
    worker = Worker(Settings.from_env(environment))
    return Gateways(worker, LocalMirrors(TopicAccesses(worker), DeclaredIndexes())).executor(gateway)


def as_a_worker_does(executor: GatewayExecutor) -> Execute:
    """Execute operations by whatever the executor chooses for them."""

    def execute(query: str, variables: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(executor.execute(query, None, variables))

    return execute


def by_graphql_core(executor: GatewayExecutor) -> Execute:
    """Execute operations by graphql-core in any case; all that the executor has today."""
    return as_a_worker_does(executor)
