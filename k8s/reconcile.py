"""Makes the cluster match what is declared: desired state in, the difference applied on the server's side.

Level-triggered: each round lists what is there, compares here, and asks the API server for what differs only. All that
is remembered between two rounds is which versions of objects were found to be as wanted, which spares comparing them
again; so a round that ended halfway, a restart, or a stranger's change needs no care.

Ours is what carries the labels of our instance and what we have applied: nothing else is changed or deleted, whatever
its name is. An object that was made from a later command than this process has read is left to who has read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from core.errors import ConflictError, KubernetesConflictError, KubernetesUnavailableError, QuickError
from k8s.apply import ApiClient
from k8s.cluster import (
    APP,
    JOB,
    Cluster,
    is_ending,
    is_made_by_us,
    is_workload,
    label,
    leaves_something,
    life_of,
    position_of,
    thing_of,
    wanted_life,
)
from k8s.comparison import compare
from k8s.desired import instance_of
from k8s.drift import annotation, drifts_of, is_applied_today, respecting_others, without
from k8s.giving_up import GivingUp, Step, condition
from k8s.names import job_name
from k8s.objects import Kind, LiveObject, Manifest, ObjectRef
from k8s.outcomes import Drift, Outcome, Result, State
from k8s.settings import Drift as DriftPolicy
from k8s.settings import KubernetesSettings
from k8s.thing_objects import COMPONENT, POSITION
from k8s.wanted import Wanted
from projections.declarations import Declarations
from projections.reconciler import LeadershipLostError

logger = logging.getLogger(__name__)

MOST_SILENCES: Final = 3
"""After so many requests in a row without an answer, the API server counts as away, and the round ends."""


class Reconciler:
    """Compares and applies, in the one process that leads.

    Args:
        client: For the namespace of *settings*.
        declarations: Returns what is declared now.
        settings: How it is made.
        leads: Returns whether this process leads; asked before every effect.
    """

    def __init__(
        self,
        client: ApiClient,
        declarations: Callable[[], Declarations],
        settings: KubernetesSettings,
        leads: Callable[[], bool],
    ) -> None:
        self.client = client
        self._declarations = declarations
        self._settings = settings
        self._leads = leads
        self.moments: dict[Kind, str] = {}
        """From where a watch of each kind misses nothing of what came after the last round's lists."""
        self.instance = ""
        """The label of all our objects, as of the last round."""
        self._wanted = Wanted(settings)
        self._matching: Matching = {}

    def reconcile(self) -> Outcome:
        """Apply every difference, and return what became of each object.

        An API server that is away is no error: the outcome says so, and what was done stands.

        Raises:
            LeadershipLostError: Another process leads now.
        """
        declared = self._declarations()
        self.instance = instance_of(declared, self._settings)
        try:
            cluster = Cluster(self.client, self.instance, self._confirm)
        except KubernetesUnavailableError as error:
            return Outcome(position=declared.position, results=(), unavailable=str(error))
        self.moments = cluster.moments
        wanted = self._wanted.objects(declared)
        one = _Round(
            self.client, self._settings, cluster, wanted, declared.position, self._confirm, matched=self._matching
        )
        self._matching = one.matching
        return one.run()

    def _confirm(self) -> None:
        if not self._leads():
            raise LeadershipLostError


class _Match(NamedTuple):
    """A version of an object that was found to be as wanted."""

    uid: str
    resource_version: str
    manifest: Manifest
    """What was wanted."""
    respecting: Manifest
    """That, without what the object leaves to others."""


Matching = dict[ObjectRef, _Match]


class _AwayError(Exception):
    """Raised within a round when the API server does not answer any more."""


class _Held(NamedTuple):
    """What belongs to things that are being given up."""

    apps: set[str]
    """The labels of their objects."""
    jobs: set[str]
    """The names of their clean-up Jobs, from which is read how far they are."""


