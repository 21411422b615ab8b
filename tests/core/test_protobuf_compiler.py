import base64
from contextlib import suppress
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given, settings
from hypothesis import strategies as st

from core import protobuf_compiler
from core.errors import InvalidInputError
from core.protobuf_compiler import MAX_SCHEMA_BYTES, as_text, compile_protobuf
from core.protobuf_printer import protobuf_text

TEXT = 'syntax = "proto3"; package p; message A { int32 a = 1; }'


def test_a_text_becomes_its_descriptors() -> None:
    files = compile_protobuf(TEXT)
    assert ("p", "A", "a") == (
        files.main.package,
        files.main.message_type[0].name,
        files.main.message_type[0].field[0].name,
    )
    assert () == files.imports


def test_imports_stand_before_what_needs_them() -> None:
    text = 'syntax = "proto3"; import "b/b.proto"; message A { B b = 1; }'
    imports = {
        "b/b.proto": 'syntax = "proto3"; import "c.proto"; message B { C c = 1; }',
        "c.proto": 'syntax = "proto3"; import "google/protobuf/timestamp.proto";'
        " message C { google.protobuf.Timestamp at = 1; }",
    }
    files = compile_protobuf(text, imports)
    assert ["google/protobuf/timestamp.proto", "c.proto", "b/b.proto"] == [file.name for file in files.imports]


def test_googles_own_files_are_those_that_ship_with_the_compiler() -> None:
    text = 'syntax = "proto3"; import "google/protobuf/empty.proto"; message A { google.protobuf.Empty e = 1; }'
    files = compile_protobuf(text, {"google/protobuf/empty.proto": "this is no schema"})
    assert "Empty" == files.imports[0].message_type[0].name


def test_an_import_may_have_the_name_that_the_schema_would_get() -> None:
    text = 'syntax = "proto3"; import "schema.proto"; message A { B b = 1; }'
    files = compile_protobuf(text, {"schema.proto": 'syntax = "proto3"; message B {}'})
    assert ["B"] == [message.name for message in files.imports[0].message_type]


def test_a_schema_is_compiled_once() -> None:
    assert compile_protobuf(TEXT) is compile_protobuf(TEXT, {})


def test_a_serialized_descriptor_is_a_schema_too() -> None:
    file = compile_protobuf(TEXT).main
    encoded = base64.b64encode(file.SerializeToString()).decode()
    assert protobuf_text(file) == as_text(encoded)
    assert file == compile_protobuf(encoded).main
    assert TEXT == as_text(TEXT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('syntax = "proto3";\nmessage A {\n  int32 a = ;\n}', "line 3, column 13: Expected field number"),
        ('syntax = "proto3"; message A { B b = 1; }', 'line 1, column 32: "B" is not defined'),
        ('syntax = "proto3"; import "gone.proto";', "gone.proto"),
        ('syntax = "proto3"; import "/etc/hostname";', "/etc/hostname"),
        ('syntax = "proto3"; import "../out";', "../out"),
        ('syntax = "proto3"; message A { int32 a_b = 1; int32 aB = 2; }', "JSON name"),
        ('syntax = "proto3"; enum E { A = 0; A = 1; }', 'wrong: line 1, column 36: "A" is already defined'),
        ("nothing; at all", "line 1, column 1"),
        ("AAAA", "neither .proto text nor"),
        ("A", "neither .proto text nor"),
        ('syntax = "proto3"; /* \ud800 */', "surrogate"),
        ('syntax = "proto3"; ' + "message A { " * 1000 + "}" * 1000, "nested"),
        ("x" * (MAX_SCHEMA_BYTES + 1), "bytes"),
    ],
)
def test_a_text_that_is_no_schema_is_refused(text: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        compile_protobuf(text)
    assert expected in str(refused.value)
    assert len(str(refused.value)) < 2000


def test_a_mistake_in_an_import_names_the_import() -> None:
    with pytest.raises(InvalidInputError, match=r"b\.proto line 2, column 1"):
        compile_protobuf('syntax = "proto3"; import "b.proto";', {"b.proto": 'syntax = "proto3";\n}'})


@pytest.mark.parametrize(
    "name", ["../a.proto", "/a.proto", "a/../b.proto", "", "a//b.proto", "a\n.proto", ".hidden", "-I.proto", "a\\b"]
)
def test_an_import_cannot_leave_its_folder(name: str) -> None:
    with pytest.raises(InvalidInputError, match="relative paths"):
        compile_protobuf(TEXT, {name: TEXT})


def test_a_file_of_the_schema_is_never_run(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    python = f"open({str(proof)!r}, 'w')"
    compile_protobuf('syntax = "proto3"; message B {}', {"grpc_tools/protoc.py": python, "sitecustomize.py": python})
    assert not proof.exists()


def test_an_import_cannot_be_the_folder_of_another_one() -> None:
    with pytest.raises(InvalidInputError, match="folder of another"):
        compile_protobuf(TEXT, {"a": TEXT, "a/b": TEXT})


def test_a_compiler_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf_compiler, "COMPILE_TIMEOUT_S", 0.001)
    with pytest.raises(InvalidInputError, match="was not compiled within"):
        compile_protobuf('syntax = "proto3"; message Slow {}')


@pytest.mark.parametrize("level", [50, 99])
def test_a_descriptor_that_protoc_would_not_make_is_refused(level: int) -> None:
    file = FileDescriptorProto(name="a", syntax="proto3")
    message = file.message_type.add(name="A")
    for _ in range(level - 5):
        message = message.nested_type.add(name="A")
    message.field.add(name="f", number=1, type=10, type_name="B", label=1)
    with pytest.raises(InvalidInputError):
        compile_protobuf(base64.b64encode(file.SerializeToString()).decode())


SERIALIZED = compile_protobuf(
    """package p; message A { optional int32 a = 1 [default = 5]; map<string, A> m = 2; oneof o { E e = 3; }
    optional group G = 4 { extensions 5 to max; } reserved 9; } enum E { X = 0; } extend A.G { optional string s = 5; }
    service S { rpc R(A) returns (A); }"""
).main.SerializeToString()


@settings(max_examples=300)
@given(st.integers(0, len(SERIALIZED)), st.binary(max_size=6), st.integers(0, 6))
def test_any_serialized_descriptor_is_text_or_refused(place: int, put: bytes, cut: int) -> None:
    raw = SERIALIZED[:place] + put + SERIALIZED[place + cut :]
    with suppress(InvalidInputError):
        assert isinstance(as_text(base64.b64encode(raw).decode()), str)
