"""Complete saves through the command log, beside a bare produce-and-flush and the library's own SQLite recorder.

All of them record one event of the same size; a save is appended, read back and known to be accepted.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eventsourcing.persistence import ApplicationRecorder, StoredEvent
from eventsourcing.sqlite import SQLiteFactory
from eventsourcing.utils import Environment

from core.kafka_writer import OutRecord, RecordWriter
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, encode, new_command_id
from core.recorder import KafkaFactory

SAVES = 2_000
ROUNDS = 3
WRITERS = 8
TOPIC = "quick:TopicCreated"
STATE = '{"name":"bench"}'


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table: the best of a few rounds each, since others use the machine too."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    settings = {"QUICK_KAFKA_BOOTSTRAP_SERVER": bootstrap, "QUICK_DATA_DIR": str(folder / "append")}
    kafka = KafkaFactory(Environment(name, settings))
    sqlite = SQLiteFactory(Environment(name, {"SQLITE_DBNAME": str(folder / "append.sqlite")}))
    ours, theirs = kafka.application_recorder(), sqlite.application_recorder()
    raw = one = many = peer = 0.0
    for _ in range(ROUNDS):
        raw = max(raw, _produces(bootstrap, f"{name}-raw"))
        one, many = max(one, _saves(ours, 1)), max(many, _saves(ours, WRITERS))
        peer = max(peer, _saves(theirs, 1))
    kafka.close()
    sqlite.close()
    yield "saves, one writer", f"{one:,.0f}/s", f"produce+flush {raw:,.0f}/s", f"{one / raw:.2f}", "≥ 0.25"
    yield "", "", f"SQLite recorder {peer:,.0f}/s", f"{one / peer:.2f}", ""
    yield f"saves, {WRITERS} writers", f"{many:,.0f}/s", f"one writer {one:,.0f}/s", f"{many / one:.2f}", "≥ 2"


def _saves(recorder: ApplicationRecorder, writers: int) -> float:
    def save(_: int) -> None:
        recorder.insert_events([StoredEvent(uuid.uuid4(), 1, TOPIC, STATE.encode())])

    with ThreadPoolExecutor(writers) as threads:
        return _rate(lambda: list(threads.map(save, range(SAVES))))


def _produces(bootstrap: str, topic: str) -> float:
    """Return acknowledged records a second of a bare producer, one after the other, to a topic like the log's."""
    LogTopic(bootstrap, topic).ensure()
    event = RecordedEvent(str(uuid.uuid4()), 1, TOPIC, STATE)
    record = CommandRecord(format=FORMAT, application="bench", command_id=new_command_id(), events=(event,))
    records = [OutRecord(None, encode(record))]
    writer = RecordWriter(bootstrap)
    writer.write(topic, records).result(10)

    def produce() -> None:
        for _ in range(SAVES):
            writer.write(topic, records).result(10)

    rate = _rate(produce)
    writer.close()
    return rate


def _rate(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return SAVES / (time.perf_counter() - began)
