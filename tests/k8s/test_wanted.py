"""The objects that are to be there, kept from one round to the next."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from k8s.desired import desired
from k8s.drift import stamped
from k8s.objects import ObjectRef
from k8s.settings import KubernetesSettings, TopicRegistrySettings
from k8s.wanted import Wanted
from tests.k8s.declared_things import PLAIN, application, declared, gateway, mirror

EVERYTHING = declared(mirrors=[mirror("b"), mirror("a")], gateways=[gateway()], applications=[application(port=8000)])


def test_all_that_is_desired_is_wanted_in_its_order() -> None:
    for settings in (
        PLAIN,
        KubernetesSettings(),
        replace(PLAIN, topic_registry=TopicRegistrySettings(is_enabled=False)),
    ):
        expected = [(ObjectRef.of(manifest), stamped(manifest)) for manifest in desired(EVERYTHING, settings)]
        wanted = Wanted(settings)
        assert expected == list(wanted.objects(EVERYTHING).items())
        assert expected == list(wanted.objects(EVERYTHING).items())


def test_objects_are_made_again_when_their_thing_has_changed_and_only_then() -> None:
    wanted = Wanted(PLAIN)
    before = wanted.objects(EVERYTHING)
    after = wanted.objects(
        declared(mirrors=[mirror("a", replicas=2), mirror("b")], gateways=[gateway()], applications=[])
    )
    assert {"quick-mirror-a", "quick-mirror-a-headless"} == {
        ref.name for ref, manifest in after.items() if manifest is not before.get(ref)
    }
    assert 2 == sum("quick-app-" in ref.name for ref in before.keys() - after.keys())


def test_a_mirror_and_a_gateway_of_one_name_are_two_things() -> None:
    wanted = Wanted(PLAIN).objects(declared(mirrors=[mirror("shop")], gateways=[gateway("shop")]))
    assert {"quick-mirror-shop", "quick-gateway-shop"} <= {ref.name for ref in wanted}


def test_another_log_is_another_instance() -> None:
    wanted = Wanted(KubernetesSettings())
    other = msgspec.structs.replace(EVERYTHING, log="log-other")
    for things in (EVERYTHING, other, EVERYTHING):
        labels = {one["metadata"]["labels"]["quick/instance"] for one in wanted.objects(things).values()}
        assert {things.log} == labels
