from __future__ import annotations

import pytest

from core.errors import KafkaUnavailableError
from core.kafka_reader import watermarks
from tests.serving import made_topic


def test_a_partition_that_is_not_shown_may_be_shown_later(kafka: str, topic_name: str) -> None:
    made_topic(kafka, topic_name)
    assert [(0, 0)] == [tuple(found) for found in watermarks(kafka, topic_name).values()]
    with pytest.raises(KafkaUnavailableError, match=r"does not show .*\[1\] now"):
        watermarks(kafka, topic_name, 2)
    with pytest.raises(KafkaUnavailableError, match=r"does not show .*-absent\[0\] now"):
        watermarks(kafka, f"{topic_name}-absent")
