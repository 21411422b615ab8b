"""`/manager/mirrors`, `/manager/topic/{name}/mirror…`, and `/manager/topic/mirror`: mirrors over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import falcon.asgi
import msgspec
from msgspec import UNSET, UnsetType

from commands import mirrors
from commands.mirrors import MirrorChange, NewMirror
from commands.topics import KEPT_FOR_EVER
from core import topics
from core.durations import duration_ms, duration_text
from core.errors import InvalidInputError
from core.mirrors import NOUN, Mirror, MirrorDefinition
from projections.registry import Registry
from services.manager.caller import caller_of
from services.manager.effects import answer_when_in_registry
from services.manager.moments import registry_at
from services.request_body import read_struct
from services.worker import Worker

_Name = Annotated[str, msgspec.Meta(min_length=1)]


class MirrorArgumentsBody(msgspec.Struct, frozen=True, rename="camel"):
    """What the mirror of a topic is to keep beside, or instead of, the last value of each key for ever."""

    retention_time: str | None = None
    """ISO 8601: PT10M."""
    range_field: _Name | None = None
    range_key: _Name | None = None
    indexes: list[_Name] = []


class NewMirrorBody(msgspec.Struct, frozen=True, rename="camel"):
    """A mirror that is to be created."""

    topic_name: _Name
    name: _Name | None = None
    """That of its topic."""
    replicas: Annotated[int, msgspec.Meta(ge=1, le=mirrors.MAX_REPLICAS)] | None = None
    tag: str | None = None
    mirror_arguments: MirrorArgumentsBody | None = None


class MirrorChangeBody(msgspec.Struct, frozen=True, rename="camel"):
    """What a mirror is to keep from now on: what is left out stays as it is, null takes it away."""

    retention_time: str | UnsetType | None = UNSET
    range_field: _Name | UnsetType | None = UNSET
    range_key: _Name | UnsetType | None = UNSET
    add_indexes: list[_Name] = []
    drop_indexes: list[_Name] = []


class MirrorBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A mirror as the manager shows it: what is declared. What a machine holds of it, its own process tells."""

    name: str
    topic_name: str
    replicas: int
    tag: str
    range_field: str | None = None
    range_key: str | None = None
    indexes: list[str] = []
    retention_time: str | None = None
    """ISO 8601."""
    warnings: list[str] = []
    """What does not fit between what the mirror keeps and what its topic keeps in Kafka."""


class MirrorsResource:
    """`/manager/mirrors`: all mirrors."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all mirrors by name, as they are or were."""
        registry, tag = await registry_at(self._worker, req, NOUN, topics.NOUN), self._worker.settings.default_image_tag
        resp.data = msgspec.json.encode([_mirror_body(row.state, registry, tag) for row in registry.mirrors()])


class TopicMirrorResource:
    """`/manager/topic/{name}/mirror`: the mirror of a topic."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the mirror as it is or was."""
        registry, tag = await registry_at(self._worker, req, NOUN, topics.NOUN), self._worker.settings.default_image_tag
        resp.data = msgspec.json.encode(_mirror_body(registry.mirror(name).state, registry, tag))

    async def on_patch(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Let the mirror keep something else; answers when the registry shows it, and the mirror as before until then.

        An answer without a position tells that the mirror keeps just that already.
        """
        change = _change(await read_struct(req, MirrorChangeBody))
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(mirrors.alter_mirror, worker.commands, caller, name, change))
        await answer_when_in_registry(worker, resp, f"The change of mirror {name}", position)

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Delete the mirror, and keep its topic; answers when the registry no longer shows it."""
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(mirrors.delete_mirror, worker.commands, caller, name))
        await answer_when_in_registry(worker, resp, f"The deletion of mirror {name}", position)


class MirrorRebuildResource:
    """`/manager/topic/{name}/mirror/rebuild`: have a mirror built again."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Have every machine build its copy again; answers when the registry shows that, before it is built."""
        worker, caller = self._worker, caller_of(req)
        position = await worker.in_thread(partial(mirrors.rebuild_mirror, worker.commands, caller, name))
        await answer_when_in_registry(worker, resp, f"That mirror {name} is to be built again", position)


async def create_mirror(
    worker: Worker, req: falcon.asgi.Request, resp: falcon.asgi.Response, body: NewMirrorBody
) -> None:
    """Create a mirror; answers when the registry shows it, before it is built.

    Raises:
        InvalidInputError: It would not have the name of its topic, or cannot keep what it is to.
        NotFoundError: There is no such topic.
        ConflictError: It has a mirror already.
    """
    topic = body.topic_name
    if body.name not in {None, topic}:
        raise InvalidInputError(f"A mirror has the name of its topic. Leave the name out, or send {topic}.")
    new = NewMirror(topic, body.replicas, body.tag, definition_of(body.mirror_arguments))
    create = partial(mirrors.create_mirror, worker.commands, worker.settings, caller_of(req), new)
    position = await worker.in_thread(create)
    await answer_when_in_registry(worker, resp, f"Mirror {topic}", position)


def definition_of(body: MirrorArgumentsBody | None) -> MirrorDefinition:
    """Return what a mirror with these arguments keeps; without them, the last values alone.

    Raises:
        InvalidInputError: The retention time is no duration.
    """
    if body is None:
        return MirrorDefinition()
    return MirrorDefinition(
        range_field=body.range_field,
        range_key=body.range_key,
        indexes=tuple(body.indexes),
        retention_ms=None if body.retention_time is None else duration_ms(body.retention_time),
    )


def _change(body: MirrorChangeBody) -> MirrorChange:
    retention = body.retention_time
    return MirrorChange(
        range_field=body.range_field,
        range_key=body.range_key,
        retention_ms=duration_ms(retention) if isinstance(retention, str) else retention,
        add_indexes=tuple(body.add_indexes),
        drop_indexes=tuple(body.drop_indexes),
    )


def _mirror_body(mirror: Mirror, registry: Registry, default_tag: str) -> MirrorBody:
    kept = mirror.definition
    return MirrorBody(
        name=mirror.name,
        topic_name=mirror.topic,
        replicas=mirror.replicas,
        tag=mirror.tag or default_tag,
        range_field=kept.range_field,
        range_key=kept.range_key,
        indexes=list(kept.indexes),
        retention_time=None if kept.retention_ms is None else duration_text(kept.retention_ms),
        warnings=[] if kept.range_field is None else _history_warnings(registry, mirror.topic),
    )


def _history_warnings(registry: Registry, name: str) -> list[str]:
    """Return what a mirror with a range field could lack when it is built again, and how to keep it."""
    config = registry.topic(name).state.config
    missing = ",".join(f"{setting}={value}" for setting, value in KEPT_FOR_EVER.items() if config.get(setting) != value)
    if not missing:
        return []
    warning = (
        f"Topic {name} was not created with {missing}: Kafka may remove earlier records of a key, and a mirror that is"
        f" built again lacks their rows. To keep them: kafka-configs --alter --topic {name} --add-config {missing}"
    )
    return [warning]
