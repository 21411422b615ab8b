"""What is declared beside what is there, as the manager tells it."""

from __future__ import annotations

from typing import Any, cast

from core.mirrors import Mirror
from projections.object_status import ObjectStatus
from projections.registry import Row
from services.manager.status import status_of
from tests.running import Running, until
from tests.services.test_manager import create


class Small:
    """A registry and a view of statuses with a mirror and what is told of objects."""

    def __init__(self, *objects: ObjectStatus) -> None:
        self._objects = list(objects)

    def position(self) -> int:
        return 9

    def objects(self) -> list[ObjectStatus]:
        return self._objects

    def mirrors(self) -> list[Row[Mirror]]:
        return [Row(3, 4, Mirror(name="orders", topic="orders", replicas=2, tag=None))]

    def topics(self) -> list[Any]:
        return []

    gateways = applications = topics


def told(*objects: ObjectStatus) -> Any:
    small = cast("Any", Small(*objects))
    return status_of(small, small)


def of_mirror(kind: str, state: str, **facts: Any) -> ObjectStatus:
    return ObjectStatus(kind=kind, name="q", noun="mirror", thing=facts.pop("thing", "orders"), state=state, **facts)


def test_a_thing_is_as_well_as_its_worst_object() -> None:
    body = told(
        of_mirror("Service", "ok"),
        of_mirror("StatefulSet", "failed", reason="Refused.", replicas=2, ready=1),
        of_mirror("PodDisruptionBudget", "waiting", reason="Later."),
    )
    (thing,) = body.things
    assert ("mirror", "orders", 4, "failed", 2, 1) == (
        thing.noun,
        thing.name,
        thing.position,
        thing.state,
        thing.replicas,
        thing.ready,
    )
    assert "StatefulSet q: Refused." == thing.reason
    assert 9 == body.position


def test_a_thing_that_is_not_gone_yet_has_no_position() -> None:
    body = told(of_mirror("StatefulSet", "waiting", thing="clicks", reason="Its replicas are ending."))
    assert [("clicks", None, "waiting"), ("orders", 4, None)] == [
        (thing.name, thing.position, thing.state) for thing in body.things
    ]


def test_what_others_changed_and_what_concerns_the_whole_is_told() -> None:
    body = told(
        of_mirror("StatefulSet", "ok", drifts=[".spec.replicas: 7 found by x, 2 wanted"], drifted="then"),
        ObjectStatus(kind="Namespace", name="shop", state="failed", reason="It is away."),
    )
    assert ["It is away."] == body.problems
    assert ["StatefulSet q, then: .spec.replicas: 7 found by x, 2 wanted"] == body.things[0].drifts


def test_a_topic_without_kubernetes_is_told_with_what_kafka_has(running: Running, topic_name: str) -> None:
    with running.http() as http:
        create(http, topic_name).raise_for_status()

        def states() -> list[tuple[str, str | None]]:
            things = http.get("/manager/status").raise_for_status().json()["things"]
            return [(thing["noun"], thing["state"]) for thing in things if thing["name"] == topic_name]

        until(lambda: ("topic", "ok") in states())
        assert [("topic", "ok"), ("mirror", None)] == states()
    lines = [line.split() for line in running.quick("status").splitlines()]
    assert ["KIND", "NAME", "STATE", "READY", "POSITION"] == lines[0]
    assert [["topic", topic_name, "ok", "-"], ["mirror", topic_name, "-", "-"]] == [
        line[:4] for line in lines if topic_name in line
    ]
