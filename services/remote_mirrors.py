"""Mirrors that other processes hold, read over HTTP: what `services.local_mirrors` reads where no LMDB is beside it.

A replica that does not answer, or is not ready, is left for another one, within the time of the operation; nothing is
told to have no value because nobody could be asked. All keys of one level are one request. What an operation reads of
a topic in several requests is not as of one moment, as it is beside an LMDB: but each answer is asked to include what
the one before has included, so that nothing is seen older than what was seen already, whoever answers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import msgspec

from core.errors import InvalidInputError, TooLargeError, UnavailableError
from core.mirrors import MirrorDefinition
from core.ordered_bytes import Bounds
from core.position import Position
from projections.mirror_entries import Entry
from projections.mirrors import MirrorSize
from projections.pages import Page, PlacedPage
from projections.windows import WHOLE, Window
from services.holder_client import HolderAnswer, HolderClient, NoAnswerError
from services.holders import Holders
from services.mirrors.entry_frames import MEDIA_TYPE, decode_entries, encode_keys
from services.mirrors.freshness import AT_LEAST_HEADER, POSITION_HEADER
from services.mirrors.keys import MAX_KEYS
from services.mirrors.row_frames import decode_rows
from services.mirrors.rows import LACKS_HEADER, IndexBody, RangeBody, RowsBody
from services.mirrors.values import MAX_ANSWER_BYTES
from services.topic_access import TopicAccess, TopicAccesses, no_mirror

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 30.0
"""Longest time for what an operation reads of a topic, where operations have no bound of their own."""

PATIENCE_S: Final = 2.0
"""How long replicas are asked again when none of them answers as it should: one may just be starting."""

PAGE_ROWS: Final = 5_000
"""Rows of one page of a whole topic at most; a page also ends where it has many bytes."""

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 0.4


class RemoteMirrors:
    """Finds the mirrors that other processes hold; implements `services.readable_mirrors.MirrorSource`.

    Args:
        topics: Finds topics in the registry of this process.
        holders: Knows who holds what.
        client: Asks them.
        timeout_s: Longest time for what one operation reads of a topic.
    """

    def __init__(
        self, topics: TopicAccesses, holders: Holders, client: HolderClient, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._topics = topics
        self._holders = holders
        self._client = client
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._floors: dict[str, Position] = {}

    def topic(self, name: str) -> TopicAccess:
        """Return the access to a topic, see `TopicAccesses.topic`."""
        return self._topics.topic(name)

    def ready_mirror(self, access: TopicAccess) -> RemoteMirror:
        """Return the mirror of a topic; nobody is asked yet.

        Raises:
            NotFoundError: The topic has none.
        """
        if access.mirror is None:
            raise no_mirror(access.name)
        return RemoteMirror(self, self._holders, access)

    def mirror(self, access: TopicAccess) -> RemoteMirror:
        """Return the mirror of a topic, see `ready_mirror`."""
        return self.ready_mirror(access)

    def moment(self, access: TopicAccess) -> RemoteMoment:
        """Return what one operation reads of a topic."""
        floor = self._floors.get(access.topic_id)
        return RemoteMoment(
            self, access, None if floor is None else floor.token(), deadline=time.monotonic() + self._timeout_s
        )

    def include(self, access: TopicAccess, headers: Mapping[str, str]) -> None:
        """Ask for nothing but that a replica fulfils *headers*; all that is read later includes what it includes.

        Raises:
            UnavailableError: None does.
        """
        answer, _ = self.ask(
            access,
            "mirror/batch",
            encode_keys(()),
            {"Content-Type": MEDIA_TYPE, **headers},
            deadline=time.monotonic() + self._timeout_s,
        )
        token = answer.headers.get(POSITION_HEADER.lower())
        if token is not None:
            reached = Position.parse(token)
            with self._lock:
                floor = self._floors.get(access.topic_id)
                self._floors[access.topic_id] = reached if floor is None else floor.joined(reached)

    def ask(
        self,
        access: TopicAccess,
        what: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: float,
        preferred: str | None = None,
    ) -> tuple[HolderAnswer, str]:
        """Ask one replica after the other until one answers as it should.

        Args:
            access: The topic.
            what: End of the path.
            body: Body of the request.
            headers: Its headers.
            deadline: Until when, on the monotonic clock.
            preferred: The replica to ask first.

        Returns:
            The answer, and the address of who gave it.

        Raises:
            InvalidInputError: What is asked for cannot be: a replica says so, and no other one answers.
            TooLargeError: The answer would be too large.
            UnavailableError: No replica answers as it should, or has built what it is asked for.
        """
        path, pause_s = f"/mirror/{access.name}/{what}", _FIRST_PAUSE_S
        gives_up = min(deadline, time.monotonic() + PATIENCE_S)
        reason = "none has announced itself"
        while True:
            refusal: HolderAnswer | None = None
            for address in self._holders.addresses(access, preferred):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                try:
                    answer = self._client.post(address, path, body, headers, timeout_s=left_s)
                except NoAnswerError as error:
                    self._holders.note_failure(address)
                    logger.info("a replica of the mirror of %s is left for another one: %s", access.name, error)
                    reason = f"{address} does not answer"
                    continue
                if answer.status == HTTPStatus.OK:
                    self._holders.note_answer(address)
                    return answer, address
                if answer.status == HTTPStatus.BAD_REQUEST or LACKS_HEADER.lower() in answer.headers:
                    refusal = answer  # Another one may be of a newer version, or have built the index.
                    continue
                reason = self._reason(access, address, answer)
            if refusal is not None:
                raise _refused(refusal)
            if time.monotonic() + pause_s >= gives_up:
                raise UnavailableError(
                    f"The mirror of topic {access.name} cannot be read now: of its replicas {reason}. Try again."
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _reason(self, access: TopicAccess, address: str, answer: HolderAnswer) -> str:
        """Return why another replica is to be asked.

        Raises:
            TooLargeError: All of them would answer so.
        """
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise TooLargeError(answer.detail())
        logger.info("%s answers %d about topic %s: %s", address, answer.status, access.name, answer.detail())
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._holders.note_failure(address)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return f"{address} refuses the API key of this process, which is to be the same for all (QUICK_APIKEY)"
        return f"{address} says: {answer.detail().rstrip('.')}"


class RemoteMirror:
    """One mirror of other processes."""

    def __init__(self, mirrors: RemoteMirrors, holders: Holders, access: TopicAccess) -> None:
        self._mirrors = mirrors
        self._holders = holders
        self._access = access

    def moment(self) -> RemoteMoment:
        """Return what one operation reads of it, for a `with`."""
        return self._mirrors.moment(self._access)

    def size(self) -> MirrorSize:
        """Return how much it holds; what it takes on the disk of another machine is not known here.

        Raises:
            UnavailableError: No replica has said it.
        """
        entries = self._holders.entries(self._access)
        if entries is None:
            raise UnavailableError(f"No process has announced to hold the mirror of topic {self._access.name} yet.")
        return MirrorSize(entries, 0)


class RemoteMoment:
    """What one operation reads of a topic: never older than what it has read before. Not for two threads at a time."""

    def __init__(self, mirrors: RemoteMirrors, access: TopicAccess, at_least: str | None, *, deadline: float) -> None:
        self._mirrors = mirrors
        self._access = access
        self._at_least = at_least
        self._deadline = deadline
        self._holder: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: each answer was whole."""

    def value(self, key: bytes) -> bytes | None:
        """Return the value of a key, `None` for none."""
        return next(iter(self.values([key])))

    def values(self, keys: Sequence[bytes]) -> Iterator[bytes | None]:
        """Yield the values of *keys* in their order."""
        asked = list(keys)
        for start in range(0, len(asked), MAX_KEYS):
            yield from self._values(asked[start : start + MAX_KEYS])

    def _values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        answer = self._ask("mirror/batch", encode_keys(keys), MEDIA_TYPE)
        try:
            found = decode_entries(answer.body)
        except InvalidInputError as error:
            raise _unusable(self._access, str(error)) from error
        if len(found) != len(keys):
            raise _unusable(self._access, f"It has {len(found)} entries for {len(keys)} keys.")
        return [None if entry is None else entry.value for entry in found]

    def get(self, key: bytes) -> Entry | None:
        """Return the entry of a key, `None` for none."""
        rows = self._rows(RowsBody(keys=[key])).rows
        return rows[0].entry if rows else None

    def range(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> list[Entry]:
        """Return the records of a key within bounds of the range field, in its order.

        Raises:
            TooLargeError: They have more bytes than an operation may be given.
        """
        entries: list[Entry] = []
        held, limit = 0, window.limit
        while True:
            page = self.ranged(key, bounds, window, declared=declared)
            entries += [row.entry for row in page.rows]
            held += sum(len(row.entry.value) for row in page.rows)
            if page.next is None or len(entries) == limit:
                return entries
            if held > MAX_ANSWER_BYTES:
                raise TooLargeError(
                    f"The values of this range have more than {MAX_ANSWER_BYTES} bytes. Ask for fewer at once."
                )
            window = window.behind(page.next)
            if limit is not None:
                window = window.at_most(limit - len(entries))

    def pages(self) -> Iterator[list[Entry]]:
        """Yield all entries by key, some at a time."""
        window = Window(limit=PAGE_ROWS)
        page = self.page(window)
        yield page.entries
        while page.next is not None:
            page = self.page(window.behind(page.next))
            yield page.entries

    def page(self, window: Window = WHOLE) -> Page:
        """Return entries by key; fewer than there are, where they have many bytes."""
        rows, following = self._rows(RowsBody(window=window))
        return Page([row.entry for row in rows], following)

    def ranged(
        self, key: bytes, bounds: Bounds, window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return some of what `range` does, with places."""
        return self._rows(RowsBody(range=RangeBody(key, bounds), window=window, declared=declared))

    def found(
        self, field: str, parts: Sequence[Bounds], window: Window = WHOLE, *, declared: MirrorDefinition | None = None
    ) -> PlacedPage:
        """Return entries whose value has a field within one of *parts*, with places; fewer, as `page` does."""
        return self._rows(RowsBody(index=IndexBody(field, list(parts)), window=window, declared=declared))

    def _rows(self, wanted: RowsBody) -> PlacedPage:
        answer = self._ask("rows", msgspec.json.encode(wanted), "application/json")
        try:
            return decode_rows(answer.body)
        except InvalidInputError as error:
            raise _unusable(self._access, str(error)) from error

    def _ask(self, what: str, body: bytes, content_type: str) -> HolderAnswer:
        headers = {"Content-Type": content_type}
        if self._at_least is not None:
            headers[AT_LEAST_HEADER] = self._at_least
        answer, self._holder = self._mirrors.ask(
            self._access, what, body, headers, deadline=self._deadline, preferred=self._holder
        )
        self._at_least = answer.headers.get(POSITION_HEADER.lower(), self._at_least)
        return answer


def _refused(answer: HolderAnswer) -> InvalidInputError | UnavailableError:
    if answer.status == HTTPStatus.BAD_REQUEST:
        return InvalidInputError(answer.detail())
    return UnavailableError(answer.detail())


def _unusable(access: TopicAccess, why: str) -> UnavailableError:
    return UnavailableError(
        f"What a replica of the mirror of topic {access.name} has answered cannot be used: {why} Let all processes of"
        " Quick be of one version, and try again."
    )
