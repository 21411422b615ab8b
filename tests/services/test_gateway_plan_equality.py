"""Any operation over any data: a plan answers as graphql-core does."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.answers import Answer
from services.gateway.executor import GatewayExecutor
from tests.services.memory_mirrors import MemoryMirrors

SDL = """
type Query {
  one(k: Int): Node @topic(name: "nodes", keyArgument: "k")
  many(ks: [Int]): [Node] @topic(name: "nodes", keyArgument: "ks")
  each(ks: [Int]): [Node!]! @topic(name: "nodes", keyArgument: "ks")
  every: [Node] @topic(name: "nodes")
  nameOf(k: Int): String @topic(name: "names", keyArgument: "k")
  gone(k: Int): Node @topic(name: "gone", keyArgument: "k")
  above(k: Int): Above
  plain: Node
}
type Above {
  node: Node @topic(name: "nodes", keyArgument: "k")
  deeper: Above
  text: String
}
type Node {
  id: Int!
  name: String
  size: Float
  big: Long
  flag: Boolean
  key: ID
  color: Color
  colors: [Color!]
  matrix: [[Int]!]
  part: Part
  parts: [Part]
  needed: Part!
  nextId: Int
  otherIds: [Int]
  next: Node @topic(name: "nodes", keyField: "nextId")
  neededNext: Node! @topic(name: "nodes", keyField: "nextId")
  others: [Node] @topic(name: "nodes", keyField: "otherIds")
  echo(x: Int! = 3): Int
}
type Part {
  label: String!
  weight: Float
  inner: Part
  ownerId: Int
  owner: Node @topic(name: "nodes", keyField: "ownerId")
}
enum Color { RED GREEN }
"""

KEYS = st.integers(0, 5)
ODD = st.sampled_from(
    [
        None,
        True,
        7,
        2**31,
        2**63,
        1.5,
        -0.0,
        float("nan"),
        float("inf"),
        "text",
        "5",
        "",
        b"\xff",
        [],
        [1],
        {},
        dt.date(2026, 1, 2),
        decimal.Decimal("1.50"),
        ("x.Part", {"label": "named"}),
    ]
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*[usual] * 15, ODD)


def records(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return records; what is non-null is seldom missing, or hardly any answer would be without errors."""
    required = {name: mostly(usual) for name, usual in fields.items() if name in ("id", "label", "needed")}
    optional = {name: mostly(usual) for name, usual in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


COLORS = st.sampled_from(["RED", "GREEN", "BLUE"])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PARTS = records(
    label=st.text(max_size=3),
    weight=FLOATS,
    ownerId=KEYS,
    inner=records(label=st.text(max_size=3), ownerId=KEYS),
)
NODES = records(
    id=st.integers(-(2**31), 2**31 - 1),
    name=st.text(max_size=3),
    size=FLOATS,
    big=st.integers(-(2**63), 2**63 - 1),
    flag=st.booleans(),
    key=st.text(max_size=3),
    color=COLORS,
    colors=st.lists(COLORS, max_size=2),
    matrix=st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2),
    part=PARTS,
    parts=st.lists(PARTS, max_size=2),
    needed=PARTS,
    nextId=KEYS,
    otherIds=st.lists(st.none() | KEYS, max_size=3),
    echo=st.integers(0, 9),
)
DATA = st.dictionaries(KEYS, mostly(NODES), max_size=6)

CONDITIONS = st.sampled_from(
    ["", "", "", "@include(if: $t)", "@skip(if: $f)", "@include(if: false)", "@skip(if: $t) @include(if: $t)"]
)

LEAVES = {
    "Node": ["id", "name", "size", "big", "flag", "key", "color", "colors", "matrix", "echo", "__typename"],
    "Part": ["label", "weight", "__typename"],
    "Above": ["text", "__typename"],
    "Query": ["nameOf", "__typename"],
}
OBJECTS = {
    "Node": {
        "part": "Part",
        "parts": "Part",
        "needed": "Part",
        "next": "Node",
        "neededNext": "Node",
        "others": "Node",
    },
    "Part": {"inner": "Part", "owner": "Node"},
    "Above": {"node": "Node", "deeper": "Above"},
    "Query": {
        "one": "Node",
        "many": "Node",
        "each": "Node",
        "every": "Node",
        "gone": "Node",
        "above": "Above",
        "plain": "Node",
    },
}
ARGUMENTS = {
    "one": ["(k: 1)", "(k: $k)", "(k: 4)", ""],
    "nameOf": ["(k: 1)", "(k: $k)"],
    "gone": ["(k: $k)"],
    "above": ["(k: 2)", "(k: $k)", ""],
    "many": ["(ks: [1, 2, null, 9])", "(ks: $ks)", "(ks: [1, $k])", "(ks: 3)"],
    "each": ["(ks: [0, 1, 2])", "(ks: $ks)"],
    "echo": ["", "(x: 5)", "(x: $x)"],
}


