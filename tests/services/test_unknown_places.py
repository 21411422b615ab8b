"""Records that Kafka has acknowledged without saying where they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.kafka_writer import OutRecord, RecordWriter, Written
from core.position import Position
from core.settings import Settings
from core.types import TopicType, codec_for
from projections.mirror_entries import Winner
from projections.mirrors import MirrorView
from services.ingest.immutable import are_first
from services.ingest.topics import IngestTopics
from services.ingest.verdicts import WrittenVerdict, written
from services.ingest.writes import Writes
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker
from tests.serving import made_topic

RECORDS = [OutRecord(b"%d" % number, b"") for number in range(20)]
TEXTS = codec_for(TopicType.STRING)


@pytest.fixture
def access(kafka: str, topic_name: str) -> TopicAccess:
    return TopicAccess(made_topic(kafka, topic_name, 2), "id", TEXTS, TEXTS, 2, None)


@pytest.fixture
def writes(kafka: str, tmp_path: Path) -> Writes:
    async def in_thread(work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(work)

    settings = Settings.from_env(
        {"QUICK_KAFKA_BOOTSTRAP_SERVER": kafka, "QUICK_DATA_DIR": str(tmp_path), "QUICK_APIKEY": "k"}
    )
    worker = cast("Worker", SimpleNamespace(settings=settings, in_thread=in_thread))
    return Writes(worker, cast("IngestTopics", None), cast("TopicAccesses", None))


def test_the_position_of_such_records_is_the_end_of_their_partitions(
    kafka: str, access: TopicAccess, writes: Writes
) -> None:
    writer = RecordWriter(kafka)
    places = writer.write(access.name, RECORDS).result(60)
    writer.close()
    expected = asyncio.run(writes.position(access, places))
    unplaced = [Written(partition, None) for partition, _ in places]
    assert expected == asyncio.run(writes.position(access, unplaced))
    assert expected is not None
    assert {0, 1} == Position.parse(expected).offsets.keys()


def test_nothing_written_has_no_position(access: TopicAccess, writes: Writes) -> None:
    assert asyncio.run(writes.position(access, [])) is None


def test_the_verdict_on_one_says_that_it_is_written() -> None:
    assert WrittenVerdict(3, 1, None) == written(3, Written(1, None))


def test_nobody_knows_whether_one_is_the_first_of_its_key() -> None:
    mirror = SimpleNamespace(winners=lambda keys: [Winner(0, 5), Winner(0, 5), None, None])
    records = [OutRecord(b"a", b"")] * 4
    places = [Written(0, 5), Written(0, 6), Written(0, 7), Written(0, None)]
    assert [True, False, False, None] == are_first(cast("MirrorView", mirror), records, places)