class _Round:
    """One comparison of all objects."""

    def __init__(
        self,
        client: ApiClient,
        settings: KubernetesSettings,
        cluster: Cluster,
        wanted: Mapping[ObjectRef, Manifest],
        position: int,
        confirm: Callable[[], None],
        *,
        matched: Matching,
    ) -> None:
        self.matching: Matching = {}
        """What was found to be as wanted in this round; *matched* is that of the last one."""
        self._matched = matched
        self._client = client
        self._settings = settings
        self._cluster = cluster
        self._wanted = wanted
        self._position = position
        self._confirm = confirm
        self._lives = {wanted_life(manifest) for manifest in self._wanted.values()}
        self._results: list[Result] = []
        self._silences = 0
        self._unavailable: str | None = None

    def run(self) -> Outcome:
        try:
            held = self._give_up()
            self._prune(held)
            self._apply(held)
        except _AwayError:
            logger.debug("the round ends: the API server is away")
        return Outcome(
            position=self._position,
            results=tuple(self._results),
            problems=tuple(self._cluster.unseen.values()),
            unavailable=self._unavailable,
        )

    # What should be gone.

    def _give_up(self) -> _Held:
        """Take a step with each workload that is given up; return what is not gone yet."""
        giving_up = GivingUp(self._client, self._cluster, self._position, self._confirm)
        held = _Held(set(), set())
        for ref, live in self._cluster:
            life = life_of(live)
            if life is None or life in self._lives or not leaves_something(live) or self._is_from_later(live):
                continue
            held.apps.add(life.app)
            held.jobs.add(job_name(ref.name, life.incarnation))
            if JOB in self._cluster.unseen:
                self._note(ref, live, State.WAITING, "Whether its clean-up has run cannot be seen.")
            else:
                self._attempt(ref, live, partial(giving_up.step, ref, live, life))
        return held

    def _prune(self, held: _Held) -> None:
        for ref, live in self._cluster:
            if ref.kind == JOB:
                is_done = condition(live, "Complete") is not None and is_made_by_us(live) and ref.name not in held.jobs
            else:
                is_done = ref not in self._wanted and label(live, APP) not in held.apps
            if is_done:
                self._attempt(ref, live, partial(self._delete, ref, live))

    def _delete(self, ref: ObjectRef, live: LiveObject) -> Step:
        if not is_made_by_us(live):
            raise ConflictError("It has Quick's labels and was not made by Quick, so it is left. Take the labels away.")
        if self._is_from_later(live):
            return self._later(live)
        if is_ending(live):
            return State.WAITING, "It is being deleted."
        self._confirm()
        self._client.delete(ref, uid=live["metadata"]["uid"])
        return State.DELETED, ""

    # What should be there.

    def _apply(self, held: _Held) -> None:
        for ref, manifest in self._wanted.items():
            live = self._cluster.get(ref)
            if wanted_life(manifest).app in held.apps:
                self._note(ref, manifest, State.WAITING, "An earlier thing of this name is being cleaned up.")
            elif ref.kind in self._cluster.unseen:
                self._note(ref, manifest, State.WAITING, "Objects of its kind cannot be listed.")
            elif live is None:
                self._attempt(ref, manifest, partial(self._create, ref, manifest))
            else:
                self._settle(ref, manifest, live)

    def _create(self, ref: ObjectRef, manifest: Manifest) -> Step:
        self._confirm()
        try:
            self._client.create(manifest)
        except KubernetesConflictError as error:
            if self._client.get(ref) is None:
                raise  # Something else is in the way, such as a quota that others are using up at the same time.
            # The list has only what carries our labels.
            raise ConflictError(
                "There is one of this name without the labels of this Quick, so it is left alone."
                " Delete it, rename it, or give it back its labels."
            ) from error
        return State.APPLIED, ""

    def _settle(self, ref: ObjectRef, manifest: Manifest, live: LiveObject) -> None:
        """Make an object of ours have what *manifest* says, as far as others' changes are to be reverted."""
        if is_ending(live):
            self._note(ref, manifest, State.WAITING, "It is being deleted, and will be made again.", live=live)
            return
        if self._is_from_later(live):
            self._note(ref, manifest, *self._later(live), live=live)
            return
        if (match := self._matched.get(ref)) is not None and _is_still(match, manifest, live):
            self.matching[ref] = match
            self._note(ref, match.respecting, State.UNCHANGED, live=live)
            return
        wanted = respecting_others(manifest, live, updates_images=self._settings.updates_images)
        comparison = compare(wanted, live)
        drifts = drifts_of(wanted, live, comparison)
        is_reverting = self._settings.drift is DriftPolicy.REVERT
        kept = wanted if is_reverting else without(wanted, drifts)
        if comparison.is_applied:
            metadata = live["metadata"]
            self.matching[ref] = _Match(metadata["uid"], metadata["resourceVersion"], manifest, wanted)
            self._note(ref, wanted, State.UNCHANGED, live=live)
        elif drifts and not is_reverting and (is_applied_today(wanted, live) or compare(kept, live).is_applied):
            self._note(ref, wanted, State.DRIFTED, live=live, drifts=drifts.values())
        else:
            change = partial(self._change, kept, live, force=is_reverting)
            self._attempt(ref, wanted, change, live=live, drifts=drifts.values())

    def _change(self, manifest: Manifest, live: LiveObject, *, force: bool) -> Step:
        self._confirm()
        # With its ID, the request is refused when the object has been deleted, or replaced by somebody else's.
        metadata = {**manifest["metadata"], "uid": live["metadata"]["uid"]}
        changed = self._client.apply({**manifest, "metadata": metadata}, force=force)
        left = compare(manifest, changed).differences
        if left:
            return State.CONFLICT, f"What was applied was changed at once, as by an admission webhook: {left[0]}."
        return State.APPLIED, ""

    # What became of it.

    def _is_from_later(self, live: LiveObject) -> bool:
        return position_of(live) > self._position

    def _later(self, live: LiveObject) -> Step:
        return State.WAITING, (
            f"It was made from command {position_of(live)}, and commands up to {self._position} have been read."
            " If that stays so, it is another log's: delete it, or change QUICK_K8S_INSTANCE."
        )

    def _attempt(
        self,
        ref: ObjectRef,
        seen: Manifest,
        work: Callable[[], Step],
        *,
        live: LiveObject | None = None,
        drifts: Iterable[Drift] = (),
    ) -> None:
        """Do *work*, and note what became of it; one object that cannot be changed does not stop the others."""
        try:
            state, reason = work()
        except KubernetesUnavailableError as error:
            self._silences += 1
            self._note(ref, seen, State.FAILED, str(error), live=live, drifts=drifts)
            if self._silences >= MOST_SILENCES:
                self._unavailable = str(error)
                raise _AwayError from error
            return
        except ConflictError as error:
            state, reason = State.CONFLICT, str(error)
        except QuickError as error:
            state, reason = State.FAILED, str(error)
        self._silences = 0
        self._note(ref, seen, state, reason, live=live, drifts=drifts)

    def _note(
        self,
        ref: ObjectRef,
        seen: Manifest,
        state: State,
        reason: str = "",
        *,
        live: LiveObject | None = None,
        drifts: Iterable[Drift] = (),
    ) -> None:
        spec, status = seen.get("spec") or {}, (live or seen).get("status") or {}
        has_replicas, position = is_workload(ref.kind), annotation(seen, POSITION) or ""
        self._results.append(
            Result(
                ref=ref,
                thing=thing_of(seen),
                component=label(seen, COMPONENT),
                position=int(position) if position.isdecimal() else 0,
                state=state,
                reason=reason,
                drifts=tuple(drifts),
                replicas=spec.get("replicas") if has_replicas else None,
                ready=status.get("readyReplicas", 0) if has_replicas else None,
            )
        )


def _is_still(match: _Match, manifest: Manifest, live: LiveObject) -> bool:
    metadata = live["metadata"]
    is_same = (match.uid, match.resource_version) == (metadata["uid"], metadata["resourceVersion"])
    return is_same and match.manifest is manifest
