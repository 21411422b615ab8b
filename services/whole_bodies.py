"""Bodies that were cut off are never taken for whole ones.

Falcon ends a body where its client goes away. What has come by then may well be a body of its own: of a DELETE whose
chunks say the key 12345, it may be the key 123. So reading on raises here, and nothing is done with the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from core.errors import InvalidInputError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def whole_or_raising(receive: Receive) -> Receive:
    """Return *receive* of one HTTP request, which raises InvalidInputError where the client goes away in the body."""
    is_whole = has_begun = False

    async def receive_whole() -> MutableMapping[str, Any]:
        nonlocal is_whole, has_begun
        event = await receive()
        if event["type"] == "http.request":
            has_begun, is_whole = True, not event.get("more_body", False)
        elif has_begun and not is_whole:
            raise InvalidInputError("The body was cut off before its end. Send it again.")
        return event

    return receive_whole
