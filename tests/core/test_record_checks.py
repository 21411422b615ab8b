import json
from typing import Any

import pytest
from graphql import GraphQLError, specified_scalar_types

from core.avro import AvroCodec
from core.avro_schema import to_avro
from core.built_in_scalars import BUILT_IN_SCALARS
from core.errors import InvalidValueError
from core.mirrors import MirrorDefinition
from core.protobuf_schema import to_protobuf
from core.registered_schema import RegisteredSchema
from core.scalar_fits import Fit, serves, writes
from core.scalar_values import scalar_values
from core.sdl import parse_gateway_schema
from core.stored_shapes import StoredKind, shape_of
from core.topic_checks import TopicFinding, TopicTypes, check_topics
from core.types import TopicType
from core.write_types import write_type

READ_P = 'type Query { p(k: ID): P @topic(name: "t", keyArgument: "k") }'
WRITE_P = 'type Query { q: Int } type Mutation { p(k: ID, v: V): P @topic(name: "t") }'


def avro(schema: Any, **more: Any) -> TopicTypes:
    registered = RegisteredSchema(schema_id=1, schema_type="AVRO", schema=json.dumps(schema))
    return TopicTypes(TopicType.STRING, TopicType.SCHEMA, registered, **more)


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": type_} for n, type_ in fields.items()]}


def findings(sdl: str, **topics: TopicTypes) -> list[TopicFinding]:
    return check_topics(parse_gateway_schema(sdl), topics.get)


def told(sdl: str, **topics: TopicTypes) -> list[tuple[str, str]]:
    return [
        ("warning" if finding.is_warning else "problem", finding.problem.message) for finding in findings(sdl, **topics)
    ]


def levels(sdl: str, **topics: TopicTypes) -> list[str]:
    return [level for level, _ in told(sdl, **topics)]


def served(graphql_type: str, stored: Any, more: str = "") -> list[tuple[str, str]]:
    return told(f"{READ_P} type P {{ f: {graphql_type} }} {more}", t=avro(record("P", f=stored)))


def written(graphql_type: str, stored: Any, more: str = "") -> list[tuple[str, str]]:
    sdl = f"{WRITE_P} type P {{ g: Int }} input V {{ f: {graphql_type} }} {more}"
    return [
        (level, message)
        for level, message in told(sdl, t=avro(record("P", f=stored)))
        if not message.startswith("P.")  # of what the mutation returns
    ]


def test_a_topic_whose_schema_came_from_the_type_fits_in_each_format() -> None:
    sdl = f"""{READ_P}
    type P {{ id: ID! a: Int b: Long! c: Float d: [String!]! e: [E] f: Boolean g: P h: O! i: DateTime j: Date k: Time
      l: UUID m: Bytes n: Decimal o(x: Int): P @topic(name: "t", keyField: "id") }}
    type O {{ x: Int! }} enum E {{ A B }}
    type Mutation {{ set(k: ID!, v: V!): P @topic(name: "t") }}
    input V {{ id: ID! a: Int b: Long! c: Float d: [String!]! e: [E] f: Boolean g: V h: W! i: DateTime j: Date k: Time
      l: UUID m: Bytes n: Decimal }}
    input W {{ x: Int! }}"""
    stored = write_type(parse_gateway_schema(sdl), "P")

    for schema_type, schema in (("AVRO", to_avro(stored, "P", "n")), ("PROTOBUF", to_protobuf(stored, "P", "n"))):
        registered = RegisteredSchema(schema_id=1, schema_type=schema_type, schema=schema)
        assert [] == told(sdl, t=TopicTypes(TopicType.STRING, TopicType.SCHEMA, registered))


