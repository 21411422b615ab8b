"""A log of 100,000 commands: how soon a process has it, what it costs, and what it costs to look back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from processes import anonymous_mb, in_a_process

from core.aggregates import aggregate_id
from core.command_log import CommandLog
from core.event_mapper import EventMapper
from core.gateways import GatewayCreated, GatewaySchemaApplied
from core.kafka_writer import OutRecord, RecordWriter, Written
from core.log_topic import LogTopic
from core.record import FORMAT, CommandRecord, ExpectedHead, RecordedEvent, encode, now
from projections.past import past_registries

COMMANDS = 100_000
GATEWAYS = 5_000
SDL = 'type Query {{ find(id: Long): String @topic(name: "t{}", keyArgument: "id") }}'


def fill(bootstrap: str) -> str:
    """Return the name of a log topic with gateways that were created and changed many times."""
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
    return topic.name


def _command(mapper: EventMapper, number: int) -> CommandRecord:
    name, version = f"gateway-{number % GATEWAYS}", number // GATEWAYS + 1
    facts = {"originator_id": aggregate_id("gateway", name), "originator_version": version, "name": name}
    event: GatewayCreated | GatewaySchemaApplied
    if version == 1:
        event = GatewayCreated(**facts, replicas=1, tag=None, sdl="")
    else:
        event = GatewaySchemaApplied(**facts, sdl=SDL.format(version))
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


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table; each figure is that of a fresh process."""
    topic = fill(bootstrap)
    index = folder / "index"
    nothing = in_a_process(open_log, bootstrap, topic, index)
    present = in_a_process(open_log, bootstrap, topic, index)
    what = f"log of {COMMANDS:,} commands"
    yield f"{what}, from nothing", f"{nothing.took_s:.2f} s", "", "", "< 10 s"
    yield f"{what}, index present", f"{present.took_s:.2f} s", "", "", "< 1 s"
    yield f"{what}, memory", f"{nothing.anonymous_mb:.0f} MB (RssAnon)", "", "", "< 150 MB"
    for position in (COMMANDS // 2, COMMANDS):
        past = in_a_process(look_back, bootstrap, topic, index, position)
        yield f"{what}, as of {position:,}", f"{past.took_s:.2f} s", "", "", "< 2 s"


class Cost(NamedTuple):
    """What a piece of work took, in a process that has done nothing else."""

    took_s: float
    anonymous_mb: float


def open_log(bootstrap: str, topic: str, folder: Path) -> Cost:
    """Open the log as every process does at its start."""
    began = time.perf_counter()
    log = CommandLog(LogTopic(bootstrap, topic), folder)
    took_s = time.perf_counter() - began
    cost = Cost(took_s, anonymous_mb())
    log.close()
    return cost


def look_back(bootstrap: str, topic: str, folder: Path, position: int) -> Cost:
    """Fold the registry as it was at *position*."""
    log = CommandLog(LogTopic(bootstrap, topic), folder)
    began = time.perf_counter()
    past_registries(log.index, [position])
    took_s = time.perf_counter() - began
    log.close()
    return Cost(took_s, anonymous_mb())
