"""A command log of its own for each test, and patience."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands.decisions import Caller, Commands
from core.kafka_admin import KafkaAdmin
from core.settings import Settings
from tests.patience import be_patient

NewCaller = Callable[..., Caller]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    return Settings(kafka=kafka, data_dir=tmp_path, api_key="k", log_topic=f"log-{uuid.uuid4().hex}")


@pytest.fixture
def commands(settings: Settings) -> Iterator[Commands]:
    with Commands(settings) as commands:
        yield commands


@pytest.fixture
def admin(kafka: str) -> KafkaAdmin:
    return KafkaAdmin(kafka)


@pytest.fixture
def caller() -> NewCaller:
    """Return a caller with a fresh command id, or with the one that is given."""

    def new_caller(command_id: str | None = None) -> Caller:
        return Caller("default", command_id or str(uuid.uuid4()), "me@here", "because")

    return new_caller