@pytest.mark.parametrize(
    ("graphql_type", "stored", "message"),
    [
        ("Int", "string", 'P.f is Int, but the field f of topic "t" is string: use String.'),
        ("Long", {"type": "long", "logicalType": "timestamp-millis"}, "is timestamp-millis: use DateTime."),
        ("String", record("R", a="int"), "is record R: use an object type."),
        ("[Int]", "int", 'P.f is the list [Int], but the field f of topic "t" is int: use no list.'),
        ("Int", {"type": "array", "items": "int"}, "is array: use a list."),
        ("[Boolean]", {"type": "array", "items": "string"}, "each item of the field f of topic"),
        ("E", "int", "P.f is the enum E, but the field f of topic"),
        ("Q", "string", "is string: use String."),
        ("Float", ["string", "boolean", "bytes"], None),
        ("Q", ["string", "int"], "is union (string, int): use a union of object types, or JSON."),
        ("Date", {"type": "long", "logicalType": "timestamp-micros"}, "use DateTime."),
        ("DateTime", {"type": "long", "logicalType": "local-timestamp-micros"}, "use String."),
    ],
)
def test_what_can_never_be_served_is_a_problem(graphql_type: str, stored: Any, message: str | None) -> None:
    found = served(graphql_type, stored, "type Q { a: Int } enum E { A }")

    if message is not None:
        assert ["problem"] == [level for level, _ in found]
        assert message in found[0][1]
    else:
        assert [
            (
                "warning",
                (
                    'P.f is Float, but the field f of topic "t" may be string or bytes, and then is an error. '
                    "Use JSON for both."
                ),
            )
        ] == found


@pytest.mark.parametrize(
    ("graphql_type", "stored", "message"),
    [
        (
            "Int",
            "long",
            'P.f is Int, but the field f of topic "t" is long: a value that does not fit is an error.',
        ),
        ("Int!", ["null", "int"], 'P.f is non-null, but the field f of topic "t" may be null, and then is an error.'),
        ("E", {"type": "enum", "name": "S", "symbols": ["A", "B", "C"]}, "may be B, C, which the enum lacks"),
        ("[Int!]", {"type": "array", "items": ["null", "int"]}, "each item of the field f of topic"),
        ("U", record("R", a="int"), "no type of U has that name"),
    ],
)
def test_what_fails_at_times_is_a_warning(graphql_type: str, stored: Any, message: str) -> None:
    found = served(graphql_type, stored, "enum E { A } union U = X | Y type X { a: Int } type Y { a: Int }")

    assert ["warning"] == [level for level, _ in found]
    assert message in found[0][1]


