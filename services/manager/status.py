"""`/manager/status`: what is declared beside what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import falcon.asgi
import msgspec

from projections.object_status import OK, ObjectStatus
from projections.registry import Registry
from projections.status import StatusView
from services.worker import Worker


class ThingBody(msgspec.Struct, frozen=True, rename="camel"):
    """A thing that is declared, or that was and is not gone yet."""

    noun: str
    name: str
    position: int | None
    """Of the last command that changed it; none where it is not declared any more."""
    state: str | None
    """The worst of its objects: `ok`, `drifted`, `waiting`, `conflict`, `failed`; of a topic, what Kafka has. None
    where nobody makes objects of it, since it is served without Kubernetes."""
    replicas: int | None
    ready: int | None
    reason: str
    """The first thing that is wrong."""
    drifts: list[str]
    """What others had changed of its objects when they were last seen changed."""
    objects: list[ObjectStatus]


class StatusBody(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that is declared, and how far it is."""

    position: int
    """All commands up to here are taken into account."""
    problems: list[str]
    """What concerns no single thing."""
    things: list[ThingBody]


_WORST_FIRST = ("failed", "conflict", "waiting", "drifted", OK)


class StatusResource:
    """Tells how far everything is that is declared."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all things."""
        views = self._worker.views
        body = await self._worker.in_thread(lambda: status_of(views.registry, views.status))
        resp.data = msgspec.json.encode(body)


def status_of(registry: Registry, status: StatusView) -> StatusBody:
    """Return how far everything is that *registry* has."""
    position = registry.position()
    objects = status.objects()
    problems = [one.reason for one in objects if one.kind == "Namespace" and one.reason]
    return StatusBody(position, problems, [*_topics(registry, status), *_things(registry, objects)])


def _topics(registry: Registry, status: StatusView) -> Iterator[ThingBody]:
    for row in registry.topics():
        found = status.topic(row.state.name, row.incarnation)
        state, error = (None, None) if found is None else (found.state, found.error)
        is_well = state == "created"
        yield ThingBody(
            "topic", row.state.name, row.position, OK if is_well else state, None, None, error or "", [], []
        )


def _things(registry: Registry, objects: Iterable[ObjectStatus]) -> Iterator[ThingBody]:
    made: dict[tuple[str, str], list[ObjectStatus]] = {}
    for one in objects:
        if one.noun:
            made.setdefault((one.noun, one.thing), []).append(one)
    rows = {
        **{("mirror", row.state.name): row.position for row in registry.mirrors()},
        **{("gateway", row.state.name): row.position for row in registry.gateways()},
        **{("application", row.state.name): row.position for row in registry.applications()},
    }
    for noun, name in sorted(rows.keys() | made.keys()):
        yield _thing(noun, name, rows.get((noun, name)), made.get((noun, name), []))


def _thing(noun: str, name: str, position: int | None, objects: list[ObjectStatus]) -> ThingBody:
    by_state = sorted(objects, key=lambda one: _WORST_FIRST.index(one.state) if one.state in _WORST_FIRST else -1)
    workload = next((one for one in objects if one.replicas is not None), None)
    return ThingBody(
        noun=noun,
        name=name,
        position=position,
        state=by_state[0].state if by_state else None,
        replicas=None if workload is None else workload.replicas,
        ready=None if workload is None else workload.ready,
        reason=next((f"{one.kind} {one.name}: {one.reason}" for one in by_state if one.reason), ""),
        drifts=[f"{one.kind} {one.name}, {one.drifted}: {drift}" for one in objects for drift in one.drifts],
        objects=objects,
    )
