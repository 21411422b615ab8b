from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import KafkaRefusedError, TooLargeError
from core.kafka_batches import KAFKAS_LIMIT_BYTES
from core.kafka_reader import watermarks
from core.kafka_transactions import Transactions
from core.kafka_writer import OutRecord, RecordWriter, Written
from tests.ingesting import content
from tests.running import until
from tests.serving import made_topic


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no transaction fail because the machine is busy."""
    monkeypatch.setattr("core.kafka_transactions.CALL_TIMEOUT_S", 60)
    monkeypatch.setattr("core.kafka_transactions.TRANSACTION_TIMEOUT_S", 120)


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    return made_topic(kafka, topic_name, message_timestamp_after_max_ms="3600000")


@pytest.fixture
def transactions(kafka: str, tmp_path: Path) -> Iterator[Transactions]:
    transactions = Transactions(kafka, tmp_path, f"test-{tmp_path.name}")
    yield transactions
    transactions.close()


def values(kafka: str, topic: str, *, waits: bool = True) -> list[bytes | None]:
    return [record.value() for record in content(kafka, topic, waits=waits)]


def numbered(count: int) -> list[OutRecord]:
    return [OutRecord(b"k", b"%d" % number) for number in range(count)]


def test_what_is_committed_shows_at_once_and_in_order(transactions: Transactions, kafka: str, topic: str) -> None:
    transaction = transactions.begin(topic, KAFKAS_LIMIT_BYTES)
    transaction.send(numbered(500))
    transaction.send([OutRecord(b"k", None, (("h", b"v"),), 1_700_000_000_000)])
    assert [] == values(kafka, topic, waits=False)
    assert [Written(0, offset) for offset in range(501)] == transaction.commit()
    assert [*(b"%d" % number for number in range(500)), None] == values(kafka, topic)
    assert ([("h", b"v")], 1_700_000_000_000) == (
        content(kafka, topic)[-1].headers(),
        content(kafka, topic)[-1].timestamp()[1],
    )


def test_what_is_aborted_never_shows_and_leaves_the_next_one_alone(
    transactions: Transactions, kafka: str, topic: str
) -> None:
    for number in range(15):
        aborted = transactions.begin(topic, KAFKAS_LIMIT_BYTES)
        aborted.send([OutRecord(b"k", b"aborted")] * 3_000)
        aborted.abort()
        transaction = transactions.begin(topic, KAFKAS_LIMIT_BYTES)
        transaction.send([OutRecord(b"k", b"%d" % number)])
        assert 1 == len(transaction.commit())
    assert [b"%d" % number for number in range(15)] == values(kafka, topic)


def test_a_record_that_kafka_does_not_take_aborts_all(transactions: Transactions, kafka: str, topic: str) -> None:
    refused = [
        (OutRecord(b"k", bytes(2_000_000)), TooLargeError),
        (OutRecord(b"k", b"v", (), 7_000_000_000_000), KafkaRefusedError),
    ]
    for record, error in refused:
        transaction = transactions.begin(topic, KAFKAS_LIMIT_BYTES)
        with pytest.raises(error):
            _sent_and_committed(transaction, [*numbered(100), record, *numbered(100)])
        assert [] == values(kafka, topic)
    transaction = transactions.begin(topic, KAFKAS_LIMIT_BYTES)
    transaction.send(numbered(2))
    assert 2 == len(transaction.commit())


def _sent_and_committed(transaction: object, records: list[OutRecord]) -> None:
    transaction.send(records)  # type: ignore[attr-defined]
    transaction.commit()  # type: ignore[attr-defined]


def test_small_records_fit_the_limit_of_their_topic(transactions: Transactions, kafka: str, topic_name: str) -> None:
    made_topic(kafka, topic_name, max_message_bytes="2000")
    transaction = transactions.begin(topic_name, 2_000)
    transaction.send([OutRecord(b"k", bytes(300))] * 100)
    assert 100 == len(transaction.commit())


def test_a_name_belongs_to_one_at_a_time_and_is_used_again(kafka: str, topic: str, tmp_path: Path) -> None:
    def names_after_a_transaction(*opened: Transactions) -> list[str]:
        for each in opened:
            transaction = each.begin(topic, KAFKAS_LIMIT_BYTES)
            transaction.send(numbered(1))
            transaction.commit()
        return sorted(file.name for file in tmp_path.iterdir())

    first, second = (Transactions(kafka, tmp_path, f"test-{tmp_path.name}") for _ in range(2))
    both = ["transactions.0", "transactions.1"]
    assert both == names_after_a_transaction(first, second, first)
    first.close()
    third = Transactions(kafka, tmp_path, f"test-{tmp_path.name}")
    assert both == names_after_a_transaction(third, second)
    second.close()
    third.close()
    assert [0, 0] == [(tmp_path / name).stat().st_size for name in both]


ABANDONING = """
import sys, time
from pathlib import Path
from core import kafka_transactions
from core.kafka_writer import OutRecord
kafka_transactions.TRANSACTION_TIMEOUT_S = 600
kafka_transactions.CALL_TIMEOUT_S = 60
kafka, folder, prefix, topic = sys.argv[1:]
transaction = kafka_transactions.Transactions(kafka, Path(folder), prefix).begin(topic, 1_000_000)
transaction.send([OutRecord(b"k", b"abandoned")])
assert transaction._producer.flush(60) == 0
print("sent", flush=True)
time.sleep(300)
"""


def test_what_a_killed_process_left_open_is_ended_at_once(
    transactions: Transactions, kafka: str, topic: str, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", ABANDONING, kafka, str(tmp_path), f"test-{tmp_path.name}", topic]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"sent\n" == process.stdout.readline()
        transactions.end_abandoned()  # It is in use, and left alone.
        process.send_signal(signal.SIGKILL)
    writer = RecordWriter(kafka, delivery_timeout_s=60)
    writer.write(topic, [OutRecord(b"k", b"behind it")]).result(60)
    writer.close()
    assert 0 == watermarks(kafka, topic)[0].high  # Readers of what is committed cannot pass it: for ten minutes.
    transactions.end_abandoned()
    until(lambda: watermarks(kafka, topic)[0].high > 1)
    assert [b"behind it"] == values(kafka, topic)
    assert [0] == [file.stat().st_size for file in tmp_path.iterdir()]
