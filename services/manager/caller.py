"""Who asks the manager for a command, as the headers of the request tell."""

from __future__ import annotations

from urllib.parse import unquote

import falcon.asgi

from commands.decisions import Caller
from core.errors import InvalidInputError
from core.record import new_command_id
from services.security import ADMINISTRATOR

COMMAND_ID_HEADER = "Quick-Command-Id"
"""Chosen by the caller; the same one again records nothing new and answers the same."""

SOURCE_HEADER = "Quick-Source"
REASON_HEADER = "Quick-Reason"
POSITION_HEADER = "Quick-Position"

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
    return Caller(
        actor=ADMINISTRATOR,
        command_id=command_id,
        source=_text(req, SOURCE_HEADER),
        reason=_text(req, REASON_HEADER),
        trace=req.get_header("traceparent"),
    )


def _text(req: falcon.asgi.Request, header: str) -> str | None:
    """Return a header that carries percent-encoded UTF-8."""
    text = req.get_header(header)
    if text is not None and len(text) > _MAX_TEXT:
        raise InvalidInputError(f"The header {header} is longer than {_MAX_TEXT} characters. Shorten it.")
    return None if text is None else unquote(text)
