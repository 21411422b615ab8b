"""Notices that objects of ours have changed, between two rounds that list them all.

A thread for each kind watches from where the last list ended, and goes on from the last event. What it has seen is
only a reason to look: the next round reads the cluster itself. An object's status counts where somebody waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from core.errors import KubernetesExpiredError, KubernetesUnavailableError, QuickError
from k8s.apply import ApiClient, WatchEvent
from k8s.cluster import KINDS
from k8s.objects import Kind, LiveObject

logger = logging.getLogger(__name__)

WATCH_S: Final = 240.0
"""How long the API server is asked to keep a watch open; proxies between may cut longer ones."""

PAUSE_S: Final = 2.0
"""How long after a failure a watch is asked for again."""

REFUSED_PAUSE_S: Final = 120.0
"""The same after a refusal, which the next one probably is, too."""


class Watches:
    """Watches all kinds of objects, once it is told from where.

    Args:
        client: Its watches hold a connection for each kind.
        changed: Set when there is something to look at.
        stopping: Ends all, each thread at the end of its watch.
    """

    def __init__(self, client: ApiClient, changed: threading.Event, stopping: threading.Event) -> None:
        self._client = client
        self._changed = changed
        self._stopping = stopping
        self._moments: dict[Kind, str] = {}
        self._selector = ""
        self._arrived = threading.Condition()
        self._threads: list[threading.Thread] = []

    def go_on(self, moments: Mapping[Kind, str], selector: str) -> None:
        """Take *moments* as the places to begin at, for watches that have none; others go on from their own."""
        with self._arrived:
            self._moments, self._selector = dict(moments), selector
            self._arrived.notify_all()
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._follow, args=(kind,), name=f"watch {kind.kind}", daemon=True)
                for kind in KINDS
            ]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Let the threads end; those that wait for the API server end with the process."""
        self._stopping.set()
        with self._arrived:
            self._arrived.notify_all()

    def _follow(self, kind: Kind) -> None:
        seen: dict[str, object] = {}
        moment: str | None = None
        while not self._stopping.is_set():
            moment = moment or self._next_moment(kind)
            if moment is not None:
                moment = self._watch(kind, moment, seen)

    def _next_moment(self, kind: Kind) -> str | None:
        with self._arrived:
            self._arrived.wait_for(lambda: kind in self._moments or self._stopping.is_set())
            return self._moments.pop(kind, None)

    def _watch(self, kind: Kind, moment: str, seen: dict[str, object]) -> str | None:
        """Watch once; return from where to go on, `None` if only a list can tell."""
        try:
            for event in self._client.watch(kind, moment, WATCH_S, self._selector):
                moment = event.resource_version
                if _is_news(event, seen):
                    self._changed.set()
                if self._stopping.is_set():
                    break
        except KubernetesExpiredError as error:
            logger.info("%s", error)
            seen.clear()
            self._changed.set()
            return None
        except QuickError as error:
            logger.info("%s", error)
            self._stopping.wait(PAUSE_S if isinstance(error, KubernetesUnavailableError) else REFUSED_PAUSE_S)
        return moment


def _is_news(event: WatchEvent, seen: dict[str, object]) -> bool:
    """Return whether there is something to look at, and note it in *seen*: an object's last essence by its ID."""
    if event.type == "BOOKMARK":
        return False
    uid = event.object["metadata"]["uid"]
    if event.type == "DELETED":
        seen.pop(uid, None)
        return True
    essence = _essence(event.object)
    is_news = seen.get(uid) != essence
    seen[uid] = essence
    return is_news


def _essence(live: LiveObject) -> object:
    """Return what of *live* matters to a round: a new generation is a new specification, where there are any."""
    metadata, status = live["metadata"], live.get("status") or {}
    generation = metadata.get("generation") or metadata["resourceVersion"]
    conditions = [(one.get("type"), one.get("status")) for one in status.get("conditions") or ()]
    return (
        generation,
        metadata.get("labels"),
        metadata.get("annotations"),
        metadata.get("deletionTimestamp"),
        status.get("replicas"),
        status.get("readyReplicas"),
        conditions,
    )
