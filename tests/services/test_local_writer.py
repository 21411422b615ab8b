"""What a thread is told of a write that happens in the event loop; above all, never yes where nobody knows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.errors import KafkaUnavailableError, NotFoundError, QuickError, StandsStillError, UnavailableError
from core.kafka_writer import OutRecord, Written, last_offsets
from core.position import Position
from core.types import TopicType, codec_for
from services import local_writer
from services.gateway.writing import UnknownOutcomeError
from services.ingest.options import Options
from services.ingest.topics import IngestTopic, IngestTopics
from services.ingest.verdicts import KeyExistsError, PartlyWrittenError
from services.ingest.verdicts import written as verdict
from services.ingest.writes import Outcome, Writes
from services.local_writer import LocalWriter
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker

RECORDS = [OutRecord(b"a", b"1"), OutRecord(b"b", None), OutRecord(b"c", b"3")]
TEXTS = codec_for(TopicType.STRING)


class Ingest:
    """The ingest service of one topic, whose outcomes the test decides."""

    def __init__(self) -> None:
        self.access = TopicAccess("t", "id-of-t", TEXTS, TEXTS, 1, None)
        self.outcome: Callable[[], Any] = lambda: Outcome("token", ())
        self.looking_up: Callable[[], Any] = lambda: None
        self.given: list[Sequence[OutRecord]] = []
        self.is_held_up = False
        self.has_begun = threading.Event()
        self.was_cancelled = threading.Event()

    async def topic(self, name: str) -> IngestTopic:
        self.looking_up()
        return IngestTopic(self.access)

    async def write(self, topic: IngestTopic, records: Sequence[OutRecord], options: Options) -> Any:
        self.given.append(records)
        self.has_begun.set()
        try:
            while self.is_held_up:
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.was_cancelled.set()
            raise
        return self.outcome()

    async def refuse_too_large(self, topic: IngestTopic, records: Sequence[OutRecord]) -> None:
        pass

    async def position(self, access: TopicAccess, places: Sequence[Written]) -> str | None:
        return (
            Position(access.topic_id, last_offsets("nobody is asked", access.name, places)).token() if places else None
        )

    async def write_once(self, topic: IngestTopic, records: Sequence[OutRecord]) -> Any:
        self.given.append(records)
        return self.outcome()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def ingest() -> Ingest:
    return Ingest()


def writer(ingest: Ingest, loop: asyncio.AbstractEventLoop | None, *, timeout_s: float = 30) -> LocalWriter:
    return LocalWriter(
        cast("Worker", SimpleNamespace(loop=loop)),
        cast("TopicAccesses", SimpleNamespace(topic=lambda _: ingest.access)),
        cast("IngestTopics", ingest),
        cast("Writes", ingest),
        timeout_s=timeout_s,
    )


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def test_what_kafka_acknowledged_is_told_with_its_position(ingest: Ingest, loop: asyncio.AbstractEventLoop) -> None:
    port = writer(ingest, loop)

    assert ("token", {}) == port.write(port.target("t"), RECORDS)
    assert [RECORDS] == ingest.given


def test_nothing_is_asked_to_write_nothing(ingest: Ingest, loop: asyncio.AbstractEventLoop) -> None:
    assert (None, {}) == writer(ingest, loop).write(ingest.access, [])
    assert [] == ingest.given


def test_an_answer_that_does_not_come_in_time_is_unknown_and_the_write_is_given_up(
    ingest: Ingest, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(writing: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Any:
        future = asyncio.run_coroutine_threadsafe(writing, loop)
        assert ingest.has_begun.wait(60)  # What has not begun in time is not given up, but never done.
        return future

    monkeypatch.setattr(local_writer, "asyncio", SimpleNamespace(run_coroutine_threadsafe=begun))
    ingest.is_held_up = True
    with pytest.raises(UnknownOutcomeError, match="It is not known whether this was written to topic t"):
        writer(ingest, loop, timeout_s=0.05).write(ingest.access, RECORDS)

    assert ingest.was_cancelled.wait(30)


def test_what_kafka_does_not_acknowledge_is_unknown(ingest: Ingest, loop: asyncio.AbstractEventLoop) -> None:
    ingest.outcome = raising(KafkaUnavailableError("Kafka did not answer."))
    with pytest.raises(UnknownOutcomeError, match="Kafka did not answer"):
        writer(ingest, loop).write(ingest.access, RECORDS)


def test_a_failure_before_the_write_is_no_unknown_outcome(ingest: Ingest, loop: asyncio.AbstractEventLoop) -> None:
    ingest.looking_up = raising(KafkaUnavailableError("The limit cannot be looked up."))
    with pytest.raises(KafkaUnavailableError, match="The limit cannot be looked up"):
        writer(ingest, loop).write(ingest.access, RECORDS)
    assert [] == ingest.given


def test_records_that_were_made_for_an_earlier_declaration_are_not_written(
    ingest: Ingest, loop: asyncio.AbstractEventLoop
) -> None:
    port = writer(ingest, loop)
    target = port.target("t")
    ingest.access = TopicAccess("t", "id-of-t", TEXTS, codec_for(TopicType.LONG), 1, None)

    with pytest.raises(UnavailableError, match=r"Topic t was just declared anew\. Nothing was written"):
        port.write(target, RECORDS)
    assert [] == ingest.given


def test_a_process_that_serves_nothing_yet_writes_nothing(ingest: Ingest) -> None:
    with pytest.raises(UnavailableError, match="Nothing was written"):
        writer(ingest, None).write(ingest.access, RECORDS)


def test_of_a_batch_that_is_written_in_part_each_record_is_told(
    ingest: Ingest, loop: asyncio.AbstractEventLoop
) -> None:
    cause = KafkaUnavailableError("Kafka did not answer.")
    outcomes = [Written(0, 5), cause, Written(1, 2)]
    verdicts = [verdict(index, outcome) for index, outcome in enumerate(outcomes)]
    ingest.outcome = raising(PartlyWrittenError(cause, 2, 3, verdicts))
    outcome = writer(ingest, loop).write(ingest.access, RECORDS)

    assert Position("id-of-t", {0: 5, 1: 2}).token() == outcome.position
    assert {1: UnknownOutcomeError} == {index: type(error) for index, error in outcome.errors.items()}


def test_of_an_immutable_topic_each_record_is_told(ingest: Ingest, loop: asyncio.AbstractEventLoop) -> None:
    ingest.access = TopicAccess("t", "id-of-t", TEXTS, TEXTS, 1, None, is_immutable=True)
    outcomes: list[Written | QuickError] = [KeyExistsError("a"), Written(0, 3), KafkaUnavailableError("No answer.")]
    ingest.outcome = lambda: outcomes
    outcome = writer(ingest, loop).write(ingest.access, RECORDS)

    assert Position("id-of-t", {0: 3}).token() == outcome.position
    assert {0: KeyExistsError, 2: UnknownOutcomeError} == {n: type(error) for n, error in outcome.errors.items()}


def test_of_records_none_of_which_is_written_no_position_is_told(
    ingest: Ingest, loop: asyncio.AbstractEventLoop
) -> None:
    ingest.access = TopicAccess("t", "id-of-t", TEXTS, TEXTS, 1, None, is_immutable=True)
    ingest.outcome = lambda: [KeyExistsError(key) for key in "abc"]

    assert writer(ingest, loop).write(ingest.access, RECORDS).position is None


def test_an_unsafe_immutable_topic_is_not_written(ingest: Ingest, loop: asyncio.AbstractEventLoop) -> None:
    ingest.access = TopicAccess("t", "id-of-t", TEXTS, TEXTS, 1, None, is_immutable=True, dangers=("Mend it.",))
    with pytest.raises(StandsStillError, match="Mend it"):
        writer(ingest, loop).write(ingest.access, RECORDS)
    assert [] == ingest.given


@pytest.mark.parametrize("error", [NotFoundError("gone"), UnavailableError("away")])
def test_other_errors_come_as_they_are(ingest: Ingest, loop: asyncio.AbstractEventLoop, error: QuickError) -> None:
    ingest.outcome = raising(error)
    with pytest.raises(type(error), match=str(error)):
        writer(ingest, loop).write(ingest.access, RECORDS)
