"""`/manager/gateway…`: gateways over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import falcon.asgi
import msgspec

from commands import gateways
from commands.gateways import NewGateway
from commands.schemas import converted
from core import topics
from core.errors import NotFoundError
from core.gateways import NOUN, Gateway
from core.mirrors import MirrorDefinition
from core.registered_schema import SchemaFormat
from core.sdl import parse_gateway_schema
from core.settings import Settings
from core.topic_checks import TopicTypes, check_topics
from core.write_types import write_type
from projections.registry import Registry
from services.manager.caller import caller_of
from services.manager.effects import answer_when_in_registry
from services.manager.moments import registry_at
from services.request_body import read_struct
from services.worker import Worker


class NewGatewayBody(msgspec.Struct, frozen=True):
    """A gateway that is to be created."""

    name: str
    replicas: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tag: str | None = None
    schema: str | None = None


class SchemaBody(msgspec.Struct, frozen=True):
    """A schema text, asked for or sent."""

    schema: str


class GatewayBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A gateway as the manager shows it."""

    name: str
    replicas: int
    tag: str
    warnings: list[str] = []


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
        """Answer with the gateway as it is or was, and with what its schema still lacks or lacked."""
        registry = await registry_at(self._worker, req, NOUN, topics.NOUN)
        gateway = registry.gateway(name).state
        warnings = await self._worker.in_thread(partial(_warnings, gateway, registry))
        body = _body(gateway, self._worker.settings.default_image_tag)
        resp.data = msgspec.json.encode(msgspec.structs.replace(body, warnings=warnings))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Delete the gateway; one that does not exist is deleted already."""
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(gateways.delete_gateway, worker.commands, caller, name))
        await answer_when_in_registry(worker, resp, f"The deletion of gateway {name}", position)


class GatewaySchemaResource:
    """`/manager/gateway/{name}/schema`: what the gateway serves."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Apply a schema; answers when the registry shows it, from which every worker takes it."""
        body = await read_struct(req, SchemaBody)
        worker, caller = self._worker, caller_of(req)
        apply = partial(gateways.apply_schema, worker.commands, caller, name, body.schema)
        position = await worker.in_thread(apply)
        await answer_when_in_registry(worker, resp, f"The schema of gateway {name}", position)


class WriteTypeResource:
    """`/manager/gateway/{name}/schema/{type}/{form}`: a type as topics store it, as SDL or Avro."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(
        self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str, type_name: str, form: str
    ) -> None:
        """Answer with `{"schema": …}`."""
        gateway = self._worker.views.registry.gateway(name).state
        if form not in {"graphql", "avro", "protobuf"}:
            raise NotFoundError(f"There is no form {form} of a type. Ask for graphql, avro or protobuf.")
        settings = self._worker.settings
        schema = await self._worker.in_thread(partial(_write_type, gateway.sdl, type_name, form, settings))
        resp.data = msgspec.json.encode(SchemaBody(schema))


def _write_type(sdl: str, type_name: str, form: str, settings: Settings) -> str:
    written = write_type(parse_gateway_schema(sdl), type_name)
    return written if form == "graphql" else converted(written, type_name, SchemaFormat.parse(form), settings)


def _warnings(gateway: Gateway, registry: Registry) -> list[str]:
    """Return what does not fit between the schema and the topics as they are now."""

    def types_of(name: str) -> TopicTypes | None:
        try:
            topic = registry.topic(name).state
        except NotFoundError:
            return None
        return TopicTypes.of(topic, gateway.name, _mirror(registry, name))

    return [str(finding.problem) for finding in check_topics(parse_gateway_schema(gateway.sdl), types_of)]


def _mirror(registry: Registry, name: str) -> MirrorDefinition | None:
    try:
        return registry.mirror(name).state.definition
    except NotFoundError:
        return None


def _body(gateway: Gateway, default_tag: str) -> GatewayBody:
    return GatewayBody(gateway.name, gateway.replicas, gateway.tag or default_tag)
