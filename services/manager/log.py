"""`/manager/log`: the command log as its readers want it, newest last."""

from __future__ import annotations

import re

import falcon.asgi
import msgspec

from core.errors import InvalidInputError
from core.log_rows import IndexedCommand
from core.record import timestamp_text
from services.worker import Worker

_NUMBER = re.compile("[0-9]{1,9}")

MAX_COMMANDS = 1000
DEFAULT_COMMANDS = 100


class CommandBody(msgspec.Struct, frozen=True):
    """One command as the manager shows it."""

    position: int
    time: str
    actor: str | None
    command: str | None
    target: str | None
    source: str | None
    reason: str | None
    command_id: str


class LogResource:
    """`/manager/log?limit=N`: the last commands."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with `{"commands": […]}`."""
        limit = _limit(req)
        index = self._worker.commands.command_log.index
        found = await self._worker.in_thread(lambda: index.commands(limit=limit))
        resp.data = msgspec.json.encode({"commands": [_body(command) for command in found[::-1]]})


def _limit(req: falcon.asgi.Request) -> int:
    text = req.get_param("limit")
    if text is None:
        return DEFAULT_COMMANDS
    if not (_NUMBER.fullmatch(text) and 1 <= int(text) <= MAX_COMMANDS):
        raise InvalidInputError(f"limit={text[:40]!r} cannot be used. It takes a number from 1 to {MAX_COMMANDS}.")
    return int(text)


def _body(command: IndexedCommand) -> CommandBody:
    record = command.record
    return CommandBody(
        position=command.position,
        time=timestamp_text(command.time_ms),
        actor=record.actor,
        command=record.command,
        target=record.target,
        source=record.source,
        reason=record.reason,
        command_id=record.command_id,
    )
