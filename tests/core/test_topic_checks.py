from collections.abc import Mapping

import pytest

from core.errors import SdlProblem
from core.sdl import parse_gateway_schema
from core.topic_checks import TopicFinding, TopicTypes, check_topics
from core.types import TopicType

RECORDS_BY_TYPE = {f"by-{type_.value.lower()}": TopicTypes(type_, TopicType.SCHEMA) for type_ in TopicType}


def findings_of(sdl: str, topics: Mapping[str, TopicTypes]) -> list[TopicFinding]:
    return check_topics(parse_gateway_schema(sdl), topics.get)


def messages_of(sdl: str, topics: Mapping[str, TopicTypes]) -> list[str]:
    findings = findings_of(sdl, topics)
    assert not any(finding.is_warning for finding in findings)
    return [finding.problem.message for finding in findings]


def by_argument(scalar: str, topic: str) -> str:
    field = f'a(k: {scalar}): P @topic(name: "{topic}", keyArgument: "k")'
    return f"enum E {{ A }} type P {{ id: Int }} type Query {{ {field} }}"


def by_field(scalar: str, topic: str) -> str:
    field = f'a: P @topic(name: "{topic}", keyField: "k")'
    return f"type Query {{ q: R }} type P {{ id: Int }} type R {{ k: {scalar} {field} }}"


FITTING = [
    ("Int", "by-integer"),
    ("Int", "by-long"),
    ("Int", "by-double"),
    ("Long", "by-long"),
    ("Float", "by-double"),
    ("String", "by-string"),
    ("ID", "by-string"),
]


@pytest.mark.parametrize(("scalar", "topic"), FITTING)
def test_a_key_may_be_widened(scalar: str, topic: str) -> None:
    assert [] == messages_of(by_argument(scalar, topic), RECORDS_BY_TYPE)
    assert [] == messages_of(by_field(f"{scalar}!", topic), RECORDS_BY_TYPE)


@pytest.mark.parametrize(
    ("scalar", "topic"),
    [
        (scalar, topic)
        for scalar in ("Int", "Long", "Float", "String", "ID", "Boolean")
        for topic in RECORDS_BY_TYPE
        if (scalar, topic) not in FITTING
    ],
)
def test_no_other_key_fits(scalar: str, topic: str) -> None:
    assert 1 == len(messages_of(by_argument(scalar, topic), RECORDS_BY_TYPE))
    assert 1 == len(messages_of(by_field(scalar, topic), RECORDS_BY_TYPE))


def test_an_enum_is_a_text_key() -> None:
    assert [] == messages_of(by_argument("E", "by-string"), RECORDS_BY_TYPE)
    assert 1 == len(messages_of(by_argument("E", "by-integer"), RECORDS_BY_TYPE))


def test_a_record_key_comes_from_an_object() -> None:
    sdl = 'type Query { a(k: K): Int @topic(name: "t", keyArgument: "k") } input K { id: Int }'

    assert [] == messages_of(sdl, {"t": TopicTypes(TopicType.SCHEMA, TopicType.INTEGER)})


def test_a_wrong_key_argument_is_told_with_the_way_out() -> None:
    sdl = 'type Query { a(k: [String]): [Int] @topic(name: "t", keyArgument: "k") }'

    assert [
        'Argument k of Query.a is String, but the keys of topic "t" are of type long: use Long or Int.'
    ] == messages_of(sdl, {"t": TopicTypes(TopicType.LONG, TopicType.INTEGER)})


def test_a_wrong_key_field_is_told_with_the_way_out() -> None:
    assert [
        'Field R.k is Float, but the keys of topic "by-string" are of type string: use String or ID.'
    ] == messages_of(by_field("Float", "by-string"), RECORDS_BY_TYPE)


def test_a_forwarded_argument_fits_if_one_query_field_declares_it_so() -> None:
    sdl = 'type Query { a(k: Int): P b(k: String): P c: P } type P { x: Int @topic(name: "t", keyArgument: "k") }'

    assert [] == messages_of(sdl, {"t": TopicTypes(TopicType.STRING, TopicType.INTEGER)})
    assert [
        (
            'Argument k of P.x is Int or String, but the keys of topic "t" are of type schema: '
            "use an object or input type."
        )
    ] == messages_of(sdl, {"t": TopicTypes(TopicType.SCHEMA, TopicType.INTEGER)})


def test_values_have_the_shape_of_the_field() -> None:
    sdl = 'type Query { p: [P] @topic(name: "t") s: [String] @topic(name: "t") } type P { id: Int }'

    assert [
        'Query.p returns P, but the values of topic "t" are of type string: use a scalar, or another topic.'
    ] == messages_of(sdl, {"t": TopicTypes(TopicType.STRING, TopicType.STRING)})
    assert [
        (
            'Query.s returns String, but the values of topic "t" are of type schema: '
            "use an object type, or another topic."
        )
    ] == messages_of(sdl, {"t": TopicTypes(TopicType.STRING, TopicType.SCHEMA)})


def test_a_missing_topic_is_a_warning_at_its_directive() -> None:
    sdl = 'type Query {\n  p: [Int] @topic(name: "later")\n}'

    assert [TopicFinding(SdlProblem('topic "later" does not exist yet', 2, 12), is_warning=True)] == findings_of(
        sdl, {}
    )
