"""Who holds a mirror, in the order in which the replicas are asked.

First those that say they are ready and are believed, in turns, and among them last those that did not answer a moment
ago. Behind them all others, the last heard first: while Kafka is away nobody can say anything more, and all of them
are there.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Final

from core.mirror_shares import Part
from projections.replicas import Replica, ReplicaStatus
from services.topic_access import TopicAccess

SUSPECTED_S: Final = 5.0
"""How long a replica that did not answer is asked behind the others."""

ReplicaSource = Callable[[TopicAccess], list[Replica]]
"""Returns the replicas that have announced to hold a topic."""


class Holders:
    """Orders the replicas of mirrors. Safe to use from several threads."""

    def __init__(self, replicas: ReplicaSource) -> None:
        self._replicas = replicas
        self._turns = itertools.count()
        self._suspected: dict[str, float] = {}

    def parts(self, access: TopicAccess) -> int | None:
        """Return into how many parts a topic is to be asked for, `None` where somebody holds all of it.

        While that changes, replicas tell different numbers: it is the one for which most parts are held then.
        """
        told = self._replicas(access)
        now_ms = int(time.time() * 1000)  # Not before: what is heard meanwhile would be of the future.
        ready = [one.status.share for one in told if one.status.is_ready and one.is_believed(now_ms)]
        shares = [share for share in (ready or [one.status.share for one in told]) if share is not None]
        if not shares or (ready and None in ready):
            return None

        def held(parts: int) -> tuple[float, int]:
            asked = [Part(number, parts) for number in range(parts)]
            return sum(any(share.has(part) for share in shares) for part in asked) / parts, parts

        return max({share.replicas for share in shares}, key=held)

    def addresses(self, access: TopicAccess, preferred: str | None = None, part: Part | None = None) -> list[str]:
        """Return the addresses of those that hold a topic, or a part of it, the one to ask first first.

        Args:
            access: The topic.
            preferred: Who is to be asked first if nothing speaks against it.
            part: Which part, `None` for all of it.
        """
        told = self._replicas(access)
        now_ms, suspects = int(time.time() * 1000), self._suspects()
        believed: list[Replica] = []
        others: list[Replica] = []
        for replica in told:
            share = replica.status.share
            if (share is not None and not share.has(part)) if part is not None else share is not None:
                continue
            (believed if replica.status.is_ready and replica.is_believed(now_ms) else others).append(replica)
        ready = _turned([replica.status.address for replica in believed], next(self._turns))
        ready.sort(key=lambda address: (address in suspects, address != preferred))
        others.sort(key=lambda replica: -replica.heard_ms)
        return list(dict.fromkeys([*ready, *(replica.status.address for replica in others)]))

    def entries(self, access: TopicAccess) -> int | None:
        """Return how many entries a topic has by what its replicas say, `None` where nobody says it."""
        return max((_entries(replica.status) for replica in self._replicas(access)), default=None)

    def note_failure(self, address: str) -> None:
        """Note that a replica did not answer."""
        self._suspected = {**self._suspected, address: time.monotonic() + SUSPECTED_S}

    def note_answer(self, address: str) -> None:
        """Note that a replica has answered."""
        if address in self._suspected:
            self._suspected = {each: until for each, until in self._suspected.items() if each != address}

    def _suspects(self) -> set[str]:
        if not self._suspected:
            return set()
        now = time.monotonic()
        return {address for address, until in self._suspected.items() if until > now}


def partition_map(replicas: list[Replica], now_ms: int) -> dict[str, str]:
    """Return who is to be asked for each partition, by its number as text; replicas that are not ready are left out.

    The partitions that several hold are shared out among them.
    """
    ready = [one.status for one in replicas if one.status.is_ready and one.is_believed(now_ms)]
    ready.sort(key=lambda status: status.replica)
    found = {}
    for partition in sorted({partition for status in ready for partition in status.partitions}):
        holding = [status.address for status in ready if partition in status.partitions]
        found[str(partition)] = holding[partition % len(holding)]
    return found


def _entries(status: ReplicaStatus) -> int:
    """Return how many entries a topic has by what one replica holds of them."""
    share = status.share
    return status.entries if share is None else status.entries * share.replicas // share.copies


def _turned(addresses: list[str], turn: int) -> list[str]:
    if not addresses:
        return []
    at = turn % len(addresses)
    return addresses[at:] + addresses[:at]
