"""Folds of a mirror, beside raw consume() and Kafka Streams: same topic, same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

from kafka_streams import KafkaStreams
from mirror_topic import FIELD, fill, fold, rate_of_consume
from processes import in_a_process

from core.errors import LocalRuntimeError
from core.kafka_admin import KafkaAdmin
from core.mirrors import MirrorDefinition
from core.topics import WriteType
from projections.mirror_entries import Kept

RECORDS = 1_000_000
KEYS = 200_000
ROUNDS = 3

FIRST_VALUES = Kept(write_type=WriteType.IMMUTABLE)
HISTORY = Kept(definition=MirrorDefinition(range_field=FIELD))
FOUND = Kept(definition=MirrorDefinition(indexes=(FIELD,)))

MODES = {"memory": "in memory, no changelog", "logged": "default store, logged", "range": "two logged stores"}


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table: the median of a few rounds each."""
    topic = fill(bootstrap, RECORDS, KEYS)
    runs: dict[str, Callable[[], float]] = {
        "consume": lambda: in_a_process(rate_of_consume, bootstrap, topic, RECORDS),
        "last": lambda: in_a_process(rate_of_fold, bootstrap, topic, folder, Kept()),
        "first": lambda: in_a_process(rate_of_fold, bootstrap, topic, folder, FIRST_VALUES),
        "history": lambda: in_a_process(rate_of_fold, bootstrap, topic, folder, HISTORY),
        "found": lambda: in_a_process(rate_of_fold, bootstrap, topic, folder, FOUND),
    }
    try:
        streams = KafkaStreams(bootstrap, folder)
    except LocalRuntimeError as error:
        print(f"Kafka Streams is not measured: {error}")  # noqa: T201 - for who runs the benchmarks
    else:
        runs |= {mode: lambda mode=mode: streams.rate(topic, RECORDS, mode) for mode in MODES}  # type: ignore[misc]
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            rates[name].append(run())
    KafkaAdmin(bootstrap).delete_topic(topic)
    yield from rows({name: statistics.median(found) for name, found in rates.items()})


def rows(rates: dict[str, float]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    consumed = rates["consume"]
    for what, ours in (("mirror fold, 1 M records", rates["last"]), ("the same, immutable", rates["first"])):
        beside = f"consume() {consumed:,.0f}/s"
        yield what, f"{ours:,.0f}/s", beside, f"{ours / consumed:.2f}", "≥ 0.40, ≥ 350,000/s"
    with_index, ratio = f"{rates['found']:,.0f}/s", f"{rates['found'] / rates['last']:.2f}"
    yield "mirror fold with one secondary index", with_index, f"without {rates['last']:,.0f}/s", ratio, ""
    pairs = (("last", "memory", "≥ 1.1"), ("last", "logged", "≥ 2.5"), ("history", "range", "≥ 1.2"))
    for ours_name, mode, wanted in pairs:
        if mode not in rates:
            continue
        ours, theirs = rates[ours_name], rates[mode]
        what = "mirror fold" if ours_name == "last" else "mirror fold with one range index"
        yield what, f"{ours:,.0f}/s", f"Streams, {MODES[mode]} {theirs:,.0f}/s", f"{ours / theirs:.2f}", wanted


def rate_of_fold(bootstrap: str, topic: str, folder: Path, kept: Kept) -> float:
    """Return records a second into a mirror."""
    return fold(bootstrap, topic, RECORDS, folder, kept).rate
