"""What a service knows of a topic: looked up once, and again when its declaration or its state in Kafka changes."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from core.aggregates import aggregate_id
from core.errors import NotFoundError, UnavailableError
from core.mirrors import MirrorAltered, MirrorCreated, MirrorDefinition, MirrorDeleted, MirrorEvent
from core.topics import TopicCreated
from projections.mirror_folds import MirrorProjection
from projections.mirror_places import MirrorPlace
from projections.places import ViewFolder, file_id
from projections.registry import RecordedEvent, RegistryProjection
from projections.status import CREATED, CREATING, StatusProjection, TopicStatus, encode, topic_key
from services import topic_access
from services.topic_access import TopicAccesses
from services.worker import Worker
from tests.running import until


class Message:
    """A record of the status topic, as far as the fold looks at it."""

    def __init__(self, offset: int, key: bytes, value: bytes) -> None:
        self._offset, self._key, self._value = offset, key, value

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def offset(self) -> int:
        return self._offset


class Machine:
    """The views of a machine, fed by hand, and the accesses of a worker that reads them."""

    def __init__(self, folder: Path) -> None:
        self.registry = RegistryProjection(folder / "registry")
        self.status = StatusProjection(folder / "status", "id")
        self.folder = ViewFolder(folder)
        views = SimpleNamespace(registry=self.registry.view, status=self.status.view, folder=self.folder)
        self.accesses = TopicAccesses(cast("Worker", SimpleNamespace(views=views, schema=self.registry.view.schema)))

    def declare(self, name: str) -> None:
        created = TopicCreated(
            originator_id=aggregate_id("topic", name),
            originator_version=1,
            name=name,
            write_type="IMMUTABLE",
            key_type="LONG",
            value_type="STRING",
            partitions=1,
            replication_factor=1,
            config={},
            value_schema=None,
            key_schema=None,
        )
        position = self.registry.view.position() + 1
        self.registry.fold([RecordedEvent(position, created)], position)

    def mirror(self, name: str, event: type[MirrorEvent], **facts: object) -> None:
        position = self.registry.view.position() + 1
        made = event(originator_id=aggregate_id("mirror", name), originator_version=position, name=name, **facts)
        self.registry.fold([RecordedEvent(position, made)], position)

    def note(self, name: str, *dangers: str, state: str = CREATED) -> None:
        incarnation = self.registry.view.topic(name).incarnation
        status = TopicStatus(name=name, incarnation=incarnation, state=state, topic_id="t", dangers=list(dangers))
        self.status.fold([Message(self.status.next_offset(), topic_key(name, incarnation), encode(status))])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_topic_that_does_not_exist_yet_has_no_access(machine: Machine) -> None:
    with pytest.raises(NotFoundError):
        machine.accesses.topic("a")
    machine.declare("a")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="does not exist in Kafka yet"):
            machine.accesses.topic("a")
        machine.note("a", state=CREATING)
    machine.note("a")
    assert ("t", ()) == (machine.accesses.topic("a").topic_id, machine.accesses.topic("a").dangers)


def test_dangers_come_and_go_with_what_is_noted_and_the_rest_stays(machine: Machine) -> None:
    machine.declare("a")
    machine.declare("b")
    machine.note("a")
    machine.note("b")
    safe = machine.accesses.topic("a")
    assert safe is machine.accesses.topic("a")
    machine.note("a", "one", "another")  # It is looked for every few milliseconds.
    until(lambda: machine.accesses.topic("a").dangers == ("one", "another"))
    unsafe = machine.accesses.topic("a")
    assert safe.keys is unsafe.keys
    assert safe.values is unsafe.values
    assert unsafe is machine.accesses.topic("a")
    assert () == machine.accesses.topic("b").dangers
    machine.note("a")
    until(lambda: machine.accesses.topic("a").dangers == ())


def test_the_unsafe_topics_are_those_with_dangers_now(machine: Machine) -> None:
    for name in ("a", "b"):
        machine.declare(name)
        machine.note(name)
    view = machine.status.view
    assert [] == view.unsafe()
    machine.note("b", "danger")
    assert [("b", ["danger"])] == [(status.name, status.dangers) for status in view.unsafe()]
    machine.note("b")
    assert [] == view.unsafe()


def test_a_topic_without_a_mirror_can_be_written_and_tells_readers_how_to_get_one(machine: Machine) -> None:
    machine.declare("a")
    machine.note("a")
    access = machine.accesses.topic("a")
    assert access.mirror is None
    for read in (machine.accesses.mirror, machine.accesses.ready_mirror):
        with pytest.raises(NotFoundError, match=r"^There is no mirror of topic a\. Create one: quick mirror create a$"):
            read(access)


def test_an_access_follows_what_the_mirror_is_declared_to_keep(machine: Machine) -> None:
    machine.declare("a")
    machine.declare("b")
    machine.note("a")
    before = machine.accesses.topic("a")
    machine.mirror("a", MirrorCreated, topic="a", replicas=1, tag=None, definition={})
    created = machine.accesses.topic("a")
    assert (None, MirrorDefinition()) == (before.mirror, created.mirror)
    assert before.values is created.values
    machine.mirror("b", MirrorCreated, topic="b", replicas=1, tag=None, definition={})
    assert created is machine.accesses.topic("a")
    machine.mirror("a", MirrorAltered, definition={"indexes": ["x"]})
    assert MirrorDefinition(indexes=("x",)) == machine.accesses.topic("a").mirror
    machine.mirror("a", MirrorDeleted)
    assert machine.accesses.topic("a").mirror is None


def test_a_mirror_is_found_though_its_copy_is_replaced_in_the_middle_of_a_look(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.declare("a")
    machine.note("a")
    machine.mirror("a", MirrorCreated, topic="a", replicas=1, tag=None, definition={})
    access = machine.accesses.topic("a")
    assert machine.accesses.open_mirror(access) is None
    place = MirrorPlace(machine.folder.mirror_place("t"))
    MirrorProjection(place.begin_live(), {0: 0}).close()
    first = machine.accesses.open_mirror(access)
    MirrorProjection(place.begin_next(), {0: 0}).close()

    def replaced(path: Path) -> tuple[int, int]:
        monkeypatch.undo()
        place.promote()
        if path.parent.is_symlink():
            MirrorProjection(place.begin_next(), {0: 0}).close()
            monkeypatch.setattr(topic_access, "file_id", replaced)  # Once more in the next step.
        return file_id(path)

    until(lambda: time.monotonic() > machine.accesses._mirrors["t"].current_until)
    monkeypatch.setattr(topic_access, "file_id", replaced)
    second = machine.accesses.open_mirror(access)
    assert second is not None
    assert first is not second
    assert second.is_ready()
