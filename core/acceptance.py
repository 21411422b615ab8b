"""The acceptance rule: which records of the command log count.

First write wins, in log order. No lock, no leader, no transaction: every reader of every version applies this rule
to the same records in the same order and so decides alike. It is a consensus rule and must never change.

A command is accepted when

1. its `format` is known (a higher one stops the reader: `core.record.decode`);
2. its `command_id` has not been accepted or voided before;
3. no `(originator_id, originator_version)` occurs twice in it or was accepted before;
4. every `expected` head is that originator's current head, the greatest version accepted so far;
5. its tracking, where there is one, is greater than the last accepted one of that application.

A void is accepted when its `command_id` has not been accepted or voided before. All else is ignored, for ever.

A quarantine changes nothing by itself: it is looked for where a reader meets a record that it cannot decode, and counts
when it lies behind that record (`core.log_follower`).
"""

from __future__ import annotations

from typing import Protocol

from core.record import CommandRecord, VoidRecord


class AcceptedSoFar(Protocol):
    """What was accepted before the record that is looked at; the log index and the tests' model implement it."""

    def is_settled(self, command_id: str) -> bool:
        """Return whether a command of this id was accepted or voided."""
        ...

    def has_version(self, originator_id: str, version: int) -> bool:
        """Return whether an event of this originator and version was accepted."""
        ...

    def head(self, originator_id: str) -> int | None:
        """Return the greatest accepted version of this originator, `None` when there is none."""
        ...

    def tracked(self, application: str) -> int | None:
        """Return the last accepted notification ID of this tracked application, `None` when there is none."""
        ...


def refusal(record: CommandRecord | VoidRecord, before: AcceptedSoFar) -> str | None:
    """Return why *record* does not count after what was accepted *before*, or `None` when it is accepted."""
    if isinstance(record, VoidRecord):
        return "its command is settled already" if before.is_settled(record.void) else None
    if before.is_settled(record.command_id):
        return "its command id is settled already"
    return _version_taken(record, before) or _head_moved(record, before) or _tracking_passed(record, before)


def _version_taken(record: CommandRecord, before: AcceptedSoFar) -> str | None:
    seen: set[tuple[str, int]] = set()
    for event in record.events:
        version = (event.originator_id, event.originator_version)
        if version in seen or before.has_version(*version):
            return f"version {event.originator_version} of {event.originator_id} is taken"
        seen.add(version)
    return None


def _head_moved(record: CommandRecord, before: AcceptedSoFar) -> str | None:
    for expected in record.expected:
        head = before.head(expected.originator_id)
        if head != expected.head:
            return f"{expected.originator_id} stands at version {head}, not at {expected.head}"
    return None


def _tracking_passed(record: CommandRecord, before: AcceptedSoFar) -> str | None:
    if record.tracking is None:
        return None
    tracked = before.tracked(record.tracking.application)
    if tracked is None or record.tracking.notification_id > tracked:
        return None
    return (
        f"tracking of {record.tracking.application} is at {tracked} already,"
        f" which {record.tracking.notification_id} is not greater than"
    )
