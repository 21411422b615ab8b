from typing import Any

import pytest

from core.protobuf_compatibility import incompatibilities
from core.protobuf_compiler import compile_protobuf
from core.protobuf_schema import to_protobuf

HEAD = 'syntax = "proto3"; package shop; '


def compared(reader: str, writer: str, imports: tuple[dict[str, str], dict[str, str]] | None = None) -> list[str]:
    reader_imports, writer_imports = imports or ({}, {})
    return incompatibilities(compile_protobuf(reader, reader_imports), compile_protobuf(writer, writer_imports))


def fields_compared(reader: str, writer: str, more: str = "") -> list[str]:
    return compared(f"{HEAD} message A {{ {reader} }} {more}", f"{HEAD} message A {{ {writer} }} {more}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int32 a = 1;", "int32 a = 1;"),
        ("int32 a = 1;", "int32 b = 1;"),
        ("int32 a = 1;", "int64 a = 1;"),
        ("int32 a = 1;", "uint32 a = 1;"),
        ("uint64 a = 1;", "bool a = 1;"),
        ("E a = 1;", "int32 a = 1;"),
        ("E a = 1;", "F a = 1;"),
        ("sint32 a = 1;", "sint64 a = 1;"),
        ("string a = 1;", "bytes a = 1;"),
        ("fixed32 a = 1;", "sfixed32 a = 1;"),
        ("fixed64 a = 1;", "sfixed64 a = 1;"),
        ("int32 a = 1;", ""),
        ("int32 a = 1;", "int32 a = 2;"),
        ("int32 a = 1;", "optional int32 a = 1;"),
        ("string a = 1;", "repeated string a = 1;"),
        ("B a = 1;", "repeated B a = 1;"),
        ("repeated int32 a = 1;", "repeated int64 a = 1 [packed = false];"),
        ("map<int32, string> a = 1;", "map<int64, bytes> a = 1;"),
        ("oneof o { int32 a = 1; int32 b = 2; }", "oneof other { int32 a = 1; int32 b = 2; }"),
        ("oneof o { int32 a = 1; }", "int32 a = 1;"),
        ("A a = 1;", "A a = 1;"),
        ("google.protobuf.Timestamp a = 1;", "google.protobuf.Timestamp a = 1;"),
    ],
)
def test_what_reads_each_other_is_compatible_both_ways(one: str, other: str) -> None:
    head = f'{HEAD} import "google/protobuf/timestamp.proto"; message B {{ int32 b = 1; }}'
    more = "enum E { X = 0; } enum F { Y = 0; }"
    texts = [f"{head} message A {{ {fields} }} {more}" for fields in (one, other)]
    assert [] == compared(*texts) == compared(*reversed(texts))


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        ("string a = 1;", "int32 a = 1;", "Field 1 (a) of message shop.A is written as int32 and read as string."),
        ("sint32 a = 1;", "int32 a = 1;", "Field 1 (a) of message shop.A is written as int32 and read as sint32."),
        ("fixed64 a = 1;", "fixed32 a = 1;", "written as fixed32 and read as fixed64."),
        ("double a = 1;", "float a = 1;", "written as float and read as double."),
        ("fixed32 a = 1;", "float a = 1;", "written as float and read as fixed32."),
        ("B a = 1;", "string a = 1;", "Field 1 (a) of message shop.A is written as string and read as shop.B."),
        ("sint32 a = 1;", "E a = 1;", "written as shop.E and read as sint32."),
        (
            "C a = 1;",
            "B a = 1;",
            "Field 1 (a) of message shop.A is written as message shop.B and read as message shop.C.",
        ),
        ("repeated C a = 1;", "B a = 1;", "written as message shop.B and read as message shop.C."),
        (
            "int32 a = 1;",
            "repeated int32 a = 1;",
            "written as repeated int32 and read as int32: numbers in a list are packed.",
        ),
        (
            "repeated E a = 1;",
            "E a = 1;",
            "written as shop.E and read as repeated shop.E: numbers in a list are packed.",
        ),
        ("map<int32, B> a = 1;", "repeated B a = 1;", "written as repeated shop.B and read as map<int32, shop.B>."),
        (
            "map<string, B> a = 1;",
            "map<int32, B> a = 1;",
            "The key of field 1 (a) of message shop.A is written as int32",
        ),
        (
            "map<int32, C> a = 1;",
            "map<int32, B> a = 1;",
            "The value of field 1 (a) of message shop.A is written as message",
        ),
        (
            "oneof o { int32 a = 1; int32 b = 2; }",
            "int32 a = 1; optional int32 b = 2;",
            "The oneof o of message shop.A is read with field 1 (a), 2 (b), which is written outside",
        ),
        (
            "oneof o { int32 a = 1; int32 b = 2; }",
            "oneof o { int32 a = 1; } int32 b = 2;",
            "The oneof o of message shop.A is read with field 2 (b)",
        ),
        (
            "oneof o { int32 a = 1; }",
            "oneof o { int32 a = 1; int32 b = 2; }",
            "Field 2 (b) of message shop.A is written in the oneof o, and not read in it.",
        ),
        (
            "oneof o { int32 a = 1; } int32 b = 2;",
            "oneof o { int32 a = 1; int32 b = 2; }",
            "Field 2 (b) of message shop.A is written in the oneof o, and not read in it.",
        ),
    ],
)
def test_what_would_be_misread_is_named(reader: str, writer: str, expected: str) -> None:
    more = "message B { int32 b = 1; } message C { int32 b = 1; } enum E { X = 0; }"
    found = fields_compared(reader, writer, more)
    assert 1 == len(found)
    assert expected in found[0]


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        ("message A {}", "message A {} message B {}", ["Message shop.B is written, and"]),
        ("message A {} message B {}", "message A {}", []),
        ("message B {} message A {}", "message A {} message B {}", []),
        ("message A {}", "message A { message B {} }", ["Message shop.A.B is written"]),
        ("message C {}", "message A {}", ["Message shop.A is written"]),
        ("message A {}", "message A { map<int32, int32> m = 1; } enum E { X = 0; }", []),
        ("message A { message B { string b = 1; } }", "message A { message B { int32 b = 1; } }", ["message shop.A.B"]),
        ("enum E { X = 0; Z = 2; }", "enum E { X = 0; Y = 2; V = 3; }", []),
    ],
)
def test_messages_go_by_their_names(reader: str, writer: str, expected: list[str]) -> None:
    found = compared(HEAD + reader, HEAD + writer)
    assert len(expected) == len(found)
    assert all(part in reason for part, reason in zip(expected, found, strict=True))


