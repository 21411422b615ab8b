"""Who changed a thing last, when and why, as the log has it."""

from __future__ import annotations

import msgspec

from core.errors import UnavailableError
from core.record import timestamp_text
from services.worker import Worker


class LastChangeBody(msgspec.Struct, frozen=True):
    """The command that made a thing what it is: gave a gateway its schema, deployed an application."""

    position: int
    time: str
    actor: str | None
    reason: str | None


def last_change(worker: Worker, position: int) -> LastChangeBody | None:
    """Return the command at *position*, `None` while the log cannot be read."""
    try:
        command = worker.log.index.command_of(position)
    except UnavailableError:
        return None
    if command is None:
        return None
    record = command.record
    return LastChangeBody(command.position, timestamp_text(command.time_ms), record.actor, record.reason)
