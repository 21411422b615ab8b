"""The persistence module beyond the library's contract: how anyone uses it, its settings, what lies where."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import InfrastructureFactory, InfrastructureFactoryError, Tracking, TrackingRecorder
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import Environment, get_topic

from core import kafka_admin
from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka_admin import KafkaAdmin
from core.local_recorders import LocalTrackingRecorder
from core.log_recorders import KafkaApplicationRecorder
from core.recorder import KafkaFactory
from tests.running import until


class Dog(Aggregate):
    """The aggregate of the library's tutorial."""

    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class DogSchool(Application[UUID]):
    """The application of the library's tutorial."""

    is_snapshotting_enabled = True

    def register_dog(self, name: str) -> UUID:
        dog = Dog(name)
        self.save(dog)
        return dog.id

    def add_trick(self, dog_id: UUID, trick: str) -> None:
        dog: Dog = self.repository.get(dog_id)
        dog.add_trick(trick)
        self.save(dog)

    def tricks_of(self, dog_id: UUID) -> list[str]:
        dog: Dog = self.repository.get(dog_id)
        return dog.tricks


class Tricks(LocalTrackingRecorder):
    """A view of the dog school."""

    tables = ("tricks",)

    def add(self, dog_id: UUID, trick: str, tracking: Tracking) -> None:
        self.update(tracking, lambda txn: txn.put("tricks", dog_id.bytes + trick.encode(), b""))

    def of(self, dog_id: UUID) -> list[str]:
        with self.read() as txn:
            rows = takewhile(lambda row: row[0].startswith(dog_id.bytes), txn.scan("tricks", dog_id.bytes))
            return [key[16:].decode() for key, _ in rows]


class TricksProjection(Projection[Tricks]):
    name = "tricks"
    topics = (get_topic(Dog.TrickAdded),)

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.add(domain_event.originator_id, domain_event.trick, tracking)


TUTORIAL = """
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Dog(Aggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class DogSchool(Application[UUID]):
    def register_dog(self, name: str) -> UUID:
        dog = Dog(name)
        self.save(dog)
        return dog.id

    def add_trick(self, dog_id: UUID, trick: str) -> None:
        dog: Dog = self.repository.get(dog_id)
        dog.add_trick(trick)
        self.save(dog)

    def get_dog(self, dog_id: UUID) -> dict[str, object]:
        dog: Dog = self.repository.get(dog_id)
        return {"name": dog.name, "tricks": tuple(dog.tricks)}


school = DogSchool()
dog_id = school.register_dog("Fido")
school.add_trick(dog_id, "roll over")
school.add_trick(dog_id, "play dead")
assert school.get_dog(dog_id) == {"name": "Fido", "tricks": ("roll over", "play dead")}
print(*(notification.id for notification in school.notification_log.select(1, 10)))
"""
"""The tutorial as a user types it: nothing of it knows Kafka, and nothing closes the application."""

NewSchool = Callable[..., DogSchool]


@pytest.fixture
def settings(kafka: str, topic_name: str) -> dict[str, str]:
    return {
        "PERSISTENCE_MODULE": "core.recorder",
        "QUICK_KAFKA_BOOTSTRAP_SERVER": kafka,
        "QUICK_LOG_TOPIC": topic_name,
    }


@pytest.fixture
def new_school(settings: Mapping[str, str]) -> Iterator[NewSchool]:
    """Return a function that opens a dog school with other settings, closed after the test at the latest."""
    schools: list[DogSchool] = []

    def new_school(**other: str) -> DogSchool:
        school = DogSchool(env={**settings, **other})
        schools.append(school)
        return school

    yield new_school
    for school in schools:
        school.close()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which temporary ones are made during the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def factory_of(application: Application[UUID]) -> KafkaFactory:
    assert isinstance(application.factory, KafkaFactory)
    return application.factory


# Usable by anyone.


