"""What the API server answers when it does not do what was asked, as errors of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from core.errors import (
    FieldConflict,
    KubernetesConflictError,
    KubernetesExpiredError,
    KubernetesRefusedError,
    KubernetesUnavailableError,
    QuickError,
)

_COME_AGAIN = frozenset(
    (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)
_MISTAKE_AS_500 = "failed to create typed patch object"
"""How an unknown field, or a text in the place of a number, is answered: as an error of the server (tried)."""

_LONGEST_CAUSE = 2_000


def refusal(server: str, what: str, code: int, body: bytes, headers: Mapping[str, str]) -> QuickError:
    """Return the error for an answer with the HTTP status *code*.

    Args:
        server: URL of the API server, for messages.
        what: What was tried, for messages.
        code: The HTTP status.
        body: The answer, a `Status` object if it comes from Kubernetes.
        headers: Of the answer.
    """
    return refusal_of(server, what, code, _status(body), _retry_after_s(headers))


def refusal_of(
    server: str, what: str, code: int, status: Mapping[str, Any], retry_after_s: float | None = None
) -> QuickError:
    """Return the error for *status*, a `Status` object."""
    reason, cause = str(status.get("reason") or ""), str(status.get("message") or f"HTTP status {code}")
    cause = cause[:_LONGEST_CAUSE]
    if code == HTTPStatus.CONFLICT:
        return KubernetesConflictError(what, cause, _conflicts(status))
    if code == HTTPStatus.GONE:
        return KubernetesExpiredError(what)
    if code in _COME_AGAIN and not cause.startswith(_MISTAKE_AS_500):
        return KubernetesUnavailableError(server, what, cause, retry_after_s)
    return KubernetesRefusedError(what, code, reason, cause)


def _conflicts(status: Mapping[str, Any]) -> list[FieldConflict]:
    causes = (status.get("details") or {}).get("causes") or []
    return [
        FieldConflict(_manager(str(cause.get("message", ""))), str(cause.get("field", "")))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    ]


def _manager(message: str) -> str:
    """Return the name in `conflict with "NAME" using VERSION`; the whole message where it has another form."""
    parts = message.split('"')
    return parts[1] if len(parts) > 2 else message  # noqa: PLR2004 - before, in and after the quotes


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"message": " ".join(body[:200].decode(errors="replace").split())}
    return status if status.get("kind") == "Status" else {}


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
