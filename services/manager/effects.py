"""What a manager's answer waits for: the registry has the command, and Kafka has what it asks for."""

from __future__ import annotations

import time
from functools import partial

import falcon.asgi

from core.errors import EffectPendingError, NotFoundError, ViewBehindError
from projections.status import CREATED
from services.manager.caller import POSITION_HEADER
from services.worker import Views, Worker

_WATCH_S = 0.005


async def answer_when_in_registry(worker: Worker, resp: falcon.asgi.Response, what: str, position: int | None) -> None:
    """Answer with *position* once the registry shows the command at it; at once for one that changed nothing.

    Raises:
        EffectPendingError: It did not within the bound.
    """
    if position is None:
        return
    timeout_s = worker.settings.effect_timeout_s
    await worker.in_thread(partial(await_registry, worker.views, what, position, timeout_s))
    resp.set_header(POSITION_HEADER, str(position))


def await_registry(views: Views, what: str, position: int, timeout_s: float) -> None:
    """Block until the registry of this process shows the command at *position*.

    Raises:
        EffectPendingError: It did not within *timeout_s*.
    """
    try:
        views.registry.wait_for(position, timeout_s)
    except ViewBehindError as error:
        raise EffectPendingError(what, position, str(error)) from error


def await_topic(views: Views, name: str, position: int, timeout_s: float) -> None:
    """Block until the topic that the command at *position* declared exists in Kafka.

    Raises:
        EffectPendingError: It did not within *timeout_s*; says what holds it up.
    """
    deadline = time.monotonic() + timeout_s
    await_registry(views, f"Topic {name}", position, timeout_s)
    while (reason := _missing(views, name, position)) is not None:
        if time.monotonic() > deadline:
            raise EffectPendingError(f"Topic {name}", position, reason)
        time.sleep(_WATCH_S)


def await_topic_deletion(views: Views, name: str, position: int, timeout_s: float) -> None:
    """Block until the topic that the command at *position* gave up is gone from Kafka.

    Raises:
        EffectPendingError: It is still there after *timeout_s*.
    """
    deadline = time.monotonic() + timeout_s
    what = f"The deletion of topic {name}"
    await_registry(views, what, position, timeout_s)
    while any(status.name == name and status.incarnation < position for status in views.status.topics()):
        if time.monotonic() > deadline:
            raise EffectPendingError(what, position, "Kafka still has it")
        time.sleep(_WATCH_S)


def _missing(views: Views, name: str, position: int) -> str | None:
    """Return why the topic does not exist yet, `None` when it does, or when it was given up meanwhile."""
    try:
        row = views.registry.topic(name)
    except NotFoundError:
        return None
    if row.incarnation > position:
        return None
    status = views.status.topic(name, row.incarnation)
    if status is None:
        return "the reconciler has not looked at it yet"
    return None if status.state == CREATED else status.error or "Kafka is being asked"
