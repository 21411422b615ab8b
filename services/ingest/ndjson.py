"""Uploads of any length: a record a line in, a verdict a line out, while the upload goes on.

Lines are read, written and forgotten in slices, several of which are on their way to Kafka at once, so memory does not
depend on the length. Reading never waits for the client to read: what it has not taken yet lies in a temporary file.
Many clients read only when they have sent everything, and both sides would wait for each other otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import msgspec
from falcon.asgi import BoundedStream

from core.errors import InvalidInputError, KafkaUnavailableError, QuickError, TooLargeError, UnavailableError
from core.kafka_batches import Batch
from core.kafka_transactions import TRANSACTION_TIMEOUT_S
from core.kafka_writer import OutRecord, Written
from core.position import Position
from services import shutdown
from services.errors import status_of
from services.ingest.budget import Budget
from services.ingest.options import Options
from services.ingest.topics import IngestTopic
from services.ingest.verdicts import (
    RefusedVerdict,
    TooLargeRecordsError,
    ValidVerdict,
    Verdict,
    refused,
    written,
)
from services.ingest.writes import OpenTransaction, Writes, refuse_unsafe

logger = logging.getLogger(__name__)

MAX_LINE_BYTES: Final = 10 * 1024 * 1024
"""Longest line; longer ones are refused and passed."""

SLICE_LINES: Final = 1_000
"""Most lines that are written together."""

SLICES_UNDER_WAY: Final = 4
"""Slices that are on their way to Kafka while the next one is read."""

ATOMIC_UPLOAD_S: Final = TRANSACTION_TIMEOUT_S - 3
"""Longest atomic upload: Kafka would give its transaction up soon after."""

WINDOW_BYTES: Final = 1024 * 1024
"""What an upload is charged for: lines being read and slices under way."""

SPOOL_BYTES: Final = 256 * 1024
"""Verdicts that wait in memory for the client; more of them wait in a file."""

LINGER_S: Final = 2.0
"""How long a worker that is to end waits for the client to stop sending, once it was told the end of its upload."""

LOOK_EVERY_S: Final = 0.5
"""How often an upload whose client sends nothing looks whether the worker is to end."""

_encode = msgspec.json.Encoder().encode


class UploadEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last line of an answer: what became of the upload as a whole. An answer without it was cut off."""

    records: int
    written: int
    refused: int
    position: str | None = None
    detail: str | None = None
    """Why the upload ended before its end, or that nothing of an atomic one was written."""
    code: int | None = None
    """HTTP status that says the same."""