def test_another_package_is_another_schema() -> None:
    text = "message A { A a = 1; }"
    assert ["The package is shop in the schema that writes and absent in the one that reads."] == compared(
        f'syntax = "proto3"; {text}', HEAD + text
    )


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        ("required int32 b = 2;", "", "Field 2 (b) of message A is required where it is read, and missing"),
        ("", "required int32 b = 2;", "Field 2 (b) of message A is required where it is written, and missing"),
        ("required int32 b = 2;", "optional int32 b = 2;", "is required where it is read, and not required where"),
        ("optional int32 b = 2;", "required int32 b = 2;", None),
        ("optional group G = 1 { }", "optional A g = 1;", "is written as A and read as A.G."),
    ],
)
def test_required_fields_stay(reader: str, writer: str, expected: str | None) -> None:
    found = [
        reason for reason in compared(f"message A {{ {reader} }}", f"message A {{ {writer} }}") if "none" not in reason
    ]
    assert (expected is not None) == bool(found)
    assert expected is None or expected in found[0]


def test_what_imports_hold_is_compared_too() -> None:
    text = f'{HEAD} import "b.proto"; message A {{ b.B b = 1; }}'
    old, new = (
        {"b.proto": f'syntax = "proto3"; package b; message B {{ B n = 1; {type_} x = 2; }} message {name} {{}}'}
        for type_, name in (("int32", "Unused"), ("string", "Other"))
    )
    assert ["Field 2 (x) of message b.B is written as int32 and read as string."] == compared(text, text, (new, old))
    assert [] == compared(text, text, (old, old))


def test_a_message_may_move_to_an_import() -> None:
    one = f'{HEAD} import "b.proto"; message A {{ B b = 1; }} message C {{}}'
    other = f"{HEAD} message A {{ B b = 1; }} message C {{}} message B {{ int32 x = 1; }}"
    found = compared(one, other, ({"b.proto": f"{HEAD} message B {{ string x = 1; }}"}, {}))
    assert [
        "Message shop.B is written, and the schema that reads has none of that name.",
        "Field 1 (x) of message shop.B is written as int32 and read as string.",
    ] == found


def test_a_chain_of_messages_ends() -> None:
    chain = "".join(f"message M{n} {{ M{(n + 1) % 3000} m = 1; }}" for n in range(3000))
    assert [] == compared(HEAD + chain, HEAD + chain)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("type A { a: Int b: String c: [E] d: Float }", []),
        ("type A { a: Long! b: String }", []),
        ("type A { b: String a: Int }", ["Field 1 (a)", "Field 2 (b)"]),
        ("type A { a: [Int] b: String }", ["Field 1 (a)"]),
    ],
)
def test_a_changed_type_of_a_gateway_is_judged(new: str, expected: list[Any]) -> None:
    more = " enum E { RED }"
    reader, writer = (to_protobuf(sdl + more, "A", "shop") for sdl in (new, "type A { a: Int b: String }"))
    found = compared(reader, writer)
    assert len(expected) == len(found)
    assert all(reason.startswith(part) for part, reason in zip(expected, found, strict=True))
