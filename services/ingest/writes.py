"""How records of a request are written: checked against the topic's limits, handed to Kafka, and told about.

An answer says that a record is written only when Kafka has acknowledged it. Of an immutable topic it says so only when
the mirror has passed the record and found it to be the first of its key.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, Self

from core.errors import (
    BusyError,
    InvalidInputError,
    KafkaUnavailableError,
    QuickError,
    StandsStillError,
    TooLargeError,
    ViewBehindError,
)
from core.kafka_batches import Batch
from core.kafka_transactions import Transaction, Transactions
from core.kafka_writer import OutRecord, Written, last_offsets
from core.position import Position
from projections.mirrors import MirrorView
from services.ingest.immutable import are_first, existing_in, repeated_in, shown_key
from services.ingest.options import Options
from services.ingest.topics import IngestTopic, IngestTopics
from services.ingest.verdicts import (
    ExistingKeysError,
    KeyExistsError,
    PartlyWrittenError,
    TooLargeRecordsError,
    ValidVerdict,
    Verdict,
    refused,
    written,
)
from services.ingest.writing import Acknowledgements
from services.topic_access import TopicAccess, TopicAccesses
from services.worker import Worker

logger = logging.getLogger(__name__)

MIRROR_TIMEOUT_S: Final = 5.0
"""Longest wait until the mirror of an immutable topic has passed what was written to it."""

WAITING_TRANSACTIONS: Final = 64
"""Most requests that wait for their turn to write a transaction."""

TURN_TIMEOUT_S: Final = 10.0
"""Longest wait for that turn: a few transactions that Kafka does not answer must not hold up all that come after."""

_NOT_ATOMIC: Final = (
    "A batch for an immutable topic cannot be atomic: which record of a key is the first shows only when all are"
    " written. Leave out atomic=true."
)


class Outcome(NamedTuple):
    """What is told of a request all of whose records are written, or would be."""

    position: str | None
    """`None` when nothing was written."""
    verdicts: Sequence[Verdict]
    """One for each record, where they were asked for."""


class Writes:
    """All writes of a worker. To be used in its event loop."""

    def __init__(self, worker: Worker, topics: IngestTopics, accesses: TopicAccesses) -> None:
        self._worker = worker
        self._topics = topics
        self._accesses = accesses
        self._acknowledgements: Acknowledgements | None = None
        self._transactions = Transactions(
            worker.settings.kafka, worker.settings.data_dir / "ingest", f"quick-ingest-{worker.settings.machine_name()}"
        )
        self._transaction_lock = asyncio.Lock()
        self._waiting_transactions = 0

    def end_abandoned(self) -> None:
        """End the transactions of workers that were killed: mirrors cannot pass them."""
        try:
            self._transactions.end_abandoned()
        except QuickError as error:
            logger.warning("transactions of killed workers are left to Kafka, which ends them soon: %s", error)

    def close(self) -> None:
        """Deliver what is queued, and end what is open."""
        if self._acknowledgements is not None:
            self._acknowledgements.close()
        self._transactions.close()

    async def write(self, topic: IngestTopic, records: Sequence[OutRecord], options: Options) -> Outcome:
        """Write *records* in order, and return once Kafka has acknowledged all of them.

        Raises:
            TooLargeRecordsError: Some are larger than the topic takes; none was written.
            ExistingKeysError: The topic is immutable and has some of the keys; the others are written.
            PartlyWrittenError: Kafka has acknowledged some of them only.
            KafkaUnavailableError: None was acknowledged; any of them may be in the topic.
            BusyError: Too much is at work.
        """
        refuse_unsafe(topic)
        await self.refuse_too_large(topic, records)
        if topic.access.is_immutable:
            return await self._write_new_keys(topic, records, options)
        if options.is_dry_run:
            return Outcome(None, _valid(records) if options.wants_verdicts else ())
        if not records:
            return Outcome(None, ())
        if options.is_atomic:
            return await self._write_atomically(topic, records, options)
        batch = await self._send_again_if_limited(topic, records, wants_each=options.wants_verdicts)
        return Outcome(await self._token(topic, batch), _placed(batch) if options.wants_verdicts else ())

    async def sent(self, topic: IngestTopic, sent: asyncio.Future[Batch]) -> Outcome | None:
        """Return what became of records that somebody has sent.

        Returns:
            `None` where Kafka has taken none, because the topic takes less at once now: they can be written anew.

        Raises:
            PartlyWrittenError: Kafka has acknowledged some of them only.
            KafkaUnavailableError: None was acknowledged; any of them may be in the topic.
        """
        batch = await sent
        if isinstance(batch.error, TooLargeError):
            await self._topics.look_up_limit(topic)
            if not batch.acknowledged:
                return None
        _refuse_unacknowledged(batch)
        return Outcome(await self._token(topic, batch), ())

    def send(self, topic: IngestTopic, records: Sequence[OutRecord], *, wants_each: bool) -> asyncio.Future[Batch]:
        """Hand *records*, at least one, to Kafka; the future holds what becomes of them.

        It fails with KafkaUnavailableError when that does not show in time.
        """
        if self._acknowledgements is None:
            self._acknowledgements = Acknowledgements(self._worker.settings.kafka)
        limit_bytes = topic.limit_bytes
        assert limit_bytes is not None, "looked up with the topic"
        return self._acknowledgements.send(topic.access.name, records, limit_bytes=limit_bytes, wants_each=wants_each)

    async def look_up_limit(self, topic: IngestTopic) -> None:
        """Ask Kafka what a topic takes at once: it has refused what should have been small enough."""
        await self._topics.look_up_limit(topic)

    async def _send_again_if_limited(
        self, topic: IngestTopic, records: Sequence[OutRecord], *, wants_each: bool
    ) -> Batch:
        """Send *records*, and once more in smaller requests when none was taken because the topic's limit was lowered.

        Raises:
            TooLargeRecordsError: Some are larger than the topic takes now; none was written.
            PartlyWrittenError: Some are acknowledged, the others are not.
            QuickError: None is acknowledged.
        """
        limit = topic.limit_bytes
        batch = await self.send(topic, records, wants_each=wants_each)
        if isinstance(batch.error, TooLargeError):
            await self._topics.look_up_limit(topic)
            if not batch.acknowledged and topic.limit_bytes != limit:
                await self.refuse_too_large(topic, records)
                batch = await self.send(topic, records, wants_each=wants_each)
        _refuse_unacknowledged(batch)
        return batch

    async def refuse_too_large(self, topic: IngestTopic, records: Sequence[OutRecord]) -> None:
        """Make sure that the topic takes records of these sizes.

        Raises:
            TooLargeRecordsError: It does not; says which.
        """
        if too_large(records, topic.limit_bytes or 0):
            await self._topics.look_up_limit(topic)  # It may have been raised.
            limit = topic.limit_bytes or 0
            if found := too_large(records, limit):
                raise TooLargeRecordsError(
                    [refused(index, _larger_than(limit, records[index].size())) for index in found], len(records)
                )

    async def transaction(self, topic: IngestTopic) -> OpenTransaction:
        """Wait for the turn to write a transaction, and begin it.

        Raises:
            BusyError: Too many wait already.
            InvalidInputError: The topic is immutable.
        """
        if topic.access.is_immutable:
            raise InvalidInputError(_NOT_ATOMIC)
        if self._waiting_transactions >= WAITING_TRANSACTIONS:
            raise _busy_with_transactions()
        self._waiting_transactions += 1
        try:
            await asyncio.wait_for(self._transaction_lock.acquire(), TURN_TIMEOUT_S)
        except TimeoutError as error:
            raise _busy_with_transactions() from error
        finally:
            self._waiting_transactions -= 1
        return OpenTransaction(self._worker, self._transactions, topic, self._transaction_lock)

    async def _write_atomically(self, topic: IngestTopic, records: Sequence[OutRecord], options: Options) -> Outcome:
        async with await self.transaction(topic) as transaction:
            await transaction.send(records)
            places = await transaction.commit()
        position = await self.position(topic.access, places)
        verdicts = [written(index, place) for index, place in enumerate(places)]
        return Outcome(position, verdicts if options.wants_verdicts else ())

    async def _write_new_keys(self, topic: IngestTopic, records: Sequence[OutRecord], options: Options) -> Outcome:
        """Write to an immutable topic the keys that it does not have yet."""
        if options.is_atomic:
            raise InvalidInputError(_NOT_ATOMIC)
        outcomes = await self.write_once(topic, records, is_dry_run=options.is_dry_run)
        verdicts: list[Verdict] = [written(index, outcome) for index, outcome in enumerate(outcomes)]
        if existing := [outcome.key for outcome in outcomes if isinstance(outcome, KeyExistsError)]:
            raise ExistingKeysError(topic.access.name, existing, verdicts)
        places = [outcome for outcome in outcomes if isinstance(outcome, Written)]
        failed = next((outcome for outcome in outcomes if isinstance(outcome, QuickError)), None)
        if failed is not None:
            raise PartlyWrittenError(failed, len(places), len(records), verdicts) if places else failed
        position = await self.position(topic.access, places)
        return Outcome(position, verdicts if options.wants_verdicts else ())

    async def write_once(
        self, topic: IngestTopic, records: Sequence[OutRecord], *, is_dry_run: bool = False
    ) -> list[Written | QuickError | None]:
        """Write to an immutable topic what it does not have yet, and return what became of each record.

        Returns:
            Its place where it is the first of its key, KeyExistsError where another one is, another error where it
            was not written or that is not known; `None` for a dry run.

        Raises:
            UnavailableError: The mirror is being built.
        """
        mirror = await self._mirror(topic)
        outcomes: list[Written | QuickError | None] = [None] * len(records)
        known = repeated_in(records) | existing_in(mirror, records)
        for index in known:
            outcomes[index] = KeyExistsError(shown_key(topic.access.keys, records[index].key or b""))
        new = [index for index in range(len(records)) if index not in known]
        if not new or is_dry_run:
            return outcomes
        batch = await self.send(topic, [records[index] for index in new], wants_each=True)
        for index, outcome in zip(new, batch.each, strict=True):
            outcomes[index] = outcome or batch.error
        await self._judge(topic, mirror, records, outcomes)
        return outcomes

    async def _judge(
        self,
        topic: IngestTopic,
        mirror: MirrorView,
        records: Sequence[OutRecord],
        outcomes: list[Written | QuickError | None],
    ) -> None:
        """Wait until the mirror has passed what was written, and note which records came too late."""
        places = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Written)}
        try:
            offsets = await self.last_offsets(topic.access, places.values())
            mirror = await self._passed(mirror, Position(topic.access.topic_id, offsets), topic.access)
        except ViewBehindError as error:
            for index in places:
                outcomes[index] = error
            return
        written_records = [records[index] for index in places]
        for index, is_first in zip(places, are_first(mirror, written_records, list(places.values())), strict=True):
            if is_first is None:
                outcomes[index] = _of_unknown_place(topic.access.name)
            elif not is_first:
                outcomes[index] = KeyExistsError(shown_key(topic.access.keys, records[index].key or b""))

    async def _passed(self, mirror: MirrorView, position: Position, access: TopicAccess) -> MirrorView:
        """Wait until the mirror has passed *position*; its records are folded every few milliseconds.

        Returns:
            *mirror*, or the copy that has taken its place meanwhile.
        """
        deadline = time.monotonic() + MIRROR_TIMEOUT_S
        while not mirror.includes(position):
            if time.monotonic() > deadline:
                raise ViewBehindError(
                    f"The records are in topic {access.name}, but its mirror has not reached them, so it is not known"
                    " yet whether they are the first of their keys. Read the keys later; sending the records again"
                    " changes nothing."
                )
            await asyncio.sleep(0.001)
            mirror = self._accesses.ready_mirror(access) or mirror
        return mirror

    async def _mirror(self, topic: IngestTopic) -> MirrorView:
        ready = self._accesses.ready_mirror(topic.access)
        if ready is not None:
            return ready
        return await self._worker.in_thread(lambda: self._accesses.mirror(topic.access))

    async def position(self, access: TopicAccess, places: Collection[Written]) -> str | None:
        """Return a position behind records that were written at *places*, `None` for none."""
        if not places:
            return None
        return Position(access.topic_id, await self.last_offsets(access, places)).token()

    async def last_offsets(self, access: TopicAccess, places: Collection[Written]) -> dict[int, int]:
        """Return up to where records that were written at *places* lie, see `core.kafka_writer.last_offsets`."""
        bootstrap = self._worker.settings.kafka
        if all(place.offset is not None for place in places):
            return last_offsets(bootstrap, access.name, places)
        return await self._worker.in_thread(lambda: last_offsets(bootstrap, access.name, places))

    async def _token(self, topic: IngestTopic, batch: Batch) -> str:
        offsets = batch.offsets
        if not batch.is_placed:
            anywhere = [Written(partition, None) for partition in range(topic.access.partitions)]
            offsets = await self.last_offsets(topic.access, anywhere)
        return Position(topic.access.topic_id, offsets).token()


def _of_unknown_place(topic: str) -> KafkaUnavailableError:
    return KafkaUnavailableError(
        f"The record is in topic {topic}, but Kafka has not said where, so it is not known whether it is the first of"
        " its key. Read the key; sending the record again changes nothing."
    )


class OpenTransaction:
    """A transaction that is this request's to write; leaving its `async with` before `commit` aborts it."""

    def __init__(self, worker: Worker, transactions: Transactions, topic: IngestTopic, turn: asyncio.Lock) -> None:
        self._worker = worker
        self._transactions = transactions
        self._topic = topic
        self._turn = turn
        self._open: Transaction | None = None

    async def __aenter__(self) -> Self:
        """Begin it."""
        try:
            await self._to_its_end(self._begin)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Abort it when it was not committed, and let the next one begin."""
        try:
            if self._open is not None:
                await self._to_its_end(self._open.abort)
        finally:
            self._turn.release()

    async def send(self, records: Sequence[OutRecord]) -> None:
        """Add *records*."""
        transaction = self._begun()
        await self._guarded(lambda: transaction.send(records))

    async def commit(self) -> list[Written]:
        """Make everything visible at once; return where the records are, in order."""
        transaction = self._begun()
        places: list[Written] = []
        await self._guarded(lambda: places.extend(transaction.commit()))
        self._open = None
        return places

    async def _guarded(self, work: Callable[[], None]) -> None:
        try:
            await self._to_its_end(work)
        except QuickError:
            self._open = None  # It ended itself.
            raise

    def _begin(self) -> None:
        self._open = self._transactions.begin(self._topic.access.name, self._topic.limit_bytes or 0)

    async def _to_its_end(self, work: Callable[[], None]) -> None:
        """Run *work* in a thread, and wait for its end also when the request is cancelled.

        The next transaction uses the same producer: what this one would still send would become part of that one.
        """
        running = asyncio.ensure_future(self._worker.in_thread(work))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait((running,))
            running.exception()  # Nobody asks for it any more.
            raise

    def _begun(self) -> Transaction:
        assert self._open is not None, "used inside its `async with`"
        return self._open


def _busy_with_transactions() -> BusyError:
    return BusyError("Too many requests wait to write a transaction. Nothing was written. Send this again soon.")


def refuse_unsafe(topic: IngestTopic) -> None:
    """Refuse to write to a topic whose settings could let a later record win.

    Raises:
        StandsStillError: It is one; says why, and how to mend it.
    """
    if topic.access.dangers:
        raise StandsStillError(f"Nothing is written to topic {topic.access.name}: {' '.join(topic.access.dangers)}")


def _refuse_unacknowledged(batch: Batch) -> None:
    if batch.error is None:
        return
    if not batch.acknowledged:
        raise batch.error
    raise PartlyWrittenError(batch.error, batch.acknowledged, batch.size, _placed(batch))


def too_large(records: Sequence[OutRecord], limit_bytes: int) -> list[int]:
    """Return the indexes of records that a topic with this limit does not take."""
    if not records or (
        max([len(record[1] or b"") + len(record[0] or b"") for record in records]) < limit_bytes // 2
        and not any(record[2] for record in records)
    ):
        return []  # The quick way: sizes and headers are far from what would need to be counted.
    return [index for index, record in enumerate(records) if record.size() > limit_bytes]


def _larger_than(limit_bytes: int, size: int) -> TooLargeError:
    return TooLargeError(
        f"The record takes about {size} bytes, and the topic takes at most {limit_bytes} (max.message.bytes)."
        " Send a smaller one, or raise that setting of the topic."
    )


def _valid(records: Sequence[OutRecord]) -> list[Verdict]:
    return [ValidVerdict(index) for index in range(len(records))]


def _placed(batch: Batch) -> list[Verdict]:
    return [written(index, place or batch.error) for index, place in enumerate(batch.each)]
