"""Writes what became of each object to `__quick-status`, so that every manager can tell it, also after this one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from core.kafka_writer import OutRecord, RecordWriter, last_offsets
from k8s.outcomes import Outcome, Result, State
from projections.object_status import OK, ObjectStatus, encode_object, object_key
from projections.status import StatusView

logger = logging.getLogger(__name__)

ACKNOWLEDGE_TIMEOUT_S: Final = 15.0
"""Longest wait until statuses are written and read back."""

_NOUNS: Final = {"mirror": "mirror", "gateway": "gateway", "streamsApp": "application"}


class Statuses:
    """Keeps the statuses as the last outcome says; for the one process that leads.

    Args:
        view: Of what is written, which the projector of this machine folds.
        topic: The status topic.
        namespace: Of all objects.
    """

    def __init__(self, view: StatusView, writer: RecordWriter, topic: str, namespace: str) -> None:
        self._view = view
        self._writer = writer
        self._topic = topic
        self._namespace = namespace

    def tell(self, outcome: Outcome) -> None:
        """Write what *outcome* has changed.

        Raises:
            UnavailableError: The broker or the projector did not answer; the next outcome says it again.
        """
        known = {object_key(one.kind, one.name): one for one in self._view.objects()}
        statuses = {
            object_key(one.kind, one.name): one for one in statuses_of(outcome, known.values(), self._namespace)
        }
        records = [
            OutRecord(key, encode_object(status)) for key, status in statuses.items() if known.get(key) != status
        ]
        if outcome.unavailable is None:
            records += [OutRecord(key, None) for key in known if key not in statuses]
        if records:
            written = self._writer.write(self._topic, records).result(ACKNOWLEDGE_TIMEOUT_S)
            [offset] = last_offsets(self._writer.bootstrap, self._topic, written).values()
            self._view.wait_for(offset, ACKNOWLEDGE_TIMEOUT_S)


def statuses_of(
    outcome: Outcome,
    known: Iterable[ObjectStatus],
    namespace: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[ObjectStatus]:
    """Return the statuses after *outcome*; drifts that were reverted stay with their objects.

    Args:
        outcome: Of the last round.
        known: The statuses before it.
        namespace: Of all objects.
        now: Returns the time.
    """
    before = {(one.kind, one.name): one for one in known}
    return [
        _whole(outcome, namespace),
        *(
            _one(result, before.get((result.ref.kind.kind, result.ref.name)), now)
            for result in outcome.results
            if result.state is not State.DELETED
        ),
    ]


def _whole(outcome: Outcome, namespace: str) -> ObjectStatus:
    problems = [*([outcome.unavailable] if outcome.unavailable else []), *outcome.problems]
    return ObjectStatus(kind="Namespace", name=namespace, state="failed" if problems else OK, reason=" ".join(problems))


def _one(result: Result, before: ObjectStatus | None, now: Callable[[], datetime]) -> ObjectStatus:
    is_ok = result.state in (State.UNCHANGED, State.APPLIED)
    status = ObjectStatus(
        kind=result.ref.kind.kind,
        name=result.ref.name,
        noun=_NOUNS.get(result.component, ""),
        thing=result.thing,
        position=result.position,
        state=OK if is_ok else result.state.value,
        reason=result.reason,
        replicas=result.replicas,
        ready=result.ready,
    )
    drifts = [str(drift) for drift in result.drifts]
    if before is not None and (not drifts or (drifts == before.drifts and result.state is State.DRIFTED)):
        return msgspec.structs.replace(status, drifts=before.drifts, drifted=before.drifted)
    if drifts:
        return msgspec.structs.replace(status, drifts=drifts, drifted=now().isoformat(timespec="seconds"))
    return status
