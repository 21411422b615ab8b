"""How soon a record that Kafka has acknowledged can be read in its mirror."""

from __future__ import annotations

import struct
import time
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer
from serving import client, serving

from core.kafka import client_config
from core.kafka_admin import KafkaAdmin
from projections.mirrors import MirrorView
from projections.places import current

WARM_UP_S, SECONDS = 2.0, 15.0
RATES = (1_000, 50_000)
KEYS = 200_000
VALUE = bytes(80)
SAMPLES_PER_S = 1_000
"""Records whose acknowledgement is looked at."""

LOOK_EVERY_S = 0.0005
TIMEOUT_S = 60.0


def measure(bootstrap: str, folder: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield rows of the table."""
    folder = folder / f"visibility-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    topic = f"bench-visible-{uuid.uuid4().hex[:8]}"
    with serving(bootstrap, folder, workers=1) as (port, _):
        with client(port) as http:
            params = {"keyType": "long", "valueType": "string"}
            http.post(f"/manager/topic/{topic}", params=params, json={}).raise_for_status()
        mirror = _mirror(bootstrap, topic, folder / "data")
        Pace(bootstrap, topic, mirror, RATES[0]).delays_ms(WARM_UP_S)
        delays = [sorted(Pace(bootstrap, topic, mirror, rate).delays_ms(SECONDS)) for rate in RATES]
        mirror.close()
    for rate, found, wanted in zip(RATES, delays, ("p99 < 20 ms", "all < 1,000 ms"), strict=True):
        median, p99, last = found[len(found) // 2], found[int(len(found) * 0.99)], found[-1]
        what = f"Kafka's ack → readable, {rate:,} records/s"
        yield what, f"p99 {p99:.1f} ms", f"median {median:.1f} ms, longest {last:.0f} ms", "", wanted


def _mirror(bootstrap: str, topic: str, data: Path) -> MirrorView:
    views, facts = current(data), KafkaAdmin(bootstrap).describe(topic)
    assert views is not None, "the projector runs"
    assert facts is not None, "the topic was created"
    path = views.mirror(facts.topic_id)
    deadline = time.monotonic() + TIMEOUT_S
    while not (path / "data.mdb").exists():
        assert time.monotonic() < deadline, f"there is no mirror of {topic} in time"
        time.sleep(0.01)
    return MirrorView(path)


class Pace:
    """Writes records at a steady rate, and notes when a sample of them was acknowledged and when it could be read."""

    def __init__(self, bootstrap: str, topic: str, mirror: MirrorView, rate: int) -> None:
        settings = client_config(bootstrap, acks="all", linger_ms=1, partitioner="murmur2_random")
        self._producer = Producer(settings)
        self._topic = topic
        self._mirror = mirror
        self._rate = rate
        self._unread: dict[int, deque[tuple[int, float]]] = {}
        """By partition: offset and time of the acknowledgement."""
        self._delays: list[float] = []

    def delays_ms(self, seconds: float) -> list[float]:
        """Write for so long; return the delays of the sample."""
        began, written = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            due = int(elapsed * self._rate)
            for number in range(written, due):
                self._produce(number)
            written = max(written, due)
            self._look()
            time.sleep(LOOK_EVERY_S)
        self._producer.flush(TIMEOUT_S)
        deadline = time.monotonic() + TIMEOUT_S
        while any(self._unread.values()):
            assert time.monotonic() < deadline, f"the mirror stands at {self._mirror.offsets()}"
            self._look()
            time.sleep(LOOK_EVERY_S)
        return [1000 * delay for delay in self._delays]

    def _produce(self, number: int) -> None:
        key = struct.pack(">q", number * 7919 % KEYS)
        if number % max(1, self._rate // SAMPLES_PER_S):
            self._producer.produce(self._topic, VALUE, key)
        else:
            self._producer.produce(self._topic, VALUE, key, on_delivery=self._note)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        partition, offset = message.partition(), message.offset()
        assert partition is not None, "acknowledged"
        assert offset is not None, "acknowledged"
        self._unread.setdefault(partition, deque()).append((offset, time.perf_counter()))

    def _look(self) -> None:
        self._producer.poll(0)
        readable, now = self._mirror.offsets(), time.perf_counter()
        for partition, unread in self._unread.items():
            while unread and unread[0][0] < readable[partition]:
                self._delays.append(now - unread.popleft()[1])
