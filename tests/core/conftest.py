"""What tests of the log on a real broker need: somebody who writes to its topic by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.kafka_writer import OutRecord, RecordWriter
from core.log_topic import LogTopic


@pytest.fixture(scope="module")
def writer(kafka: str) -> Iterator[RecordWriter]:
    writer = RecordWriter(kafka)
    yield writer
    writer.close()


@pytest.fixture
def put(topic: LogTopic, writer: RecordWriter) -> Callable[..., int]:
    """Write values to the topic by hand; return the offset of the last one."""

    def put(*values: bytes | None) -> int:
        return writer.write(topic.name, [OutRecord(None, value) for value in values]).result(10)[-1].offset

    return put