@pytest.mark.parametrize(
    ("graphql_type", "stored"),
    [
        ("Float", "int"),
        ("Long", "int"),
        ("String", "int"),
        ("Boolean", "int"),
        ("String", {"type": "enum", "name": "S", "symbols": ["A"]}),
        ("E", "string"),
        ("DateTime", {"type": "long", "logicalType": "timestamp-millis"}),
        ("Decimal", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
        ("Float", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
        ("UUID", "string"),
        ("String", "bytes"),
        ("JSON", record("R", a="int")),
        ("Money", {"type": "map", "values": "int"}),
        ("Q", {"type": "map", "values": "int"}),
        ("Int", "null"),
        ("Q", [record("X", a="int"), record("Y", a="int")]),
        ("U", [record("X", a="int"), record("Y", a="int")]),
        ("I", [record("X", a="int"), record("Y", a="int")]),
        ("U", record("n.X", a="int")),
        ("U", record("R", a="int", __typename="string")),
        ("Only", record("R", a="int")),
    ],
)
def test_what_works_is_not_told(graphql_type: str, stored: Any) -> None:
    assert [] == served(
        graphql_type,
        stored,
        "enum E { A } type Q { a: Int } type X implements I { a: Int } type Y implements I { a: Int } "
        "interface I { a: Int } union U = X | Y union Only = X scalar Money",
    )


def test_a_field_that_records_lack_is_a_problem_only_where_null_is_one() -> None:
    sdl = f'{READ_P} type P {{ a: Int!\n b: Int\n c: Int! @topic(name: "t", keyField: "f")\n f: Int }}'

    assert [
        (
            "problem",
            (
                'P.a is non-null, but record P of topic "t" has no such field. '
                "Let it be nullable, or fill it with @topic or @rest."
            ),
            1,
        ),
        (
            "warning",
            'P.b is always null: record P of topic "t" has no such field. If it is not meant, correct the name.',
            2,
        ),
    ] == [
        ("warning" if finding.is_warning else "problem", finding.problem.message, finding.problem.line)
        for finding in findings(sdl, t=avro(record("P", f="string")))
        if "has no such field" in finding.problem.message
    ]


def test_the_type_that_a_topic_takes_its_schema_from_may_be_ahead_of_it() -> None:
    sdl = f"{READ_P} type P {{ f: Int  new: Int! }}"

    assert ["problem"] == levels(sdl, t=avro(record("P", f="int")))
    assert ["warning"] == levels(sdl, t=avro(record("P", f="int"), ahead="P"))


def test_nested_and_recursive_records_are_compared_once() -> None:
    stored = record("P", next=["null", "P"], other=["null", "P"], inner=record("Q", bad="string"))
    sdl = f"{READ_P} type P {{ next: P  other: P  inner: Q!  again: [P] }} type Q {{ bad: Int }}"

    assert ["P.again is always null", "Q.bad is Int, but the field bad"] == [
        message.partition(":")[0].partition(" of topic")[0] for _, message in told(sdl, t=avro(stored))
    ]


@pytest.mark.parametrize(
    ("key_type", "stored", "is_right"),
    [
        (TopicType.STRING, "string", True),
        (TopicType.STRING, ["null", {"type": "string", "logicalType": "uuid"}], True),
        (TopicType.STRING, "int", False),
        (TopicType.LONG, "int", True),
        (TopicType.INTEGER, "long", True),
        (TopicType.DOUBLE, "long", True),
        (TopicType.LONG, "double", False),
        (TopicType.SCHEMA, "string", False),
        (TopicType.SCHEMA, record("K", a="int"), True),
    ],
)
@pytest.mark.parametrize("is_list", [False, True])
def test_a_key_field_holds_keys_of_the_other_topic(
    key_type: TopicType, stored: Any, *, is_right: bool, is_list: bool
) -> None:
    key, other = ("[JSON]", "[Int]") if is_list else ("JSON", "Int")
    sdl = f'{READ_P} type P {{ f: {key} o: {other} @topic(name: "o", keyField: "f") }}'
    stored = {"type": "array", "items": stored} if is_list else stored

    found = told(sdl, t=avro(record("P", f=stored)), o=TopicTypes(key_type, TopicType.INTEGER))

    assert ([] if is_right else ["problem"]) == [level for level, _ in found]
    assert is_right or "P.o takes its keys from f, which is" in found[0][1]


@pytest.mark.parametrize(
    ("graphql_type", "stored", "message"),
    [
        ("Int", "string", 'V.f is Int, but the field f of topic "t" is string: use String.'),
        ("String!", "int", "is int: use Int."),
        ("W", "int", "V.f is W, but the field f"),
        ("Int!", record("R", a="int"), "is record R: use an input type."),
        ("[Int!]!", "int", "use no list."),
        ("W!", record("R", a="int", needed="int"), "W has no field needed, which record R of topic"),
        ("Boolean!", ["null", "int", "string"], "is union (int, string): use an input type."),
        ("E!", "int", "V.f is the enum E"),
    ],
)
def test_what_can_never_be_written_is_a_problem(graphql_type: str, stored: Any, message: str) -> None:
    found = written(graphql_type, stored, "input W { a: Int! } enum E { A }")

    assert "problem" in [level for level, _ in found]
    assert any(message in text for level, text in found if level == "problem")


@pytest.mark.parametrize(
    ("graphql_type", "stored", "message"),
    [
        ("Int", "int", 'V.f is nullable, but the field f of topic "t" must not be null or left out'),
        ("Long!", "int", "a value that does not fit is an error"),
        ("E!", {"type": "enum", "name": "S", "symbols": ["A"]}, "has no B: writing that is an error"),
        ("W!", record("R", a="int"), "W.b is not stored"),
    ],
)
def test_what_cannot_be_written_at_times_is_a_warning(graphql_type: str, stored: Any, message: str) -> None:
    found = written(graphql_type, stored, "enum E { A B } input W { a: Int! b: Int! }")

    assert ["warning"] == [level for level, _ in found]
    assert message in found[0][1]


def test_a_mutation_is_compared_as_a_whole() -> None:
    records, numbers = avro(record("P", f="int")), TopicTypes(TopicType.LONG, TopicType.INTEGER)

    def messages(mutation: str, types: TopicTypes) -> list[str]:
        sdl = f"type Query {{ q: Int }} input V {{ f: Int! }} type P {{ f: Int }} type Mutation {{ {mutation} }}"
        return [message for _, message in told(sdl, t=types)]

    assert [] == messages('set(k: ID, v: V): P @topic(name: "t")', records)
    assert [] == messages('set(k: [ID!], v: [V!]): [P] @topic(name: "t")', records)
    assert [] == messages('set(k: Int, v: Int): Long @topic(name: "t")', numbers)
    assert [
        'Argument k of Mutation.set is Float, but the keys of topic "t" are of type string: use String or ID.'
    ] == messages('set(k: Float, v: V): P @topic(name: "t")', records)
    assert [
        (
            'Argument v of Mutation.set is V, but the values of topic "t" are of type integer: '
            "use a scalar or an enum, or another topic."
        ),
        'Mutation.set returns P, but the values of topic "t" are of type integer: use a scalar, or another topic.',
    ] == messages('set(k: Int, v: V): P @topic(name: "t")', numbers)
    assert [
        (
            'Argument v of Mutation.set is Int, but the values of topic "t" are of type schema: '
            "use an input type, or another topic."
        ),
        (
            'Mutation.set returns Int, but the values of topic "t" are of type schema: '
            "use an object type, or another topic."
        ),
    ] == messages('set(k: ID, v: Int): Int @topic(name: "t")', records)
    assert [
        'Argument v of Mutation.set is String, but each value of topic "t" is integer: use Int.',
    ] == messages('set(k: Int, v: String): Int @topic(name: "t")', numbers)


RANGE = 'p(k: {key}, f: {low}, u: {low}): [P] @topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u")'


def ranged(key: str, low: str, mirror: MirrorDefinition | None) -> list[tuple[str, str]]:
    stored = record("P", at={"type": "long", "logicalType": "timestamp-millis"}, n="int", s="string")
    sdl = f"type Query {{ {RANGE.format(key=key, low=low)} }} type P {{ n: Int }} enum E {{ A }}"
    return told(sdl, t=avro(stored, mirror=mirror))


@pytest.mark.parametrize(
    ("key", "low", "mirror", "expected"),
    [
        ("ID", "DateTime", MirrorDefinition(range_field="at"), []),
        ("ID", "Long", MirrorDefinition(range_field="at"), []),
        ("ID", "Int", MirrorDefinition(range_field="n"), []),
        ("ID", "Boolean", MirrorDefinition(range_field="n"), ["problem", "problem"]),
        ("ID", "DateTime", MirrorDefinition(range_field="n"), ["problem", "problem"]),
        ("Int", "Int", MirrorDefinition(range_field="at", range_key="n"), []),
        ("String", "Int", MirrorDefinition(range_field="at", range_key="n"), ["problem"]),
        ("E", "E", MirrorDefinition(range_field="s", range_key="s"), []),
        ("Float", "Int", MirrorDefinition(range_field="n"), ["problem"]),
        ("ID", "Boolean", MirrorDefinition(), ["warning"]),
        ("Float", "Boolean", None, []),
        ("JSON", "JSON", MirrorDefinition(range_field="n", range_key="n"), []),
    ],
)
def test_a_range_fits_what_the_mirror_keeps(
    key: str, low: str, mirror: MirrorDefinition | None, expected: list[str]
) -> None:
    assert expected == [level for level, _ in ranged(key, low, mirror)]


def test_a_wrong_bound_is_told_with_its_place_and_the_way_out() -> None:
    assert (
        "problem",
        (
            "Argument f of Query.p is Boolean, but the mirror compares it with the field at, which is timestamp: "
            "use DateTime."
        ),
    ) == ranged("ID", "Boolean", MirrorDefinition(range_field="at"))[0]


SAMPLES: dict[str, tuple[Any, list[Any]]] = {
    "boolean": ("boolean", [True, False]),
    "int": ("int", [0, -(2**31), 2**31 - 1]),
    "long": ("long", [0, -(2**63), 2**63 - 1]),
    "double": ("double", [0.0, 1.5, 1e300]),
    "string": ("string", ["x", "", "é"]),
    "enum": ({"type": "enum", "name": "S", "symbols": ["RED"]}, ["RED"]),
    "bytes": ("bytes", ["aGk=", ""]),
    "date": ({"type": "int", "logicalType": "date"}, ["2026-11-24"]),
    "time": ({"type": "long", "logicalType": "time-micros"}, ["12:34:56.789012", "00:00:00"]),
    "moment": ({"type": "long", "logicalType": "timestamp-micros"}, ["2026-11-24T12:34:56.789012Z"]),
    "local moment": ({"type": "long", "logicalType": "local-timestamp-millis"}, ["2026-11-24T12:34:56"]),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, ["1.10", "-1234567.89"]),
    "uuid": ({"type": "string", "logicalType": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"]),
}
SCALARS = {
    **specified_scalar_types,
    **{name: scalar_values(name) for name in BUILT_IN_SCALARS},
    "Own": scalar_values("Own"),
}


def codec_of(stored: Any) -> AvroCodec:
    schema = json.dumps(record("P", f=stored))

    def no_other(schema_id: int) -> RegisteredSchema:
        raise AssertionError(schema_id)

    return AvroCodec(RegisteredSchema(schema_id=1, schema_type="AVRO", schema=schema), no_other)


def can_serve(scalar: str, value: Any) -> bool:
    try:
        SCALARS[scalar].serialize(value)
    except GraphQLError:
        return False
    return True


@pytest.mark.parametrize("scalar", SCALARS)
@pytest.mark.parametrize("kind", SAMPLES)
def test_what_is_said_of_serving_is_what_happens(kind: str, scalar: str) -> None:
    stored, nodes = SAMPLES[kind]
    codec = codec_of(stored)
    shape = shape_of(
        TopicType.SCHEMA, RegisteredSchema(schema_id=1, schema_type="AVRO", schema=json.dumps(record("P", f=stored)))
    )
    assert shape is not None
    assert shape.fields is not None
    fit = serves(scalar, shape.fields["f"].kind)
    assert kind == shape.fields["f"].kind

    results = {can_serve(scalar, codec.to_json(codec.from_json({"f": node}))["f"]) for node in nodes}

    if fit is Fit.ALWAYS:
        assert {True} == results
    elif fit is Fit.NEVER:
        assert {False} == results


@pytest.mark.parametrize("scalar", [name for name in SCALARS if name not in {"Own", "JSON"}])
@pytest.mark.parametrize("kind", SAMPLES)
def test_what_is_said_of_writing_is_what_happens(kind: str, scalar: str) -> None:
    codec = codec_of(SAMPLES[kind][0])
    fit = writes(scalar, StoredKind(kind))

    results = {can_write(codec, node) for node in SENT[scalar]}

    if fit is Fit.ALWAYS:
        assert {True} == results
    elif fit is Fit.NEVER:
        assert {False} == results


SENT: dict[str, list[Any]] = {
    "Int": [0, 2**31 - 1],
    "Long": [0, 2**63 - 1],
    "BigInt": [0, 10**30],
    "Float": [0.5, 1e300],
    "String": ["x", ""],
    "ID": ["x", "5"],
    "Boolean": [True, False],
    "DateTime": ["2026-11-24T12:34:56Z"],
    "Date": ["2026-11-24"],
    "Time": ["12:34:56"],
    "UUID": ["123e4567-e89b-12d3-a456-426614174000"],
    "Decimal": ["1.10", "100"],
    "Bytes": ["aGk="],
}


def can_write(codec: AvroCodec, node: Any) -> bool:
    try:
        codec.from_json({"f": node})
    except InvalidValueError:
        return False
    return True