class Upload:
    """One upload."""

    def __init__(
        self, stream: BoundedStream, topic: IngestTopic, writes: Writes, budget: Budget, options: Options
    ) -> None:
        self._stream = stream
        self._topic = topic
        self._writes = writes
        self._share = budget.take(WINDOW_BYTES)
        self._options = options
        self._spool = _Spool()
        self._lines = _Lines()
        self._under_way: deque[_Slice] = deque()
        self._transaction: OpenTransaction | None = None
        self._records = self._written = self._refused = 0
        self._offsets: dict[int, int] = {}

    async def begin(self) -> AsyncIterator[bytes]:
        """Begin to read, and return the verdicts as they come.

        Raises:
            BusyError: Too many write transactions.
            InvalidInputError: The topic does not take an atomic upload.
            StandsStillError: Nothing must be written to the topic now.
        """
        try:
            refuse_unsafe(self._topic)
            if self._options.is_atomic and not self._options.is_dry_run:
                self._transaction = await self._writes.transaction(self._topic)
        except BaseException:
            self._share.__exit__()
            raise
        return self._answer()

    async def _answer(self) -> AsyncIterator[bytes]:
        reading = asyncio.create_task(self._run())
        try:
            while (chunk := await self._spool.take()) is not None:
                yield chunk
            await reading
            if shutdown.is_requested():
                await self._linger()
        finally:
            reading.cancel()
            self._spool.close()
            self._share.__exit__()

    async def _linger(self) -> None:
        """Read on for a while without using it, so that the client can read how its upload ended.

        The connection is closed after this answer. Where something unread lay in it then, TCP would reset it, and with
        that throw away what of the answer is still on its way (RFC 9112 section 9.6).
        """
        with suppress(TimeoutError, InvalidInputError):  # The latter: the client went away, which is what we wait for.
            async with asyncio.timeout(LINGER_S):
                await self._stream.exhaust()

    # Reading and writing.

    async def _run(self) -> None:
        """Take in the whole upload; always ends the answer, with a last line that says how it went."""
        cause: QuickError | None = None
        try:
            if self._transaction is None:
                await self._take_in()
            else:
                async with self._transaction:
                    await self._take_in_soon()
                    await self._commit()
        except QuickError as error:
            cause = error
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("an upload to topic %s failed", self._topic.access.name)
            cause = QuickError("An unexpected error ended the upload: look into the server's log.")
        self._spool.put(_encode(self._end(cause)) + b"\n")
        self._spool.end()

    async def _take_in_soon(self) -> None:
        """Take in an atomic upload: others wait for its end, and Kafka for that of its transaction."""
        try:
            async with asyncio.timeout(ATOMIC_UPLOAD_S):
                await self._take_in()
        except TimeoutError as error:
            raise InvalidInputError(
                f"Nothing was written: an atomic upload has to be complete within {ATOMIC_UPLOAD_S:.0f} s."
                " Send it in smaller ones, or without atomic=true."
            ) from error

    async def _take_in(self) -> None:
        """Read and write everything; tell of what is under way also when something ends the upload before."""
        try:
            async for chunk in self._chunks():
                for lines in self._lines.feed(chunk):
                    await self._write(lines)
            if shutdown.is_requested():
                raise UnavailableError(f"The server is being restarted. {self._way_on()}")
            for lines in self._lines.finish():
                await self._write(lines)
        except QuickError:
            await self._drain(0)
            raise
        await self._drain(0)

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Yield what comes, telling of slices in the meantime; end early when the worker is to end, whatever comes."""
        chunks = aiter(self._stream)
        coming: asyncio.Future[bytes] | None = None
        try:
            while not shutdown.is_requested():
                coming = coming or asyncio.ensure_future(anext(chunks))
                oldest = self._under_way[0].sent if self._under_way else None
                waited = (coming,) if oldest is None else (coming, oldest)
                await asyncio.wait(waited, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                await self._tell_of_finished()
                if coming.done():
                    chunk, coming = coming.result(), None
                    yield chunk
        except StopAsyncIteration:
            return
        finally:
            if coming is not None:
                coming.cancel()

    def _way_on(self) -> str:
        if self._options.is_atomic:
            return "Nothing was written. Send the whole upload again."
        return f"Continue with record {self._records + 1} of this upload."

    async def _write(self, lines: list[bytes]) -> None:
        """Read *lines*, send what can be used, and wait only when too many slices are under way."""
        for start in range(0, len(lines), SLICE_LINES):
            slice_ = self._read(lines[start : start + SLICE_LINES])
            await self._refuse_too_large(slice_)
            if slice_.records and not self._options.is_dry_run:
                await self._send(slice_)
            self._under_way.append(slice_)
            await self._drain(SLICES_UNDER_WAY)

    def _read(self, lines: list[bytes]) -> _Slice:
        reader, slice_ = self._topic.reader, _Slice()
        for line in lines:
            if not line.strip():
                continue
            index = self._records
            self._records += 1
            try:
                if len(line) > MAX_LINE_BYTES:
                    raise TooLargeError(f"The line is longer than {MAX_LINE_BYTES} bytes. Send a shorter one.")
                slice_.records.append(reader.read_line(line, strict=self._options.is_strict))
                slice_.indexes.append(index)
            except InvalidInputError as error:
                slice_.refused.append(refused(index, error))
        return slice_

    async def _refuse_too_large(self, slice_: _Slice) -> None:
        limit = self._topic.limit_bytes or 0
        if all(record.size() <= limit for record in slice_.records):
            return
        try:
            await self._writes.refuse_too_large(self._topic, slice_.records)
        except TooLargeRecordsError as error:
            for verdict in reversed(error.verdicts):
                slice_.records.pop(verdict.index)
                slice_.refused.append(RefusedVerdict(slice_.indexes.pop(verdict.index), verdict.error))

    async def _send(self, slice_: _Slice) -> None:
        if self._transaction is not None:
            if not self._refused and not slice_.refused:
                await self._transaction.send(slice_.records)
            return
        if self._topic.access.is_immutable:
            slice_.outcomes = await self._writes.write_once(self._topic, slice_.records)
            return
        slice_.sent = self._writes.send(self._topic, slice_.records, wants_each=True)

    async def _drain(self, most: int) -> None:
        """Wait for the oldest slices until at most *most* are under way."""
        while len(self._under_way) > most:
            await self._tell_of_oldest()

    async def _tell_of_finished(self) -> None:
        while self._under_way and ((sent := self._under_way[0].sent) is None or sent.done()):
            await self._tell_of_oldest()

    async def _tell_of_oldest(self) -> None:
        slice_ = self._under_way.popleft()
        batch = None
        try:
            batch = None if slice_.sent is None else await slice_.sent
        except KafkaUnavailableError as error:  # Nobody knows, and the next slice may go well.
            slice_.outcomes = [error] * len(slice_.indexes)
        self._tell(slice_, batch)
        outcomes = slice_.outcomes if batch is None else batch.each
        await self._note_written([outcome for outcome in outcomes if isinstance(outcome, Written)])
        if batch is not None and isinstance(batch.error, TooLargeError):
            with suppress(KafkaUnavailableError):  # Asked again at the next refusal.
                await self._writes.look_up_limit(self._topic)

    async def _note_written(self, places: list[Written]) -> None:
        for partition, offset in (await self._writes.last_offsets(self._topic.access, places)).items():
            self._offsets[partition] = max(offset, self._offsets.get(partition, 0))

    # Telling.

    def _tell(self, slice_: _Slice, batch: Batch | None) -> None:
        verdicts: list[Verdict] = [*slice_.refused]
        if batch is not None:
            for place, index in zip(batch.each, slice_.indexes, strict=True):
                verdicts.append(written(index, place or batch.error))
        elif slice_.outcomes:
            for outcome, index in zip(slice_.outcomes, slice_.indexes, strict=True):
                verdicts.append(written(index, outcome))
        elif self._options.is_dry_run:
            verdicts += map(ValidVerdict, slice_.indexes)
        failed = sum(isinstance(verdict, RefusedVerdict) for verdict in verdicts)
        self._refused += failed
        self._written += 0 if self._options.is_dry_run else len(verdicts) - failed
        verdicts.sort(key=lambda verdict: verdict.index)
        self._spool.put(b"".join(_encode(verdict) + b"\n" for verdict in verdicts))

    async def _commit(self) -> None:
        """Commit an atomic upload, and only then tell where its records are."""
        assert self._transaction is not None, "it is atomic"
        if self._refused:
            raise InvalidInputError(
                "Nothing was written: the upload is atomic, and some of its records cannot be used."
            )
        places = await self._transaction.commit()
        await self._note_written(places)
        self._written = len(places)
        for index, place in enumerate(places):
            self._spool.put(_encode(written(index, place)) + b"\n")

    def _end(self, cause: QuickError | None) -> UploadEnd:
        position = Position(self._topic.access.topic_id, self._offsets).token() if self._offsets else None
        return UploadEnd(
            self._records,
            self._written,
            self._refused,
            position,
            None if cause is None else str(cause),
            None if cause is None else status_of(cause),
        )


class _Slice:
    """Lines that are written together."""

    def __init__(self) -> None:
        self.records: list[OutRecord] = []
        self.indexes: list[int] = []
        self.refused: list[RefusedVerdict] = []
        self.sent: asyncio.Future[Batch] | None = None
        self.outcomes: list[Written | QuickError | None] = []


class _Lines:
    """Cuts chunks into lines. A line that is too long is passed, and stands as its beginning."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[list[bytes]]:
        head, newline, rest = chunk.partition(b"\n")
        self._hold(head)
        if not newline:
            return []
        lines = rest.split(b"\n")
        first = self._release()
        self._hold(lines.pop())
        return [[first, *lines]]

    def finish(self) -> list[list[bytes]]:
        return [[self._release()]] if self._held else []

    def _hold(self, part: bytes) -> None:
        if self._size <= MAX_LINE_BYTES:
            self._held.append(part)
            self._size += len(part)

    def _release(self) -> bytes:
        line = b"".join(self._held)
        self._held, self._size = [], 0
        return line


class _Spool:
    """Bytes on their way to the client, put without waiting for it. Beyond a bound they lie on disk."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  closed with the upload
        self._taken = self._put = 0
        self._news = asyncio.Event()
        self._has_ended = False

    def put(self, chunk: bytes) -> None:
        self._file.seek(self._put)
        self._file.write(chunk)
        self._put += len(chunk)
        self._news.set()

    def end(self) -> None:
        self._has_ended = True
        self._news.set()

    async def take(self) -> bytes | None:
        """Return what has come, `None` after the end."""
        while self._taken == self._put:
            if self._has_ended:
                return None
            self._news.clear()
            await self._news.wait()
        self._file.seek(self._taken)
        chunk = self._file.read(64 * 1024)
        self._taken += len(chunk)
        if self._taken == self._put:  # Nothing waits: the file begins again, so that it does not grow for ever.
            self._file.seek(0)
            self._file.truncate()
            self._taken = self._put = 0
        return chunk

    def close(self) -> None:
        self._file.close()