def test_the_tutorial_application_runs_unchanged(settings: Mapping[str, str], tmp_path: Path) -> None:
    program = tmp_path / "tutorial.py"
    program.write_text(TUTORIAL)
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(program)],
            env={**os.environ, **settings, "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    assert "1 2 3\n" == run()
    assert "1 2 3 4 5 6\n" == run()
    assert [] == contents(temporary)


def test_the_topic_is_named_as_the_application_and_made_when_absent(
    settings: Mapping[str, str], kafka: str, topic_name: str
) -> None:
    class School(DogSchool):
        name = topic_name

    admin = KafkaAdmin(kafka)
    assert admin.describe(topic_name) is None
    with School(env={name: value for name, value in settings.items() if name != "QUICK_LOG_TOPIC"}) as school:
        school.register_dog("Fido")
    facts = admin.describe(topic_name)
    assert facts is not None
    assert 1 == facts.partitions
    assert "-1" == admin.topic_config(topic_name)["retention.ms"]


def test_settings_in_the_processs_environment_count(
    settings: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("QUICK_DATA_DIR", str(tmp_path / "data"))
    with DogSchool() as school:
        dog_id = school.register_dog("Fido")
        assert isinstance(school.recorder, KafkaApplicationRecorder)
        assert (tmp_path / "data").is_dir()
        assert [] == school.tricks_of(dog_id)


def test_settings_in_the_librarys_mapping_go_before_the_processs_environment(
    new_school: NewSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICK_KAFKA_BOOTSTRAP_SERVER", "nobody.invalid:9092")
    assert 1 == len(new_school().save(Dog("Fido")))


# Several topics and applications beside each other.


def test_applications_on_their_own_topics_never_see_each_others_events(new_school: NewSchool, tmp_path: Path) -> None:
    data_dir = str(tmp_path)
    one = new_school(QUICK_LOG_TOPIC=f"one-{uuid.uuid4().hex}", QUICK_DATA_DIR=data_dir)
    other = new_school(QUICK_LOG_TOPIC=f"other-{uuid.uuid4().hex}", QUICK_DATA_DIR=data_dir)
    fido, rex, spot = one.register_dog("Fido"), other.register_dog("Rex"), one.register_dog("Spot")
    assert [(1, fido), (2, spot)] == [(n.id, n.originator_id) for n in one.notification_log.select(1, 10)]
    assert [(1, rex)] == [(n.id, n.originator_id) for n in other.notification_log.select(1, 10)]
    assert fido not in other.repository
    assert rex not in one.repository


def test_each_application_of_one_environment_can_have_a_topic_of_its_own(settings: Mapping[str, str]) -> None:
    class CatSchool(DogSchool):
        pass

    cats, dogs = f"cats-{uuid.uuid4().hex}", f"dogs-{uuid.uuid4().hex}"
    env = {**settings, "CATSCHOOL_QUICK_LOG_TOPIC": cats, "DOGSCHOOL_QUICK_LOG_TOPIC": dogs}
    with CatSchool(env=env) as cat_school, DogSchool(env=env) as dog_school:
        assert [cats, dogs] == [factory_of(school).log().topic.name for school in (cat_school, dog_school)]


def test_applications_on_one_topic_and_folder_share_log_and_snapshots(new_school: NewSchool, tmp_path: Path) -> None:
    one, other = new_school(QUICK_DATA_DIR=str(tmp_path)), new_school(QUICK_DATA_DIR=str(tmp_path))
    assert factory_of(one).log() is factory_of(other).log()
    fido = one.register_dog("Fido")
    other.add_trick(fido, "roll over")
    assert ["roll over"] == one.tricks_of(fido)
    one.take_snapshot(fido)
    one.close()
    other.add_trick(fido, "play dead")
    assert ["roll over", "play dead"] == other.tricks_of(fido)
    assert other.snapshots is not None
    assert [2] == [snapshot.originator_version for snapshot in other.snapshots.get(fido)]


def test_applications_on_one_topic_with_folders_of_their_own_agree(new_school: NewSchool) -> None:
    one, other = new_school(), new_school()
    assert factory_of(one).log() is not factory_of(other).log()
    fido = one.register_dog("Fido")
    until(lambda: fido in other.repository)
    other.add_trick(fido, "roll over")
    until(lambda: ["roll over"] == one.tricks_of(fido))


# What lies where.


def test_a_temporary_folder_goes_when_the_application_is_closed(new_school: NewSchool, temporary: Path) -> None:
    school = new_school()
    fido = school.register_dog("Fido")
    school.take_snapshot(fido)
    assert 1 == len(contents(temporary))
    school.close()
    assert [] == contents(temporary)


def test_an_application_that_is_dropped_unclosed_leaves_nothing(
    settings: Mapping[str, str], topic_name: str, temporary: Path
) -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if topic_name in thread.name]

    school = DogSchool(env=dict(settings))
    school.register_dog("Fido")
    assert 1 == len(threads())
    del school
    gc.collect()
    until(lambda: [] == threads())  # Where the log's own thread has collected it, another one closes it.
    until(lambda: [] == contents(temporary))


def test_the_events_outlive_the_folder(new_school: NewSchool, temporary: Path) -> None:
    with new_school() as school:
        fido = school.register_dog("Fido")
    assert [] == contents(temporary)
    assert [] == new_school().tricks_of(fido)


def test_a_given_folder_stays(new_school: NewSchool, tmp_path: Path) -> None:
    with new_school(QUICK_DATA_DIR=str(tmp_path / "data")) as school:
        fido = school.register_dog("Fido")
        school.take_snapshot(fido)
    again = new_school(QUICK_DATA_DIR=str(tmp_path / "data"))
    assert again.snapshots is not None
    assert 1 == len(list(again.snapshots.get(fido)))


def test_an_application_that_could_not_be_opened_leaves_no_folder(
    new_school: NewSchool, temporary: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_admin, "REQUEST_TIMEOUT_S", 0.2)
    with pytest.raises(KafkaUnavailableError):
        new_school(QUICK_KAFKA_BOOTSTRAP_SERVER=f"127.0.0.1:{free_port()}")
    gc.collect()  # The error held the application.
    assert [] == contents(temporary)


def test_snapshots_go_with_the_log_that_they_are_of(
    new_school: NewSchool, kafka: str, topic_name: str, tmp_path: Path
) -> None:
    with new_school(QUICK_DATA_DIR=str(tmp_path)) as school:
        fido = school.register_dog("Fido")
        school.take_snapshot(fido)
    admin = KafkaAdmin(kafka)
    admin.delete_topic(topic_name)
    until(lambda: admin.describe(topic_name) is None)
    again = new_school(QUICK_DATA_DIR=str(tmp_path))
    assert fido not in again.repository


# Views.


def test_a_view_follows_an_application_and_goes_on_where_it_was(settings: Mapping[str, str], tmp_path: Path) -> None:
    env = {**settings, "QUICK_DATA_DIR": str(tmp_path)}
    trained: UUID | None = None
    for trick in ("fetch", "roll over"):
        with ProjectionRunner(
            application_class=DogSchool, projection_class=TricksProjection, view_class=Tricks, env=env
        ) as runner:
            trained = trained or runner.app.register_dog("Fido")
            runner.app.add_trick(trained, trick)
            runner.wait(runner.app.recorder.max_notification_id(), timeout=60)
            tricks = runner.view.of(trained)
    assert ["fetch", "roll over"] == tricks


def test_a_view_without_a_folder_of_its_own_lives_as_long_as_it_is_used(
    settings: Mapping[str, str], temporary: Path
) -> None:
    # The library's projection runner drops the factory and keeps the view.
    view = InfrastructureFactory[Tricks].construct(Environment("tricks", dict(settings))).tracking_recorder(Tricks)
    gc.collect()
    assert 1 == len(contents(temporary))
    view.add(UUID(int=1), "roll over", Tracking("school", 1))
    assert ["roll over"] == view.of(UUID(int=1))
    del view
    assert [] == contents(temporary)


def test_a_view_makes_no_topic(settings: Mapping[str, str], kafka: str, topic_name: str) -> None:
    factory = KafkaFactory(Environment("tricks", dict(settings)))
    factory.tracking_recorder(Tricks)
    factory.close()
    assert KafkaAdmin(kafka).describe(topic_name) is None


def test_views_of_one_environment_keep_apart(settings: Mapping[str, str], tmp_path: Path) -> None:
    env = {**settings, "QUICK_DATA_DIR": str(tmp_path)}
    factories = [KafkaFactory(Environment(name, env)) for name in ("tricks", "dogs")]
    tricks, dogs = (factory.tracking_recorder() for factory in factories)
    tricks.insert_tracking(Tracking("school", 1))
    assert dogs.max_tracking_id("school") is None
    for factory in factories:
        factory.close()


# Errors that name the way out.


@pytest.mark.parametrize("missing", [{}, {"QUICK_KAFKA_BOOTSTRAP_SERVER": ""}])
def test_brokers_have_to_be_named(missing: dict[str, str]) -> None:
    with pytest.raises(InfrastructureFactoryError, match=r"QUICK_KAFKA_BOOTSTRAP_SERVER is not set\. Set it to"):
        DogSchool(env={"PERSISTENCE_MODULE": "core.recorder", **missing})


def test_ids_are_uuids_or_text(new_school: NewSchool) -> None:
    with pytest.raises(InfrastructureFactoryError, match="ORIGINATOR_ID_TYPE='number' must be 'uuid' or 'text'"):
        new_school(ORIGINATOR_ID_TYPE="number")


@pytest.mark.parametrize("factor", ["three", "0", "-1", "1.5"])
def test_the_number_of_replicas_is_a_whole_number(new_school: NewSchool, factor: str) -> None:
    with pytest.raises(
        InfrastructureFactoryError, match=f"REPLICATION_FACTOR='{factor}' must be a whole number, 1 or more"
    ):
        new_school(QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR=factor)


def test_more_replicas_than_brokers_are_refused_by_kafka(new_school: NewSchool, topic_name: str) -> None:
    with pytest.raises(KafkaRefusedError, match=f"to create topic {topic_name}: .*replication factor"):
        new_school(QUICK_KAFKA_INTERNAL_REPLICATION_FACTOR="1000")


def test_a_broker_that_does_not_answer_is_named(
    new_school: NewSchool, topic_name: str, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_admin, "REQUEST_TIMEOUT_S", 0.2)
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(KafkaUnavailableError, match=f"Cannot open the log {topic_name} on {nobody}: .*did not answer"):
        new_school(QUICK_KAFKA_BOOTSTRAP_SERVER=nobody)


@pytest.mark.parametrize("name", ["no topic name", "../elsewhere"])
def test_a_name_that_kafka_refuses_makes_no_folder(new_school: NewSchool, name: str, tmp_path: Path) -> None:
    with pytest.raises(KafkaRefusedError, match="topic"):
        new_school(QUICK_LOG_TOPIC=name, QUICK_DATA_DIR=str(tmp_path / "data"))
    assert [] == contents(tmp_path)


def test_a_view_must_keep_its_tracking_beside_its_rows(settings: Mapping[str, str]) -> None:
    factory = KafkaFactory(Environment("tricks", dict(settings)))
    with pytest.raises(InfrastructureFactoryError, match=r"POPOTrackingRecorder.* cannot be used: derive it from"):
        factory.tracking_recorder(POPOTrackingRecorder)
    with pytest.raises(
        InfrastructureFactoryError, match=r"derive it from core\.local_recorders\.LocalTrackingRecorder"
    ):
        factory.tracking_recorder(TrackingRecorder)
    factory.close()


def test_a_configured_recorder_must_be_one_of_ours(new_school: NewSchool) -> None:
    with pytest.raises(
        InfrastructureFactoryError, match=r"derive it from core\.log_recorders\.KafkaApplicationRecorder"
    ):
        new_school(APPLICATION_RECORDER_TOPIC="eventsourcing.popo:POPOApplicationRecorder")


def test_a_closed_application_makes_no_new_recorders(new_school: NewSchool, temporary: Path) -> None:
    school = new_school()
    school.close()
    with pytest.raises(InfrastructureFactoryError, match="The application DogSchool is closed"):
        factory_of(school).application_recorder()
    with pytest.raises(InfrastructureFactoryError, match="The application DogSchool is closed"):
        factory_of(school).tracking_recorder()
    assert [] == contents(temporary)
