"""`make soak`: minutes of random writes, kills, reads and comparisons; what a short test meets by luck only.

Not collected with the other tests: its name does not begin with `test_`.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from confluent_kafka import Producer
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.mirror_traffic import IMPATIENT, Reader, Target, Writer, kill, kill_while_folding, settled
from tests.projections.test_mirror_model import PHASES, TIMEOUT_S, MirrorMachine
from tests.running import Running, until, web_workers

SOAK_S = float(os.environ.get("QUICK_SOAK_S", "180"))

KILLS = 10
"""Kills between two comparisons."""

RECORDS = 20_000
"""Records between two kills."""

MOST_GROWTH_MB = 100.0
"""What the processes may take more than after the first comparison, without mapped files."""

MOST_STORE_MB = 64.0
"""What the mirror's file may be: its content is less than 1 MB, and pages that are free are used again."""

EXAMPLES, STEPS = 150, 25


def say(text: str) -> None:
    print(f"\n{text}", end="", flush=True)  # noqa: T201 - a soak tells how it goes


def test_a_mirror_stays_right_and_small_whatever_is_killed(
    new_running: Callable[..., Running], topic_name: str
) -> None:
    seed = random.randrange(2**32)
    say(f"seed {seed}")
    running, chance = new_running(program=IMPATIENT), random.Random(seed)
    running.start()
    target = Target(running, topic_name)
    writer = Writer(running.kafka, topic_name, random.Random(seed + 1))
    readers = [
        Reader(running, topic_name, writer, random.Random(seed + number), may_be_cut_off=True) for number in (2, 3)
    ]
    for thread in (writer, *readers):
        thread.start()
    deadline, first_mb = time.monotonic() + SOAK_S, 0.0
    while not first_mb or time.monotonic() < deadline:
        for _ in range(KILLS):
            if chance.random() < 0.2:
                kill(chance.choice(web_workers(running)))
            kill_while_folding(target, writer, RECORDS, chance)
        until(settled(target, writer))
        assert [] == [failure for reader in readers for failure in reader.failures]
        assert writer.content == target.content()
        until(lambda: len(web_workers(running)) == 2)
        memory_mb, store_mb = unmapped_mb(running), target.store.stat().st_blocks * 512 / 2**20
        first_mb = first_mb or memory_mb
        answers, cut_off = sum(reader.answers for reader in readers), sum(reader.cut_off for reader in readers)
        say(
            f"{writer.written:,} records, {answers:,} answers, {cut_off} cut off, {memory_mb:.0f} MB, {store_mb:.1f} MB"
        )
        assert memory_mb < first_mb + MOST_GROWTH_MB
        assert store_mb < MOST_STORE_MB
    writer.stop()
    for reader in readers:
        reader.stop()
    target.close()
    running.stop()


def test_many_examples_of_the_model(kafka: str, topic_name: str, tmp_path: Path) -> None:
    transactions = Producer({"bootstrap.servers": kafka, "transactional.id": topic_name, "log_level": 2})
    transactions.init_transactions(TIMEOUT_S)
    run_state_machine_as_test(
        lambda: MirrorMachine(kafka, tmp_path, transactions),
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, phases=PHASES),
    )


def unmapped_mb(running: Running) -> float:
    """Return the memory of all processes that is no mapped file; what they share counts once."""
    assert running.process is not None
    up = psutil.Process(running.process.pid)
    texts = [Path(f"/proc/{process.pid}/smaps_rollup").read_text() for process in (up, *up.children(recursive=True))]
    return sum(int(found) for text in texts for found in re.findall(r"Pss_(?:Anon|Shmem):\s+(\d+) kB", text)) / 1024
