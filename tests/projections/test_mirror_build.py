"""A copy is built to its end though the consumer falls silent, as librdkafka's may."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from core.kafka_admin import KafkaAdmin
from core.kafka_reader import TopicsConsumer
from core.kafka_writer import OutRecord, RecordWriter
from core.settings import Settings
from core.types import TopicType
from projections.mirror_build import BuildOrder, MirrorBuild
from projections.mirror_entries import Kept
from projections.mirror_indexing import Values
from projections.mirrors import MirrorView
from projections.registry import RegistryProjection
from tests.serving import served_ends


def test_a_consumer_that_falls_silent_is_replaced(
    kafka: str, topic_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[TopicsConsumer] = []

    def make(*arguments: Any, **more: Any) -> TopicsConsumer:
        consumer = TopicsConsumer(*arguments, **more)
        made.append(consumer)
        if len(made) == 1:
            monkeypatch.setattr(consumer, "assign", lambda _: None)  # The broker is fine, and nothing comes.
        else:
            monkeypatch.setattr("projections.mirror_build.SILENCE_S", 60.0)  # It gets the time that it needs.
        return consumer

    monkeypatch.setattr("projections.mirror_build.TopicsConsumer", make)
    monkeypatch.setattr("projections.mirror_build.SILENCE_S", 0.1)
    KafkaAdmin(kafka).create_topic(topic_name, partitions=2, replication_factor=1, config={})
    served_ends(kafka, topic_name, 2)
    writer = RecordWriter(kafka, delivery_timeout_s=60)
    writer.write(topic_name, [OutRecord(b"a", b"1"), OutRecord(b"b", b"2"), OutRecord(b"a", b"3")]).result(60)
    writer.close()
    RegistryProjection(tmp_path / "registry").close()
    order = BuildOrder(
        topic=topic_name,
        partitions=2,
        path=str(tmp_path / "copy"),
        kept=Kept(),
        values=Values(TopicType.STRING, None),
        registry=str(tmp_path / "registry"),
    )
    settings = Settings(kafka=kafka, data_dir=tmp_path, api_key="k")
    build = MirrorBuild(order, settings, threading.Event())
    build.run()
    build.close()
    assert 2 <= len(made)
    view = MirrorView(tmp_path / "copy")
    with view.moment() as moment:
        assert [b"3", b"2"] == list(moment.values([b"a", b"b"]))
    view.close()
