"""One complete save through the command log, beside a bare produce-and-flush of a record of the same size."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.command_log import CommandLog
from core.kafka_writer import OutRecord, RecordWriter
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, RecordedEvent, encode, new_command_id

SAVES = 1_000
WRITERS = 8


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    log = CommandLog(LogTopic(bootstrap, f"bench-{uuid.uuid4().hex[:8]}"), folder / "log")
    log.append(_command())
    raw = _rate(bootstrap, log.topic.name)
    one = _saves(log, 1)
    many = _saves(log, WRITERS)
    log.close()
    yield "saves, one writer", f"{one:,.0f}/s", f"produce+flush {raw:,.0f}/s", f"{one / raw:.2f}", "≥ 0.25"
    yield f"saves, {WRITERS} writers", f"{many:,.0f}/s", f"one writer {one:,.0f}/s", f"{many / one:.2f}", "≥ 2"


def _command() -> CommandRecord:
    event = RecordedEvent(uuid.uuid4().hex, 1, "quick:TopicCreated", '{"name":"bench"}')
    return CommandRecord(format=FORMAT, application="bench", command_id=new_command_id(), events=(event,))


def _saves(log: CommandLog, writers: int) -> float:
    with ThreadPoolExecutor(writers) as threads:
        began = time.perf_counter()
        for outcome in threads.map(lambda _: log.append(_command()), range(SAVES)):
            assert outcome is not None
    return SAVES / (time.perf_counter() - began)


def _rate(bootstrap: str, log_topic: str) -> float:
    writer = RecordWriter(bootstrap)
    topic = LogTopic(bootstrap, f"{log_topic}-raw")
    topic.ensure()
    record = [OutRecord(None, encode(_command()))]
    writer.write(topic.name, record).result(10)
    began = time.perf_counter()
    for _ in range(SAVES):
        writer.write(topic.name, record).result(10)
    took = time.perf_counter() - began
    writer.close()
    return SAVES / took
