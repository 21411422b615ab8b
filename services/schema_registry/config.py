"""`/schema-registry/config…`: how schemas may change, everywhere and under one subject."""

from __future__ import annotations

from functools import partial

import falcon.asgi
import msgspec

from commands import subjects
from core.compatibility import DEFAULT, GLOBAL, CompatibilityLevel
from services.manager.caller import caller_of
from services.request_body import read_struct
from services.schema_registry.answers import answer, await_write, flag, segment
from services.worker import Worker


class LevelBody(msgspec.Struct, frozen=True, rename="camel"):
    """The level that counts."""

    compatibility_level: CompatibilityLevel


class NewLevelBody(msgspec.Struct, frozen=True):
    """The level that is to count."""

    compatibility: str


class GlobalConfigResource:
    """`/config`: the level of all subjects without one of their own."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the level."""
        answer(resp, LevelBody(self._worker.views.registry.own_compatibility(GLOBAL) or DEFAULT))

    async def on_put(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Set the level."""
        await _set(self._worker, req, resp, GLOBAL)

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Go back to the default; answer with what counted."""
        await _reset(self._worker, req, resp, GLOBAL)


class SubjectConfigResource:
    """`/config/{subject}`: the level of one subject."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Answer with the subject's own level, or with the one that counts (`defaultToGlobal`)."""
        name, registry = segment(subject), self._worker.views.registry
        level = registry.compatibility(name) if flag(req, "defaultToGlobal") else registry.own_compatibility(name)
        if level is None:
            raise subjects.level_not_set(name)
        answer(resp, LevelBody(level))

    async def on_put(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Set the level."""
        await _set(self._worker, req, resp, segment(subject))

    async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, subject: str) -> None:
        """Go back to the global level; answer with what counted."""
        await _reset(self._worker, req, resp, segment(subject))


async def _set(worker: Worker, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
    body, caller = await read_struct(req, NewLevelBody), caller_of(req)
    position = await worker.in_thread(
        partial(subjects.set_compatibility, worker.commands, caller, name, body.compatibility)
    )
    await await_write(worker, resp, f"The compatibility level of {name}", position)
    answer(resp, NewLevelBody(subjects.level_of(body.compatibility)))


async def _reset(worker: Worker, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
    caller = caller_of(req)
    level, position = await worker.in_thread(partial(subjects.reset_compatibility, worker.commands, caller, name))
    await await_write(worker, resp, f"The compatibility level of {name}", position)
    answer(resp, LevelBody(level))
