"""Which moment of the registry a request asks for: the present, or `?asOf=POSITION|TIME`."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial

import falcon.asgi

from core.errors import InvalidInputError
from core.log_index import LogIndex
from core.record import timestamp_of
from projections.past import past_registries
from projections.registry import Registry
from services.worker import Worker

AS_OF = "asOf"

_POSITION = re.compile("[0-9]{1,18}")


async def registry_at(worker: Worker, req: falcon.asgi.Request, *nouns: str) -> Registry:
    """Return the registry that *req* asks for; of the past only the rows of *nouns*.

    Raises:
        InvalidInputError: The moment is none, or has not come yet.
    """
    moment = req.get_param(AS_OF)
    if moment is None:
        return worker.views.registry
    index = worker.log.index
    position = position_of(index, AS_OF, moment)
    return (await worker.in_history(partial(past_registries, index, [position], nouns)))[0]


def position_of(index: LogIndex, parameter: str, moment: str) -> int:
    """Return the position of the last command up to *moment*, a position or a time in ISO 8601.

    Raises:
        InvalidInputError: It is neither, or a position that the log has not reached.
    """
    if _POSITION.fullmatch(moment):
        position, last = int(moment), index.max_notification_id() or 0
        if position > last:
            raise InvalidInputError(f"{parameter}={moment} has not come yet: the log ends at position {last}.")
        command = index.command_of(position)
        return 0 if command is None else command.position  # A command happens as a whole.
    return index.position_at(time_of(parameter, moment))


def time_of(parameter: str, text: str) -> int:
    """Return a time in ISO 8601 as milliseconds since 1970.

    Raises:
        InvalidInputError: It is none, or one without an offset from UTC.
    """
    try:
        if datetime.fromisoformat(text).tzinfo is not None:
            return timestamp_of(text)
    except (ValueError, OverflowError):
        pass
    raise InvalidInputError(
        f"{parameter}={text[:60]!r} is no moment. Send a time with its offset from UTC, as in 2026-01-31T12:00:00Z,"
        " or a position."
    )
