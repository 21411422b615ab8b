"""`/manager/topic…`: topics over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import falcon.asgi
import msgspec

from commands import topics
from commands.topics import NewTopic, SchemaReference
from core.errors import InvalidInputError
from core.registered_schema import SchemaFormat
from core.topics import NOUN, Topic, WriteType
from core.types import TopicType
from services.manager.caller import POSITION_HEADER, caller_of
from services.manager.effects import answer_when_in_registry, await_topic, await_topic_deletion
from services.manager.mirrors import MirrorArgumentsBody, NewMirrorBody, create_mirror, definition_of
from services.manager.moments import registry_at
from services.request_body import as_struct, read_json, read_struct
from services.worker import Worker

_Name = Annotated[str, msgspec.Meta(min_length=1)]


class SchemaReferenceBody(msgspec.Struct, frozen=True):
    """A type of a gateway's schema."""

    gateway: _Name
    type: _Name


class NewTopicBody(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a creation: all optional."""

    write_type: str | None = None
    value_schema: SchemaReferenceBody | None = None
    key_schema: SchemaReferenceBody | None = None
    mirror_arguments: MirrorArgumentsBody | None = None
    format: str | None = None
    partitions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    config: dict[str, str] = {}


class TopicBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A topic as the manager shows it."""

    name: str
    write_type: WriteType
    key_type: TopicType
    value_type: TopicType
    partitions: int
    config: dict[str, str]
    """Settings of the Kafka topic."""
    schema: str | None = None
    format: str | None = None
    """How records of type schema are written."""
    schema_id: int | None = None
    schema_version: int | None = None
    key_schema: str | None = None
    key_schema_id: int | None = None
    key_schema_version: int | None = None


class NewTopicSchemaBody(msgspec.Struct, frozen=True):
    """The body of a change of a topic's schema."""

    gateway: _Name
    type: _Name
    side: str = "value"


class SchemaChangeBody(msgspec.Struct, frozen=True, rename="camel"):
    """What came of a change of a topic's schema."""

    gateway: str
    type: str
    side: str
    is_changed: bool = msgspec.field(name="changed")
    """Whether it is, or with `dryRun` would be, another one than before."""
    format: str
    schema_id: int | None
    """`None` where another registry has yet to give it."""
    schema_version: int | None


class TopicsResource:
    """`/manager/topics`: all topics."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all topics by name, as they are or were."""
        registry = await registry_at(self._worker, req, NOUN)
        resp.data = msgspec.json.encode([_body(row.state) for row in registry.topics()])


class TopicResource:
    """`/manager/topic/{name}`: one topic."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the topic as it is or was."""
        registry = await registry_at(self._worker, req, NOUN)
        resp.data = msgspec.json.encode(_body(registry.topic(name).state))

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Create the topic, answers when it exists in Kafka and the registry shows it; or the mirror of a topic."""
        body = await read_json(req)
        if name == "mirror" and isinstance(body, dict) and "topicName" in body:
            # Quick's API creates mirrors at the path of a topic called mirror; only the bodies differ.
            await create_mirror(self._worker, req, resp, as_struct(body, NewMirrorBody))
            return
        new = _new_topic(name, req, as_struct(body, NewTopicBody))
        worker, caller = self._worker, caller_of(req)
        elsewhere = worker.registry_elsewhere
        create = partial(
            topics.create_topic, worker.commands, worker.kafka, worker.settings, caller, new, registry=elsewhere
        )
        position = await worker.in_thread(create)
        await worker.in_thread(partial(await_topic, worker.views, name, position, worker.settings.effect_timeout_s))
        resp.set_header(POSITION_HEADER, str(position))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Delete the topic; answers when it is gone from Kafka and the registry."""
        worker, caller = self._worker, caller_of(req)
        delete = partial(topics.delete_topic, worker.commands, caller, name, registry=worker.registry_elsewhere)
        position = await worker.in_thread(delete)
        await worker.in_thread(
            partial(await_topic_deletion, worker.views, name, position, worker.settings.effect_timeout_s)
        )
        resp.set_header(POSITION_HEADER, str(position))


class TopicSchemaResource:
    """`/manager/topic/{name}/schema`: what new records are written with."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Change the schema, or only check (`dryRun`); answers when the registry shows it to every worker."""
        body = await read_struct(req, NewTopicSchemaBody)
        worker, caller = self._worker, caller_of(req)
        change = partial(
            topics.change_schema,
            worker.commands,
            worker.settings,
            caller,
            name,
            body.side,
            SchemaReference(body.gateway, body.type),
            dry_run=req.get_param_as_bool("dryRun", default=False),
            registry=worker.registry_elsewhere,
        )
        changed = await worker.in_thread(change)
        await answer_when_in_registry(worker, resp, f"The schema of topic {name}", changed.position)
        schema = changed.schema
        resp.data = msgspec.json.encode(
            SchemaChangeBody(
                gateway=schema.gateway,
                type=schema.type,
                side=body.side,
                is_changed=changed.is_changed,
                format=schema.schema_type,
                schema_id=schema.schema_id or None,
                schema_version=schema.version or None,
            )
        )


def _new_topic(name: str, req: falcon.asgi.Request, body: NewTopicBody) -> NewTopic:
    return NewTopic(
        name=name,
        key_type=_type(req, "keyType", TopicType.LONG),
        value_type=_type(req, "valueType", TopicType.SCHEMA),
        value_schema=_reference(body.value_schema),
        key_schema=_reference(body.key_schema),
        write_type=_write_type(body.write_type or WriteType.MUTABLE),
        schema_format=None if body.format is None else SchemaFormat.parse(body.format),
        partitions=body.partitions,
        config=body.config,
        mirror=definition_of(body.mirror_arguments),
    )


def _reference(body: SchemaReferenceBody | None) -> SchemaReference | None:
    return None if body is None else SchemaReference(body.gateway, body.type)


def _write_type(text: str) -> WriteType:
    if text.upper() not in set(WriteType):
        raise InvalidInputError(f"writeType {text!r} is unknown. Choose MUTABLE or IMMUTABLE.")
    return WriteType(text.upper())


def _type(req: falcon.asgi.Request, parameter: str, default: TopicType) -> TopicType:
    text = req.get_param(parameter)
    return default if text is None else TopicType.parse(text)


def _body(topic: Topic) -> TopicBody:
    value, key = topic.value_schema, topic.key_schema
    schema = value or key
    return TopicBody(
        name=topic.name,
        write_type=topic.write_type,
        key_type=topic.key_type,
        value_type=topic.value_type,
        partitions=topic.partitions,
        config=topic.config,
        schema=None if value is None else value.sdl,
        format=None if schema is None else schema.schema_type,
        schema_id=None if value is None else value.schema_id,
        schema_version=None if value is None else value.version,
        key_schema=None if key is None else key.sdl,
        key_schema_id=None if key is None else key.schema_id,
        key_schema_version=None if key is None else key.version,
    )
