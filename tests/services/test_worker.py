"""A worker watches the log that it serves, and records what makes it unsafe."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import StoreError, UnavailableError
from core.log_rows import IndexedCommand
from core.published_registry import registry_topic
from core.settings import Settings
from projections.places import current, view_folder
from projections.registry import RegistryProjection
from projections.status import StatusProjection
from services.worker import Views, Worker
from tests.altering import alter_topic
from tests.running import until


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.log_follower.LOOK_AROUND_S", 0.1)
    monkeypatch.setattr("core.log_follower.CHECK_SETTINGS_S", 0.1)
    monkeypatch.setattr("services.worker.WATCH_S", 0.05)


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    return Settings(kafka=kafka, data_dir=tmp_path / "one", api_key="k", log_topic=f"log-{uuid.uuid4().hex}")


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[list[Worker]]:
    """Return two workers, each on a machine of its own."""
    there = Settings(kafka=settings.kafka, data_dir=tmp_path / "two", api_key="k", log_topic=settings.log_topic)
    started = [Worker(each) for each in (settings, there)]
    for worker in started:
        worker.start()
    until(lambda: all(is_open(worker) for worker in started))
    yield started
    for worker in started:
        worker.stop()


def is_open(worker: Worker) -> bool:
    """Return whether the command log is open; a worker that starts waits for it, but not for ever."""
    try:
        return worker.log is not None
    except UnavailableError:
        return False


def commands(worker: Worker) -> list[IndexedCommand]:
    return worker.log.index.commands(limit=100)[::-1]


def test_settings_that_could_lose_commands_are_noticed_and_recorded_once(
    workers: list[Worker], settings: Settings
) -> None:
    here, there = workers
    alter_topic(settings.kafka, settings.log_topic, "retention.ms", "86400000")
    until(lambda: all(worker.log.index.unsafe() for worker in workers))
    until(lambda: len(commands(here)) == 1)
    until(lambda: all(worker._noted_dangers for worker in workers))  # Else one could record it when it is over.
    alter_topic(settings.kafka, settings.log_topic, "retention.ms", "-1")
    until(lambda: not any(worker.log.index.unsafe() for worker in workers))
    until(lambda: len(commands(here)) == 2)
    unsafe, safe = commands(here)
    assert ("quick", "note_log_safety", "log/safety") == (
        unsafe.record.actor,
        unsafe.record.command,
        unsafe.record.target,
    )
    assert b"retention.ms=86400000" in unsafe.record.events[0].state_bytes()
    assert b'"dangers":[]' in safe.record.events[0].state_bytes()
    until(lambda: commands(here) == commands(there))


def test_a_log_that_is_compacted_takes_no_commands_and_is_named_all_the_same(
    workers: list[Worker], settings: Settings
) -> None:
    """Records without keys are what makes Kafka refuse them then: nothing is lost by compaction."""
    here, _ = workers
    alter_topic(settings.kafka, settings.log_topic, "cleanup.policy", "compact")
    until(lambda: any("cleanup.policy=compact" in danger for danger in here.log.index.unsafe()))
    assert [] == commands(here)


def test_views_that_were_half_made_are_opened_when_the_rest_is_there(settings: Settings) -> None:
    folder, published = view_folder(settings.data_dir, "log"), registry_topic("registry", replication_factor=1)
    RegistryProjection(folder.registry).close()
    with pytest.raises(StoreError, match="status") as refused:
        Views(folder, published)
    StatusProjection(folder.status, "topic ID").close()
    with closing(Views(folder, published)) as views:
        assert 0 == views.registry.position()
    assert refused.value.__traceback__ is not None  # It was kept all the time, with all that its frames hold.


def test_readers_find_the_views_of_a_log_once_all_of_them_are_there(settings: Settings) -> None:
    """A projector that ends half-way has made a registry, and told nobody of it."""
    environment = {
        **os.environ,
        "QUICK_KAFKA_BOOTSTRAP_SERVER": settings.kafka,
        "QUICK_DATA_DIR": str(settings.data_dir),
        "QUICK_APIKEY": "k",
        "QUICK_LOG_TOPIC": settings.log_topic,
        "QUICK_STATUS_TOPIC": "no name of a topic",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "projections.projector"], env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    assert "no name of a topic" in ended.stderr
    assert [] != list(settings.data_dir.glob("views/*/registry/data.mdb"))
    assert current(settings.data_dir) is None
