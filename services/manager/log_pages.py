"""Pages of the command log: filtered, newest last, with a bound on what one request looks at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import falcon.asgi
import msgspec

from core.errors import InvalidInputError
from core.log_index import LogIndex
from core.log_rows import IndexedCommand
from core.record import timestamp_text
from services.manager.moments import time_of

MAX_COMMANDS = 1000
"""Commands of one page at most."""

LOOKED_AT = 20_000
"""Commands that one request looks at, at most; the rest is another page."""

CLOCK_SLACK_MS = 60 * 60 * 1000
"""How far the times of commands may run against their order, for example when another broker leads."""


class CommandBody(msgspec.Struct, frozen=True):
    """One command as the manager lists it."""

    position: int
    time: str
    actor: str | None
    command: str | None
    target: str | None
    source: str | None
    reason: str | None
    command_id: str


class Page(msgspec.Struct, frozen=True):
    """Some commands, newest last, and where the next page begins: `None` when there is no more."""

    commands: list[CommandBody]
    next: int | None


class Filter(NamedTuple):
    """Which commands are wanted; `None` means all."""

    since_ms: int | None
    until_ms: int | None
    actor: str | None
    command: str | None
    target: str | None
    """Exact, or a beginning that ends with `*`."""

    @classmethod
    def of(cls, req: falcon.asgi.Request) -> Filter:
        """Read the parameters of *req*.

        Raises:
            InvalidInputError: A time is none.
        """
        since, until = req.get_param("since"), req.get_param("until")
        return cls(
            None if since is None else time_of("since", since),
            None if until is None else time_of("until", until),
            *(req.get_param(name) for name in ("actor", "command", "target")),
        )

    def takes(self, command: IndexedCommand) -> bool:
        """Return whether *command* is wanted."""
        record = command.record
        return (
            (self.since_ms is None or command.time_ms >= self.since_ms)
            and (self.until_ms is None or command.time_ms <= self.until_ms)
            and (self.actor is None or self.actor == record.actor)
            and (self.command is None or self.command == record.command)
            and (self.target is None or _matches(self.target, record.target or ""))
        )

    def is_over(self, command: IndexedCommand) -> bool:
        """Return whether everything older than *command* is too old."""
        return self.since_ms is not None and command.time_ms < self.since_ms - CLOCK_SLACK_MS


def page_before(index: LogIndex, wanted: Filter, before: int | None, limit: int) -> Page:
    """Return the last *limit* wanted commands before a position; `next` is where the page before it begins."""
    found: list[IndexedCommand] = []
    offset = None if before is None else _offset_of(index, before)
    looked_at = 0
    while looked_at < LOOKED_AT:
        commands = index.commands(before=offset, limit=MAX_COMMANDS)
        for command in commands:
            if len(found) == limit:
                return _page(reversed(found), found[-1].position)
            if wanted.is_over(command):
                return _page(reversed(found), None)
            if wanted.takes(command):
                found.append(command)
        looked_at += len(commands)
        if len(commands) < MAX_COMMANDS:
            return _page(reversed(found), None)
        offset = commands[-1].offset
    return _page(reversed(found), commands[-1].position)


def page_after(index: LogIndex, wanted: Filter, after: int, limit: int) -> Page:
    """Return what follows on *after*; `next` is the position to ask for after this page."""
    offset = 0 if after == 0 else _offset_of(index, after) + 1
    found: list[IndexedCommand] = []
    for command in index.commands_from(offset, LOOKED_AT):
        if len(found) == limit:
            break
        after = command.position
        if wanted.takes(command):
            found.append(command)
    return _page(found, after)


def _page(commands: Iterable[IndexedCommand], following: int | None) -> Page:
    return Page([command_body(command) for command in commands], following)


def _offset_of(index: LogIndex, position: int) -> int:
    command = index.command_of(position)
    if command is None:
        raise InvalidInputError(f"The log has no position {position}: it ends at {index.max_notification_id() or 0}.")
    return command.offset


def _matches(pattern: str, target: str) -> bool:
    return target.startswith(pattern[:-1]) if pattern.endswith("*") else target == pattern


def command_body(command: IndexedCommand) -> CommandBody:
    """Return *command* as it is listed."""
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
