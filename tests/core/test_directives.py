import pytest
from graphql import FieldDefinitionNode, ObjectTypeDefinitionNode, parse

from core.directives import TopicField, directive_on, topic_field


def field_of(sdl: str) -> FieldDefinitionNode:
    (definition,) = parse(f"type T {{ {sdl} }}").definitions
    assert isinstance(definition, ObjectTypeDefinitionNode)
    return definition.fields[0]


def topic_field_of(sdl: str) -> TopicField:
    field = field_of(sdl)
    directive = directive_on(field, "topic")
    assert directive is not None
    return topic_field(field, directive)


def test_all_arguments_are_read() -> None:
    sdl = 'a: [Int] @topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u")'

    assert TopicField(
        topic="t", key_argument="k", range_from="f", range_to="u", is_list=True, line=1, column=19
    ) == topic_field_of(sdl)


def test_null_counts_as_not_given() -> None:
    assert topic_field_of('a: [Int] @topic(name: "t", keyArgument: null)').key_argument is None


@pytest.mark.parametrize(("type_", "is_list"), [("X", False), ("X!", False), ("[X]", True), ("[X!]!", True)])
def test_a_list_is_one_non_null_or_not(type_: str, is_list: bool) -> None:  # noqa: FBT001  a parameter of pytest
    assert is_list == topic_field_of(f'a: {type_} @topic(name: "t")').is_list


def test_only_a_list_without_keys_reads_all() -> None:
    assert topic_field_of('a: [X] @topic(name: "t")').reads_all
    assert not topic_field_of('a: [X] @topic(name: "t", keyField: "ids")').reads_all
    assert not topic_field_of('a: [X] @topic(name: "t", keyArgument: "ids")').reads_all


def test_a_field_without_the_directive_has_none() -> None:
    assert directive_on(field_of("a: X @deprecated"), "topic") is None
