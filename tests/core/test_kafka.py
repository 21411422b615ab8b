from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from core.errors import KafkaRefusedError, KafkaUnavailableError
from core.kafka import translated


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._DESTROY_BROKER,
        KafkaError._FATAL,
        KafkaError._PURGE_INFLIGHT,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.INVALID_PRODUCER_EPOCH,
    ],
)
def test_an_error_that_leaves_the_outcome_open_is_no_refusal(code: int) -> None:
    assert isinstance(translated(KafkaException(KafkaError(code)), "writing"), KafkaUnavailableError)


def test_a_record_that_is_too_large_is_refused() -> None:
    assert isinstance(
        translated(KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)), "writing"), KafkaRefusedError
    )
