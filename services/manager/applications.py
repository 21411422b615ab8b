"""`/manager/application…`: applications over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import falcon.asgi
import msgspec

from commands import applications
from commands.applications import NewApplication
from core.applications import MAX_PORT, MAX_REPLICAS, NOUN, Application
from projections.registry import Row
from services.manager.caller import caller_of
from services.manager.effects import answer_when_in_registry
from services.manager.last_changes import LastChangeBody, last_change
from services.manager.moments import registry_at
from services.request_body import read_struct
from services.worker import Worker


class NewApplicationBody(msgspec.Struct, frozen=True, rename="camel"):
    """An application that is to be deployed."""

    name: str
    registry: str
    image_name: str
    tag: str
    replicas: Annotated[int, msgspec.Meta(ge=1, le=MAX_REPLICAS)] | None = None
    port: Annotated[int, msgspec.Meta(ge=1, le=MAX_PORT)] | None = None
    """Port on which it answers; with one, it has a Service."""
    image_pull_secret: str | None = None
    arguments: dict[str, str] | None = None
    """What it is started with, `--key=value` for each."""


class ApplicationBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An application as the manager shows it: what is declared. What runs of it, Kubernetes tells."""

    name: str
    registry: str
    image_name: str
    tag: str
    replicas: int
    arguments: dict[str, str]
    position: int
    """Of the command that deployed it: tells it from an earlier one of the same name."""
    port: int | None = None
    image_pull_secret: str | None = None
    deployed: LastChangeBody | None = None
    """Of one application alone; `None` while the log cannot be read."""


class ApplicationsResource:
    """`/manager/applications`: all applications."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all applications by name, as they are or were."""
        registry = await registry_at(self._worker, req, NOUN)
        resp.data = msgspec.json.encode([_body(row) for row in registry.applications()])


class NewApplicationResource:
    """`/manager/application`: deploy one."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Deploy an application; answers when the registry shows it, before it runs."""
        body = await read_struct(req, NewApplicationBody)
        new = NewApplication(
            name=body.name,
            registry=body.registry,
            image_name=body.image_name,
            tag=body.tag,
            replicas=body.replicas,
            port=body.port,
            image_pull_secret=body.image_pull_secret,
            arguments=body.arguments or {},
        )
        worker, caller = self._worker, caller_of(req)
        deploy = partial(applications.deploy_application, worker.commands, worker.settings, caller, new)
        position = await worker.in_thread(deploy)
        await answer_when_in_registry(worker, resp, f"Application {new.name}", position)


class ApplicationResource:
    """`/manager/application/{name}`: one application."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the application as it is or was, and with who deployed it."""
        registry = await registry_at(self._worker, req, NOUN)
        row = registry.application(name)
        deployed = await self._worker.in_thread(partial(last_change, self._worker, row.position))
        resp.data = msgspec.json.encode(msgspec.structs.replace(_body(row), deployed=deployed))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Delete the application; one that does not exist is deleted already."""
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(applications.delete_application, worker.commands, caller, name))
        await answer_when_in_registry(worker, resp, f"The deletion of application {name}", position)


def _body(row: Row[Application]) -> ApplicationBody:
    application = row.state
    return ApplicationBody(
        name=application.name,
        registry=application.registry,
        image_name=application.image_name,
        tag=application.tag,
        replicas=application.replicas,
        arguments=application.arguments,
        position=row.position,
        port=application.port,
        image_pull_secret=application.image_pull_secret,
    )
