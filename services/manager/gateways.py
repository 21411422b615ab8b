"""`/manager/gateway…`: gateways over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import falcon.asgi
import msgspec

from commands import gateways
from commands.gateways import NewGateway
from core import mirrors, topics
from core.errors import NotFoundError, StoredSchemaError
from core.gateways import NOUN, Gateway
from core.mirrors import MirrorDefinition
from core.sdl import GatewaySchema, topics_of
from core.sdl_changes import own_types
from core.stored_schemas import stored_schema
from core.topic_checks import TopicTypes, check_topics
from projections.registry import Registry, Row
from services.manager.caller import caller_of
from services.manager.effects import answer_when_in_registry
from services.manager.last_changes import LastChangeBody, last_change
from services.manager.moments import registry_at
from services.request_body import read_struct
from services.worker import Worker


class NewGatewayBody(msgspec.Struct, frozen=True):
    """A gateway that is to be created."""

    name: str
    replicas: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tag: str | None = None
    schema: str | None = None


class GatewayBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A gateway as the manager shows it; of one alone also what its schema holds."""

    name: str
    replicas: int
    tag: str
    warnings: list[str] = []
    types: list[str] = []
    """Names of the types that the schema defines."""
    topics: list[str] = []
    """Names of the topics that it reads."""
    changed: LastChangeBody | None = None
    """`None` before its first schema, and while the log cannot be read."""


class GatewaysResource:
    """`/manager/gateways`: all gateways."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all gateways by name, as they are or were."""
        tag = self._worker.settings.default_image_tag
        registry = await registry_at(self._worker, req, NOUN, topics.NOUN)
        resp.data = msgspec.json.encode([_body(row.state, tag) for row in registry.gateways()])


class NewGatewayResource:
    """`/manager/gateway`: create one."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Create a gateway; answers when the registry shows it."""
        body = await read_struct(req, NewGatewayBody)
        new = NewGateway(body.name, body.replicas, body.tag, body.schema)
        worker, caller = self._worker, caller_of(req)
        create = partial(gateways.create_gateway, worker.commands, worker.settings, caller, new)
        position = await worker.in_thread(create)
        await answer_when_in_registry(worker, resp, f"Gateway {new.name}", position)


class GatewayResource:
    """`/manager/gateway/{name}`: one gateway."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the gateway as it is or was, and with what its schema holds and still lacks, or lacked."""
        registry = await registry_at(self._worker, req, NOUN, topics.NOUN, mirrors.NOUN)
        described = partial(_described, registry.gateway(name), registry, self._worker)
        resp.data = msgspec.json.encode(await self._worker.in_thread(described))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Delete the gateway; one that does not exist is deleted already."""
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(gateways.delete_gateway, worker.commands, caller, name))
        await answer_when_in_registry(worker, resp, f"The deletion of gateway {name}", position)


def _described(row: Row[Gateway], registry: Registry, worker: Worker) -> GatewayBody:
    gateway = row.state
    body = _body(gateway, worker.settings.default_image_tag)
    if not gateway.sdl.strip():
        return body
    body = msgspec.structs.replace(body, changed=last_change(worker, row.position))
    try:
        schema = stored_schema(gateway.name, gateway.sdl)
    except StoredSchemaError as error:
        return msgspec.structs.replace(body, warnings=[str(error)])
    return msgspec.structs.replace(
        body,
        warnings=_warnings(gateway.name, schema, registry),
        types=sorted(own_types(schema.definition)),
        topics=list(topics_of(schema)),
    )


def _warnings(gateway: str, schema: GatewaySchema, registry: Registry) -> list[str]:
    """Return what does not fit between the schema and the topics as they are now."""

    def types_of(name: str) -> TopicTypes | None:
        try:
            topic = registry.topic(name).state
        except NotFoundError:
            return None
        return TopicTypes.of(topic, gateway, _mirror(registry, name))

    return [str(finding.problem) for finding in check_topics(schema, types_of)]


def _mirror(registry: Registry, name: str) -> MirrorDefinition | None:
    try:
        return registry.mirror(name).state.definition
    except NotFoundError:
        return None


def _body(gateway: Gateway, default_tag: str) -> GatewayBody:
    return GatewayBody(gateway.name, gateway.replicas, gateway.tag or default_tag)
