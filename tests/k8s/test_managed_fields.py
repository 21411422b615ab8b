from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8s.managed_fields import (
    all_fields,
    fields_of,
    is_ownable,
    key_step,
    keys_of,
    managers_of,
    owned_paths,
    owners_of,
    path_text,
    value_step,
)

CONTAINER = 'k:{"name":"app"}'
IMAGE = ("f:spec", "f:containers", CONTAINER, "f:image")


def entry(manager: str, fields: dict[str, Any], operation: str = "Apply", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "metadata": {"name": "a", "managedFields": list(entries)}}


OURS = entry("quick", {"f:spec": {"f:containers": {CONTAINER: {".": {}, "f:image": {}, "f:args": {}}}}})
SCALER = entry("scaler", {"f:spec": {"f:replicas": {}}}, "Update", subresource="scale")


def test_each_entry_is_a_manager() -> None:
    quick, scaler = managers_of(live(OURS, SCALER))
    assert ("quick", "Apply", "", "apps/v1") == (quick.name, quick.operation, quick.subresource, quick.api_version)
    assert ("scaler", "Update", "scale") == (scaler.name, scaler.operation, scaler.subresource)


@pytest.mark.parametrize("bare", [{}, {"metadata": {}}, {"metadata": {"managedFields": None}}, live({})])
def test_an_object_without_managed_fields_belongs_to_nobody(bare: dict[str, Any]) -> None:
    assert [] == owners_of(bare, IMAGE)
    assert {} == fields_of(bare, "quick")
    assert {} == all_fields(bare)


def test_owners_are_who_has_set_the_field_something_in_it_or_all_around_it() -> None:
    everything = entry("whole", {"f:spec": {}})
    inner = entry("inner", {"f:spec": {"f:containers": {CONTAINER: {"f:image": {"f:tag": {}}}}}})
    other = entry("other", {"f:spec": {"f:containers": {'k:{"name":"b"}': {"f:image": {}}}}})
    assert ["inner", "quick", "whole"] == owners_of(live(OURS, everything, inner, other, SCALER), IMAGE)


def test_who_owns_a_thing_does_not_own_what_others_put_into_it() -> None:
    labels = entry("quick", {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}})
    assert ["quick"] == owners_of(live(labels), ("f:metadata", "f:labels"))
    assert [] == owners_of(live(labels), ("f:metadata", "f:labels", "f:b"))


def test_only_what_was_applied_to_the_object_itself_counts_as_a_managers_own() -> None:
    update = entry("quick", {"f:a": {}}, "Update")
    status = entry("quick", {"f:b": {}}, subresource="status")
    older = {**entry("quick", {"f:c": {}}), "apiVersion": "apps/v1beta1"}
    assert OURS["fieldsV1"] == fields_of(live(update, status, OURS), "quick")
    assert {} == fields_of(live(update, status, older), "quick")


def test_all_fields_are_those_of_all_managers() -> None:
    assert {"f:spec": {**OURS["fieldsV1"]["f:spec"], "f:replicas": {}}} == all_fields(live(OURS, SCALER))


def test_paths_of_what_is_owned_are_leaves_and_things_themselves() -> None:
    item = ("f:spec", "f:containers", CONTAINER)
    assert [item, IMAGE, (*item, "f:args")] == list(owned_paths(OURS["fieldsV1"]))


def test_the_identity_of_an_object_cannot_be_owned() -> None:
    assert not is_ownable(("f:metadata", "f:name"))
    assert is_ownable(("f:metadata", "f:labels"))
    assert is_ownable(("f:spec", "f:name"))


def test_a_path_is_written_as_the_api_server_writes_it() -> None:
    assert '.spec.containers[name="app"].image' == path_text(IMAGE)
    assert '.ports[containerPort=80,protocol="TCP"]' == path_text(
        ("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}')
    )
    assert '.metadata.finalizers[="a/b"]' == path_text(("f:metadata", "f:finalizers", 'v:"a/b"'))
    assert ".list[3]" == path_text(("f:list", "i:3"))
    assert "." == path_text(())


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.booleans())))
def test_keys_of_an_item_survive_as_a_step(keys: dict[str, Any]) -> None:
    assert keys == keys_of(key_step(keys))


def test_other_steps_have_no_keys() -> None:
    assert None is keys_of(value_step("k:{}"))
    assert 'v:"a"' == value_step("a")
