"""What a reconciliation would do: the reconciler itself, with a client whose changes are only tried.

The API server answers a tried change with the object as it would be, after its defaults, checks and webhooks.
"""

from __future__ import annotations

import difflib
from typing import Any, Final, NamedTuple

from k8s.apply import ApiClient, Propagation
from k8s.documents import as_documents
from k8s.objects import FIELD_MANAGER, LiveObject, Manifest, ObjectRef

_KEPT_BY_THE_SERVER: Final = frozenset(
    ("creationTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "resourceVersion", "uid")
)


class Change(NamedTuple):
    """What would become of one object."""

    ref: ObjectRef
    before: LiveObject | None
    """`None` when there is none yet."""
    after: LiveObject | None
    """`None` when it would be deleted."""


class Rehearsal(ApiClient):
    """A client that changes nothing, and notes what would be changed. Takes the same rights as one that does."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.changes: list[Change] = []
        """In the order in which they would be made."""

    def apply(
        self,
        manifest: Manifest,
        field_manager: str = FIELD_MANAGER,
        *,
        force: bool = False,
        dry_run: bool = True,  # noqa: ARG002 - there is nothing else here
    ) -> LiveObject:
        """Try to apply, whatever *dry_run* says; otherwise as `ApiClient.apply`."""
        ref = ObjectRef.of(manifest)
        before = self.get(ref)
        after = super().apply(manifest, field_manager, force=force, dry_run=True)
        self.changes.append(Change(ref, before, after))
        return after

    def delete(
        self,
        ref: ObjectRef,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Background",
        dry_run: bool = True,  # noqa: ARG002 - there is nothing else here
    ) -> bool:
        """Try to delete, whatever *dry_run* says; otherwise as `ApiClient.delete`."""
        before = self.get(ref)
        super().delete(ref, uid=uid, resource_version=resource_version, propagation=propagation, dry_run=True)
        self.changes.append(Change(ref, before, None))
        return before is not None


def diff_text(change: Change) -> str:
    """Return *change* as a unified diff; empty when nothing would be different."""
    name = f"{change.ref.kind.kind}/{change.ref.name}"
    lines = difflib.unified_diff(_lines(change.before), _lines(change.after), f"live/{name}", f"declared/{name}")
    return "".join(lines)


def _lines(live: LiveObject | None) -> list[str]:
    if live is None:
        return []
    metadata = {name: value for name, value in live["metadata"].items() if name not in _KEPT_BY_THE_SERVER}
    shown = {name: value for name, value in live.items() if name != "status"} | {"metadata": metadata}
    return as_documents([shown]).splitlines(keepends=True)
