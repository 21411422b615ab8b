"""What clients ask the registry about itself: mode, contexts and versions; and where it is when it is not here."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

import falcon.asgi

from commands import subjects
from core.errors import NotFoundError, RegistryRefusalError
from services.schema_registry.answers import PREFIX, answer
from services.worker import Worker

_MODE: Final = {"mode": "READWRITE"}


class RootResource:
    """The root, which tells that there is a registry."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with nothing."""
        answer(resp, {})


class ModeResource:
    """`/mode` and `/mode/{subject}`: always open for changes."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, **_: str) -> None:
        """Answer with the mode."""
        answer(resp, _MODE)

    async def on_put(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, **_: str) -> None:
        """Refuse."""
        raise RegistryRefusalError(
            subjects.NOT_PERMITTED,
            "The mode is READWRITE for ever. To stop changes, give out keys without the scope manage.",
        )

    on_delete = on_put


class ContextsResource:
    """`/contexts`: there is only the default one."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the default one."""
        answer(resp, ["."])


class MetadataIdResource:
    """`/v1/metadata/id`: which cluster this registry belongs to."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the IDs of the Kafka cluster and of the log."""
        cluster, _, log = self._worker.views.folder.path.name.partition(".")
        clusters = {"kafka-cluster": cluster, "schema-registry-cluster": log}
        answer(resp, {"id": "", "scope": {"path": [], "clusters": clusters}})


class MetadataVersionResource:
    """`/v1/metadata/version`: the version of the program."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the version."""
        answer(resp, {"version": version("quick-es"), "commitId": ""})


class Elsewhere:
    """Answers for the registry of a deployment whose schemas are registered in another one."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, req: falcon.asgi.Request, resp: falcon.asgi.Response | None, **kwargs: Any) -> None:
        """Say where it is."""
        raise NotFoundError(f"There is no registry at {PREFIX}: schemas are registered at {self._url}. Ask there.")
