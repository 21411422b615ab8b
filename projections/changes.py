"""What is different between two moments of the registry: created, changed, removed, with texts as diffs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from core.event_mapper import EventMapper
from core.log_index import LogIndex
from core.log_rows import IndexedCommand
from projections.past import PastRegistry, Rows, apply
from projections.registry import NOUNS, RecordedEvent, Registry, Row

CREATED, CHANGED, REMOVED, REPLACED = "created", "changed", "removed", "replaced"
"""`replaced`: removed and created again under the same name."""


class FieldChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a thing, before and after."""

    field: str
    """Dotted where it lies deeper: `value_schema.sdl`."""
    before: Any = None
    after: Any = None
    diff: str | None = None
    """Unified diff, where one of the two is a text of several lines."""


class Change(msgspec.Struct, frozen=True):
    """One thing that is different."""

    change: str
    noun: str
    name: str
    fields: list[FieldChange]


def changes_between(before: Registry, after: Registry) -> list[Change]:
    """Return what has to happen to get from *before* to *after*, by noun and name."""
    return [change for noun in NOUNS for change in _changes_of_noun(noun, before.rows(noun), after.rows(noun))]


def changes_by(index: LogIndex, command: IndexedCommand) -> list[Change]:
    """Return what *command* changed; only the streams that it touches are looked at.

    Raises:
        FoldError: An event of theirs was written by a newer program.
    """
    mapper = EventMapper()
    before: Rows = {noun: {} for noun in NOUNS}
    for originator_id, version in _first_versions(command).items():
        for indexed in index.events_of(originator_id, lte=version - 1):
            # Only later on does a position matter: incarnations before the command are all alike.
            apply(before, RecordedEvent(0, mapper.event(indexed)))
    after = {noun: dict(rows) for noun, rows in before.items()}
    for event_id, indexed in index.notifications(command.first_id, len(command.record.events), command.position):
        apply(after, RecordedEvent(event_id, mapper.event(indexed)))
    return changes_between(PastRegistry(command.first_id - 1, before), PastRegistry(command.position, after))


def _first_versions(command: IndexedCommand) -> dict[str, int]:
    """Return the first version of each originator that the command recorded."""
    versions: dict[str, int] = {}
    for event in command.record.events:
        versions.setdefault(event.originator_id, event.originator_version)
    return versions


def _changes_of_noun(noun: str, before: Iterable[Row[Any]], after: Iterable[Row[Any]]) -> Iterator[Change]:
    key = NOUNS[noun].key
    old, new = ({key(row.state): row for row in rows} for rows in (before, after))
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        row = now or was
        assert row is not None, "it is in one of the two"
        yield Change(_kind(was, now), noun, _name(row.state), list(_field_changes(was, now)))


def _kind(was: Row[Any] | None, now: Row[Any] | None) -> str:
    if was is None:
        return CREATED
    if now is None:
        return REMOVED
    return CHANGED if was.incarnation == now.incarnation else REPLACED


def _name(state: Any) -> str:
    return str(state.schema_id if hasattr(state, "schema_id") else state.name)


def _field_changes(was: Row[Any] | None, now: Row[Any] | None) -> Iterator[FieldChange]:
    old, new = ({} if row is None else _flat(msgspec.to_builtins(row.state)) for row in (was, now))
    for field in [*old, *(field for field in new if field not in old)]:
        before, after = old.get(field), new.get(field)
        if before != after:
            yield FieldChange(field, before, after, _diff(before, after))


def _flat(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for field, value in facts.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{field}.")
        else:
            flat[prefix + field] = value
    return flat


def _diff(before: Any, after: Any) -> str | None:
    texts = [text if isinstance(text, str) else "" for text in (before, after)]
    if not any("\n" in text for text in texts):
        return None
    old, new = (text.splitlines() for text in texts)
    return "\n".join(difflib.unified_diff(old, new, "before", "after", lineterm=""))
