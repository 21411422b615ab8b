"""Values in templates: whatever they hold, each stays one value in its place."""

from __future__ import annotations

import json

import jinja2
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from k8s.documents import as_documents
from k8s.rendering import Manifest, as_json, manifest

HOSTILE = [
    '"',
    "\\",
    "'\"\n- x: y",
    "a: b # c",
    "{{ name }}{% raw %}",
    "!!python/object:os.system",
    "&a *a <<",
    "---\n...\n",
    "\x00\x1b\x7f\x85\xa0",
    "\u2028\u2029\ufeff\ufffe\uffff",
    "\U0001f600",
    " \n  leading\n\n trailing \n",
    "\r\n\t",
    "yes",
    "1e3",
    "null",
    "",
    "a" * 3000,
]

TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(), st.lists(st.sampled_from(HOSTILE), min_size=1).map("".join))


@given(TEXTS)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_a_text_comes_back_from_yaml_and_from_json_as_it_was(loader: type[yaml.SafeLoader], text: str) -> None:
    written = str(as_json(text))
    assert {"a": text, "b": 1} == yaml.load(f"a: {written}\nb: 1\n", Loader=loader)
    assert text == json.loads(written)
    assert "\n" not in written


@pytest.mark.parametrize("value", [True, 8081, ["serve", "--topic=a b"], {"a": [1, "x"]}])
def test_other_values_come_back_too(value: object) -> None:
    assert value == yaml.safe_load(str(as_json(value)))


def test_a_value_that_a_template_lacks_is_a_mistake() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        manifest("mirror-service", {})


def test_a_value_that_may_be_missing_is_not_inserted_unasked() -> None:
    with pytest.raises(TypeError, match="without asking"):
        as_json(None)


@given(TEXTS)
@example("1e3")
@example("\x85")
@example("a\x85\nb")
def test_documents_read_as_what_they_were_made_of(text: str) -> None:
    objects: list[Manifest] = [{"kind": "ConfigMap", "data": {"b": text, "a": [text, True, 7, {}]}}, {"kind": text}]
    assert objects == list(yaml.safe_load_all(as_documents(objects)))


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "0x1F", "1_000", "12:30:45", "+1", "-1e3", ".5", "y", "N", "2.0", "on"]
)
def test_a_text_that_others_take_for_something_else_stands_in_quotes(text: str) -> None:
    assert f"a: '{text}'\n" == as_documents([{"a": text}])


def test_a_text_of_several_lines_is_written_as_it_is() -> None:
    assert "schema: |\n  type Query {\n    a: Int\n  }\n" == as_documents([{"schema": "type Query {\n  a: Int\n}\n"}])


def test_there_are_documents_to_apply_only_where_there_are_objects() -> None:
    assert "# Nothing is declared that runs in Kubernetes.\n" == as_documents([])
    assert "a: b\n---\na: c\n" == as_documents([{"a": "b"}, {"a": "c"}])
