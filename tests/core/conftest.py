"""What tests of the log on a real broker need: patience, and somebody who writes to its topic by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.kafka_writer import OutRecord, RecordWriter
from core.log_topic import LogTopic
from tests.patience import be_patient


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture(scope="module")
def writer(kafka: str) -> Iterator[RecordWriter]:
    writer = RecordWriter(kafka, delivery_timeout_s=60)
    yield writer
    writer.close()


@pytest.fixture
def put(topic: LogTopic, writer: RecordWriter) -> Callable[..., int]:
    """Write values to the topic by hand; return the offset of the last one."""

    def put(*values: bytes | None) -> int:
        return writer.write(topic.name, [OutRecord(None, value) for value in values]).result(60)[-1].offset

    return put
