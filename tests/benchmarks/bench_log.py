"""A log of 100,000 commands: how soon a process has it, with an index and from nothing, and what it costs to look back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil

from core.aggregates import aggregate_id
from core.command_log import CommandLog
from core.event_mapper import EventMapper
from core.gateways import GatewayCreated, GatewayDeleted, GatewaySchemaApplied
from core.kafka_writer import OutRecord, RecordWriter, Written
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, ExpectedHead, RecordedEvent, encode, now

COMMANDS = 100_000
GATEWAYS = 5_000
SDL = 'type Query {{ find(id: Long): String @topic(name: "t{}", keyArgument: "id") }}'


def fill(bootstrap: str) -> LogTopic:
    """Return a log topic with gateways that were created, changed many times and deleted."""
    topic = LogTopic(bootstrap, f"bench-{uuid.uuid4().hex[:8]}")
    topic.ensure()
    writer = RecordWriter(bootstrap, linger_ms=20, delivery_timeout_s=60)
    mapper = EventMapper()
    written: Future[list[Written]] | None = None
    for start in range(0, COMMANDS, 10_000):
        batch = [OutRecord(None, encode(_command(mapper, number))) for number in range(start, start + 10_000)]
        written = writer.write(topic.name, batch)
    assert written is not None
    written.result(120)
    writer.close()
    return topic


def _command(mapper: EventMapper, number: int) -> CommandRecord:
    name, version = f"gateway-{number % GATEWAYS}", number // GATEWAYS + 1
    facts = {"originator_id": aggregate_id("gateway", name), "originator_version": version, "name": name}
    event: GatewayCreated | GatewaySchemaApplied | GatewayDeleted
    if version == 1:
        event = GatewayCreated(**facts, replicas=1, tag=None, sdl="")  # type: ignore[arg-type]
    else:
        event = GatewaySchemaApplied(**facts, sdl=SDL.format(version))  # type: ignore[arg-type]
    stored = mapper.to_stored_event(event)
    recorded = RecordedEvent(str(stored.originator_id), version, stored.topic, stored.state.decode())
    return CommandRecord(
        format=FORMAT,
        application="quick",
        command_id=str(uuid.uuid4()),
        command="apply_schema",
        target=f"gateway/{name}",
        actor="default",
        source="bench@here",
        issued_at=now(),
        expected=(ExpectedHead(recorded.originator_id, version - 1 or None),),
        events=(recorded,),
    )


def opened(topic: LogTopic, folder: Path) -> tuple[float, CommandLog]:
    began = time.perf_counter()
    log = CommandLog(topic, folder)
    return time.perf_counter() - began, log


if __name__ == "__main__":
    import sys, tempfile
    from cli.local_kafka import LocalKafka

    with tempfile.TemporaryDirectory() as name, LocalKafka(Path(name)) as kafka:
        t = time.perf_counter()
        topic = fill(kafka.bootstrap)
        print("fill", time.perf_counter() - t)
        took, log = opened(topic, Path(name) / "idx")
        print("from nothing", took, log.index.max_notification_id())
        log.close()
        took, log = opened(topic, Path(name) / "idx")
        print("with index", took)
        from projections.past import past_registries

        for pos in (50_000, 100_000):
            t = time.perf_counter()
            past_registries(log.index, [pos])
            print("as of", pos, time.perf_counter() - t)
        from projections.registry import RegistryProjection
        from projections.registry_folder import RegistryFolder

        t = time.perf_counter()
        RegistryFolder(log.index, RegistryProjection(Path(name) / "reg")).fold_to(100_000)
        print("registry fold", time.perf_counter() - t)
        t = time.perf_counter()
        log.index.position_at(0)
        print("position_at", time.perf_counter() - t)
        t = time.perf_counter()
        log.index.commands(limit=100_000)
        print("commands", time.perf_counter() - t)
        print(psutil.Process().memory_info().rss / 2**20)
        import re

        print(re.search(r"RssAnon:.*", Path("/proc/self/status").read_text())[0])
        log.close()
