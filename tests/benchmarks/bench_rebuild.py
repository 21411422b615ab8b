"""A mirror of 10 M records from nothing: does it keep its rate, and how much memory does it take?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mirror_topic import fill, fold
from processes import anonymous_mb, in_a_process

from core.kafka_admin import KafkaAdmin

RECORDS = 10_000_000
KEYS = 2_000_000
LOOK_EVERY_S = 0.05


class Rebuild(NamedTuple):
    """How a rebuild went."""

    first_half: float
    second_half: float
    most_mb: float
    """The most memory, without mapped files, that the process had."""


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    topic = fill(bootstrap, RECORDS, KEYS)
    result = in_a_process(rebuild, bootstrap, topic, folder)
    KafkaAdmin(bootstrap).delete_topic(topic)
    first, second = result.first_half, result.second_half
    what = f"rebuild of {RECORDS:,} records"
    yield what, f"second half {second:,.0f}/s", f"first half {first:,.0f}/s", f"{second / first:.2f}", "≥ 0.8"
    yield "  memory", f"{result.most_mb:.0f} MB (RssAnon)", "", "", "< 300 MB"


def rebuild(bootstrap: str, topic: str, folder: Path) -> Rebuild:
    """Fold the topic and watch the memory of this process meanwhile."""
    has_ended, seen = threading.Event(), [anonymous_mb()]

    def watch() -> None:
        while not has_ended.wait(LOOK_EVERY_S):
            seen.append(anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    first, second = fold(bootstrap, topic, RECORDS, folder, parts=2).rates
    has_ended.set()
    watcher.join()
    return Rebuild(first, second, max(seen))
