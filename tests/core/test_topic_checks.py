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
    ("UUID", "by-string"),
    ("DateTime", "by-string"),
    ("Date", "by-string"),
    ("Decimal", "by-string"),
    ("JSON", "by-string"),
    ("JSON", "by-long"),
    ("JSON", "by-schema"),
]


@pytest.mark.parametrize(("scalar", "topic"), FITTING)
def test_a_key_may_be_widened(scalar: str, topic: str) -> None:
    assert [] == messages_of(by_argument(scalar, topic), RECORDS_BY_TYPE)
    assert [] == messages_of(by_field(f"{scalar}!", topic), RECORDS_BY_TYPE)


@pytest.mark.parametrize(
    ("scalar", "topic"),
    [
        (scalar, topic)
        for scalar in ("Int", "Long", "Float", "String", "ID", "Boolean", "UUID", "DateTime", "BigInt")
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


def test_values_without_a_record_fit_the_scalar() -> None:
    def messages(scalar: str, value_type: TopicType) -> list[str]:
        sdl = f'type Query {{ a: [{scalar}] @topic(name: "t") }} scalar Money'
        return messages_of(sdl, {"t": TopicTypes(TopicType.STRING, value_type)})

    assert [] == messages("Long", TopicType.INTEGER)
    assert [] == messages("String", TopicType.INTEGER)
    assert [] == messages("Float", TopicType.LONG)
    assert [] == messages("Money", TopicType.SCHEMA)
    assert [] == messages("DateTime", TopicType.STRING)
    assert ['Query.a is Int, but each value of topic "t" is string: use String.'] == messages("Int", TopicType.STRING)
    assert ['Query.a is DateTime, but each value of topic "t" is long: use Long.'] == messages(
        "DateTime", TopicType.LONG
    )


def test_a_value_that_is_too_large_for_an_int_is_a_warning() -> None:
    findings = findings_of(
        'type Query { a: [Int] @topic(name: "t") }', {"t": TopicTypes(TopicType.STRING, TopicType.LONG)}
    )

    assert [True] == [finding.is_warning for finding in findings]


@pytest.mark.parametrize("type_", ["I", "U"])
def test_an_interface_or_union_is_served_from_records_only(type_: str) -> None:
    sdl = (
        f'type Query {{ a: [{type_}] @topic(name: "t") }} interface I {{ a: Int }} '
        "type X implements I { a: Int } union U = X"
    )

    assert [] == messages_of(sdl, {"t": TopicTypes(TopicType.STRING, TopicType.SCHEMA)})
    assert [
        f'Query.a returns {type_}, but the values of topic "t" are of type long: use a scalar, or another topic.'
    ] == messages_of(sdl, {"t": TopicTypes(TopicType.STRING, TopicType.LONG)})


def test_each_topic_is_looked_up_once() -> None:
    looked_up: list[str] = []

    def topics(name: str) -> TopicTypes | None:
        looked_up.append(name)
        return TopicTypes(TopicType.STRING, TopicType.STRING)

    sdl = 'type Query { a: [String] @topic(name: "t") b: [String] @topic(name: "t") c: [String] @topic(name: "u") }'

    assert [] == check_topics(parse_gateway_schema(sdl), topics)
    assert ["t", "u"] == looked_up


IDLE = "The mutation idle does nothing, and is always null. Give it @topic or @rest, or remove it."


def test_a_mutation_that_does_nothing_is_a_warning_at_its_place() -> None:
    sdl = 'type Query { a: Int }\ntype Mutation { idle(id: Int): Int b(k: Int, v: Int): Int @topic(name: "t") }'

    assert [TopicFinding(SdlProblem(IDLE, 2, 17), is_warning=True)] == findings_of(
        sdl, {"t": TopicTypes(TopicType.INTEGER, TopicType.INTEGER)}
    )
