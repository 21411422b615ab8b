"""`/manager/log…`: the command log as its readers want it: who did what, when and why, and what that changed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import falcon.asgi
import msgspec

from core.errors import InvalidInputError, NotFoundError
from core.log_index import LogIndex
from core.log_rows import IndexedCommand
from core.record import ExpectedHead, timestamp_text
from projections.changes import Change, changes_between, changes_by
from projections.past import past_registries
from services.manager.caller import caller_of
from services.manager.log_pages import MAX_COMMANDS, CommandBody, Filter, command_body, page_after, page_before
from services.manager.moments import position_of
from services.request_body import read_struct
from services.worker import Worker

_NUMBER = re.compile("[0-9]{1,18}")

DEFAULT_COMMANDS = 100
"""Commands of a page when the request does not say."""

MAX_WAIT_S = 30.0
"""Longest time for which a request waits for new commands."""

_WATCH_S = 0.02


class LogResource:
    """`/manager/log`: commands, newest last.

    `?limit=N` the last ones, `&before=POSITION` those before them; `?after=POSITION` the first ones after it, with
    `&wait=SECONDS` until there are some. Filters: `since`, `until`, `actor`, `command`, `target`.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with a page of commands."""
        index = self._worker.log.index
        limit = _number(req, "limit", 1, MAX_COMMANDS, DEFAULT_COMMANDS)
        wanted = Filter.of(req)
        after, wait_s = _optional_number(req, "after"), _number(req, "wait", 0, int(MAX_WAIT_S), 0)
        if after is None:
            page = await self._worker.in_thread(
                partial(page_before, index, wanted, _optional_number(req, "before"), limit)
            )
        else:
            await _await_commands(index, after, wait_s)
            page = await self._worker.in_thread(partial(page_after, index, wanted, after, limit))
        resp.data = msgspec.json.encode(page)


class EventBody(msgspec.Struct, frozen=True):
    """One event of a command."""

    position: int
    type: str
    originator_id: str
    version: int
    facts: Any
    """JSON, or the text that is recorded where that is none."""


class WholeCommandBody(CommandBody, frozen=True):
    """One command with all that is recorded of it, and with what it changed."""

    issued_at: str | None
    trace: str | None
    offset: int
    is_restored: bool
    """Whether it came from an export: its times are those of the first log."""
    expected: Sequence[ExpectedHead]
    """The streams that it relied on, and where they stood."""
    events: list[EventBody]
    changes: list[Change]


class LogCommandResource:
    """`/manager/log/{position}`: one command, whole, with what it changed."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, position: int) -> None:
        """Answer with the command that recorded the event at *position*."""
        index = self._worker.log.index
        command = index.command_of(position)
        if command is None:
            raise NotFoundError(f"The log has no position {position}: it ends at {index.max_notification_id() or 0}.")
        changes = await self._worker.in_thread(partial(changes_by, index, command))
        resp.data = msgspec.json.encode(_whole(command, changes))


class QuarantineBody(msgspec.Struct, frozen=True):
    """A record that every reader is to pass."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


class PassingBody(msgspec.Struct, frozen=True, rename="camel"):
    """Whether this machine has passed the record."""

    offset: int
    is_passed: bool


class QuarantinedBody(msgspec.Struct, frozen=True):
    """A record that was passed, and who told the readers to."""

    offset: int
    cause: str
    quarantined_at: int
    """Offset of the quarantine."""
    time_ms: int
    reason: str | None
    actor: str | None
    source: str | None
    time: str


class QuarantineListBody(msgspec.Struct, frozen=True):
    """All records that were passed, by offset."""

    quarantined: list[QuarantinedBody]


class QuarantineResource:
    """`/manager/log/quarantine`: the records that were passed because nobody can decode them, and passing one."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the records that were passed, by offset."""
        found = self._worker.log.index.quarantined()
        rows = [QuarantinedBody(**msgspec.structs.asdict(one), time=timestamp_text(one.time_ms)) for one in found]
        resp.data = msgspec.json.encode(QuarantineListBody(rows))

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Tell every reader to pass a record; answers whether this machine has."""
        body = await read_struct(req, QuarantineBody)
        caller, log = caller_of(req), self._worker.log
        quarantine = partial(log.quarantine, body.offset, actor=caller.actor, source=caller.source, reason=body.reason)
        resp.data = msgspec.json.encode(PassingBody(body.offset, await self._worker.in_thread(quarantine)))


class DiffBody(msgspec.Struct, frozen=True, rename={"begin": "from", "end": "to"}):
    """What is different between two positions."""

    begin: int
    end: int
    changes: list[Change]


class DiffResource:
    """`/manager/diff?from=A&to=B`: what was created, changed and removed between two moments."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the changes; without `to`, those up to now."""
        index = self._worker.log.index
        first = req.get_param("from")
        if first is None:
            raise InvalidInputError("The parameter from is missing. Name a position or a time: ?from=1")
        begin = position_of(index, "from", first)
        last = req.get_param("to")
        end = index.max_notification_id() or 0 if last is None else position_of(index, "to", last)
        if begin > end:
            raise InvalidInputError(f"from={first} lies behind to={last}. Exchange them.")
        before, after = await self._worker.in_history(partial(past_registries, index, [begin, end]))
        changes = await self._worker.in_thread(partial(changes_between, before, after))
        resp.data = msgspec.json.encode(DiffBody(begin, end, changes))


async def _await_commands(index: LogIndex, after: int, wait_s: float) -> None:
    """Wait until there is a command after a position, in the event loop: many may wait, and none holds a thread."""
    deadline = time.monotonic() + wait_s
    while (index.max_notification_id() or 0) <= after and time.monotonic() < deadline:
        await asyncio.sleep(_WATCH_S)


def _number(req: falcon.asgi.Request, parameter: str, low: int, high: int, default: int) -> int:
    text = req.get_param(parameter)
    if text is None:
        return default
    if not (_NUMBER.fullmatch(text) and low <= int(text) <= high):
        raise InvalidInputError(f"{parameter}={text[:40]!r} cannot be used. It takes a number from {low} to {high}.")
    return int(text)


def _optional_number(req: falcon.asgi.Request, parameter: str) -> int | None:
    return None if req.get_param(parameter) is None else _number(req, parameter, 0, 10**18 - 1, 0)


def _whole(command: IndexedCommand, changes: list[Change]) -> WholeCommandBody:
    record = command.record
    return WholeCommandBody(
        **msgspec.structs.asdict(command_body(command)),
        issued_at=record.issued_at,
        trace=record.trace,
        offset=command.offset,
        is_restored=record.recorded_at is not None,
        expected=record.expected,
        events=[
            EventBody(
                position=command.first_id + i,
                type=event.topic,
                originator_id=event.originator_id,
                version=event.originator_version,
                facts=msgspec.Raw(event.state_bytes()) if _is_json(event.state_bytes()) else event.state,
            )
            for i, event in enumerate(record.events)
        ],
        changes=changes,
    )


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError):
        return False
    return True
