"""Who asks the manager for a command, as the headers of the request tell."""

from __future__ import annotations

import re
from urllib.parse import unquote

import falcon.asgi

from commands.decisions import Caller
from core.errors import InvalidInputError
from core.record import new_command_id

COMMAND_ID_HEADER = "Quick-Command-Id"
"""Chosen by the caller; the same one again records nothing new and answers the same."""

SOURCE_HEADER = "Quick-Source"
REASON_HEADER = "Quick-Reason"
POSITION_HEADER = "Quick-Position"

_TRACE_PARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; as it says, a header of another form is ignored."""

_MAX_ID = 200
_MAX_TEXT = 10_000


def caller_of(req: falcon.asgi.Request) -> Caller:
    """Return who sent *req*, with a fresh command id when it brings none.

    Raises:
        InvalidInputError: A header is longer than anyone needs.
    """
    command_id = req.get_header(COMMAND_ID_HEADER) or new_command_id()
    if len(command_id) > _MAX_ID:
        raise InvalidInputError(f"The header {COMMAND_ID_HEADER} is longer than {_MAX_ID} characters. Send a UUID.")
    trace = req.get_header("traceparent")
    return Caller(
        actor=req.context.actor,
        command_id=command_id,
        source=_text(req, SOURCE_HEADER),
        reason=_text(req, REASON_HEADER),
        trace=trace if trace is not None and _TRACE_PARENT.fullmatch(trace) else None,
    )


def _text(req: falcon.asgi.Request, header: str) -> str | None:
    """Return a header that carries percent-encoded UTF-8."""
    given = req.get_header(header)
    text = None if given is None else unquote(given)
    if text is not None and len(text) > _MAX_TEXT:
        raise InvalidInputError(f"The header {header} is longer than {_MAX_TEXT} characters. Shorten it.")
    return text