@st.composite
def selections(draw: st.DrawFn, type_: str, depth: int) -> str:
    """Return fields of a type; an alias tells which arguments the field has, so that equal ones can be merged."""
    kinds = ["leaf", "leaf", "inline", "spread"] + (["object"] * 4 if depth else [])
    written = []
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4)):
        condition = draw(CONDITIONS)
        if kind == "spread" and type_ in ("Node", "Part"):
            written.append(f"...Of{type_} {condition}")
        elif kind == "inline":
            on = draw(st.sampled_from(["", f"on {type_}"]))
            written.append(f"... {on} {condition} {{ {draw(selections(type_, max(depth - 1, 0)))} }}")
        elif kind == "object":
            name, below = draw(st.sampled_from(sorted(OBJECTS[type_].items())))
            written.append(f"{draw(called(name))} {condition} {{ {draw(selections(below, depth - 1))} }}")
        else:
            written.append(f"{draw(called(draw(st.sampled_from(LEAVES[type_]))))} {condition}")
    return " ".join(written)


@st.composite
def called(draw: st.DrawFn, name: str) -> str:
    choices = ARGUMENTS.get(name, [""])
    number = draw(st.integers(0, len(choices) - 1))
    if name == "__typename" or len(choices) == 1:
        return draw(st.sampled_from([name, f"other_{name.strip('_')}: {name}"])) + choices[0]
    return f"{name}_{number}: {name}{choices[number]}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    fragments = [f"fragment Of{type_} on {type_} {{ {draw(leaves_and_parts(type_))} }}" for type_ in ("Node", "Part")]
    query = draw(selections("Query", 4))
    head = "query ($k: Int, $ks: [Int], $x: Int, $t: Boolean!, $f: Boolean! = false)"
    used = "use: one(k: $k) @skip(if: $t) { ...OfNode echo_9: echo(x: $x) part { ...OfPart } } "
    also = "also: many(ks: $ks) @skip(if: true) { id @include(if: $f) }"
    return " ".join([f"{head} {{ {query} {used} {also} }}", *fragments])


@st.composite
def leaves_and_parts(draw: st.DrawFn, type_: str) -> str:
    names = draw(st.lists(st.sampled_from(LEAVES[type_]), min_size=1, max_size=3))
    below = "part { label weight }" if type_ == "Node" and draw(st.booleans()) else ""
    return " ".join([draw(called(name)) for name in names] + [below])


VARIABLES = st.fixed_dictionaries(
    {"t": st.booleans()},
    optional={
        "k": st.one_of(KEYS, KEYS, KEYS, st.sampled_from([None, "wrong"])),
        "ks": st.none() | st.lists(st.none() | KEYS, max_size=4) | KEYS,
        "x": st.one_of(KEYS, KEYS, KEYS, st.none()),
        "f": st.booleans(),
    },
)

SCHEMA = parse_gateway_schema(SDL)
MIRRORS = MemoryMirrors()
PLANNED = GatewayExecutor(SCHEMA, MIRRORS)
REFERENCE = GatewayExecutor(SCHEMA, MIRRORS, uses_plans=False)


def comparable(answer: Answer) -> tuple[str, set[str]]:
    errors = {re.sub("[0-9a-f]{32}", "…", json.dumps(error, sort_keys=True)) for error in answer.get("errors", ())}
    return json.dumps(answer.get("data", "nothing was executed")), errors


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=DATA, query=documents(), variables=VARIABLES)
def test_a_plan_answers_as_graphql_core_does(data: Any, query: str, variables: Any) -> None:
    MIRRORS.topics = {"nodes": (TopicType.INTEGER, data), "names": (TopicType.INTEGER, {1: "one", 2: 2.5})}

    expected, answer = REFERENCE.execute(query, None, variables), PLANNED.execute(query, None, variables)

    event("executed" if "data" in expected else str(expected["errors"][0]["message"])[:40])
    event("with errors" if "errors" in expected else "without errors")
    assert comparable(expected) == comparable(answer)
