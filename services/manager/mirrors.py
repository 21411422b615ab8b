"""`/manager/mirrors`, `/manager/topic/{name}/mirror`: mirrors over REST."""

from __future__ import annotations

import falcon.asgi
import msgspec

from core.errors import NotAvailableYetError
from core.mirrors import NOUN, Mirror
from services.manager.moments import registry_at
from services.worker import Worker


class MirrorBody(msgspec.Struct, frozen=True, rename="camel"):
    """A mirror as the manager shows it."""

    name: str
    topic_name: str
    replicas: int
    tag: str


class MirrorsResource:
    """`/manager/mirrors`: all mirrors."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all mirrors by name, as they are or were."""
        registry, tag = await registry_at(self._worker, req, NOUN), self._worker.settings.default_image_tag
        resp.data = msgspec.json.encode([_mirror_body(row.state, tag) for row in registry.mirrors()])


class TopicMirrorResource:
    """`/manager/topic/{name}/mirror`: the mirror of a topic."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the mirror as it is or was."""
        registry, tag = await registry_at(self._worker, req, NOUN), self._worker.settings.default_image_tag
        resp.data = msgspec.json.encode(_mirror_body(registry.mirror(name).state, tag))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        """Refuse: a mirror lives and ends with its topic in this version."""
        raise NotAvailableYetError("Deleting only the mirror of a topic is not available yet. Delete the topic.")


def _mirror_body(mirror: Mirror, default_tag: str) -> MirrorBody:
    return MirrorBody(mirror.name, mirror.topic, mirror.replicas, mirror.tag or default_tag)
