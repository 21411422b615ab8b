"""Mirrors that other processes hold, read over HTTP: what `services.local_mirrors` reads where no LMDB is beside it.

A replica that does not answer, or is not ready, is left for another one, within the time of the operation; nothing is
told to have no value because nobody could be asked. All keys of one level are one request, or one for each part where
the keys are shared out among replicas (`services.split_moments`). What an operation reads of a topic in several
requests is not as of one moment, as it is beside an LMDB: but each answer is asked to include what the one before has
included, so that nothing is seen older than what was seen already, whoever answers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from core.errors import InvalidInputError, TooLargeError, UnavailableError
from core.mirror_shares import Part
from core.position import Position
from projections.mirrors import MirrorSize
from services.holder_client import HolderAnswer, HolderClient, NoAnswerError
from services.holders import Holders
from services.mirrors.entry_frames import MEDIA_TYPE, encode_keys
from services.mirrors.finding import PART_HEADER
from services.mirrors.freshness import POSITION_HEADER
from services.mirrors.rows import LACKS_HEADER
from services.remote_moments import RemoteMoment
from services.split_moments import SplitMoment
from services.topic_access import TopicAccess, TopicAccesses, no_mirror

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 30.0
"""Longest time for what an operation reads of a topic, where operations have no bound of their own."""

PATIENCE_S: Final = 2.0
"""How long replicas are asked again when none of them answers as it should: one may just be starting."""

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

    def moment(self, access: TopicAccess, at_least: str | None = None) -> RemoteMoment | SplitMoment:
        """Return what one operation reads of a topic.

        Args:
            access: The topic.
            at_least: A position that it is to include; else what was included once.
        """
        if at_least is None and (floor := self._floors.get(access.topic_id)) is not None:
            at_least = floor.token()
        deadline, parts = time.monotonic() + self._timeout_s, self._holders.parts(access)
        if parts is None:
            return RemoteMoment(self, access, at_least, deadline=deadline)
        return SplitMoment(
            [RemoteMoment(self, access, at_least, deadline=deadline, part=Part(at, parts)) for at in range(parts)],
            access.mirror,
        )

    def include(self, access: TopicAccess, headers: Mapping[str, str]) -> None:
        """Ask for nothing but that a replica fulfils *headers*; all that is read later includes what it includes.

        Raises:
            UnavailableError: None does.
        """
        parts = self._holders.parts(access)
        answer, _ = self.ask(
            access,
            "mirror/batch",
            encode_keys(()),
            {"Content-Type": MEDIA_TYPE, **headers},
            deadline=time.monotonic() + self._timeout_s,
            part=None if parts is None else Part(0, parts),  # Whoever holds a part has read the whole topic.
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
        part: Part | None = None,
    ) -> tuple[HolderAnswer, str]:
        """Ask one replica after the other until one answers as it should.

        Args:
            access: The topic.
            what: End of the path.
            body: Body of the request.
            headers: Its headers.
            deadline: Until when, on the monotonic clock.
            preferred: The replica to ask first.
            part: Which part of the keys, `None` for all of them.

        Returns:
            The answer, and the address of who gave it.

        Raises:
            InvalidInputError: What is asked for cannot be: a replica says so, and no other one answers.
            TooLargeError: The answer would be too large.
            UnavailableError: No replica answers as it should, or has built what it is asked for.
        """
        path, pause_s = f"/mirror/{access.name}/{what}", _FIRST_PAUSE_S
        if part is not None:
            headers = {**headers, PART_HEADER: part.text()}
        gives_up = min(deadline, time.monotonic() + PATIENCE_S)
        reason = "none has announced itself"
        while True:
            refusal: HolderAnswer | None = None
            for address in self._holders.addresses(access, preferred, part):
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

    def moment(self) -> RemoteMoment | SplitMoment:
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


def _refused(answer: HolderAnswer) -> InvalidInputError | UnavailableError:
    if answer.status == HTTPStatus.BAD_REQUEST:
        return InvalidInputError(answer.detail())
    return UnavailableError(answer.detail())
