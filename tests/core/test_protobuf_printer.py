import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from core.protobuf_compiler import compile_protobuf
from core.protobuf_printer import default_json_name, protobuf_text

PROTO3 = """
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import public "money.proto";
option java_package = "com.shop \\"one\\"\\n";
option java_multiple_files = true;
option optimize_for = CODE_SIZE;
message Product {
  option deprecated = true;
  int64 id = 1;
  optional string name = 2 [deprecated = true];
  repeated float prices = 3 [packed = false];
  map<string, Price> by_shop = 4;
  map<int32, Colour> colours = 5;
  oneof origin { string country = 6; Address address = 7; }
  google.protobuf.Timestamp at = 8;
  Product similar = 9;
  bytes raw_data = 10 [json_name = "raw"];
  money.Money money = 11;
  uint64 large = 12 [jstype = JS_STRING];
  oneof single { bool yes = 13; }
  optional Colour colour = 14;
  message Address { string street = 1; message Deep { sint32 a = 1; enum E { Z = 0; } E e = 2; } Deep deep = 2; }
  reserved 20, 22 to 30, 1000 to max;
  reserved "old", "older";
}
message Price { double total = 1; fixed64 f = 2; sfixed32 g = 3; }
message ByShopEntry { string key = 1; }
message Holder { repeated ByShopEntry by_shop = 1; }
enum Colour {
  option allow_alias = true;
  COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1 [deprecated = true]; COLOUR_ROUGE = 1; COLOUR_MINUS = -1;
  reserved 5 to 7, 9, 100 to max;
  reserved "COLOUR_BLUE";
}
service Shop {
  rpc Buy(Product) returns (stream Price);
  rpc Sell(stream Product) returns (Price) { option deprecated = true; option idempotency_level = IDEMPOTENT; }
}
"""
PROTO2 = """
package old;
message A {
  required int32 a = 1;
  optional string b = 2 [default = "x\\"\\\\\\n\\303\\274"];
  optional bytes c = 3 [default = "\\000\\"a"];
  optional double d = 4 [default = -inf];
  optional E e = 5 [default = TWO];
  repeated group Part = 6 { optional int32 n = 1; optional group Inner = 2 { optional bool b = 1; } }
  extensions 100 to 199, 500 to max;
  extend A { optional string inner = 101; }
  optional bool f = 7 [default = true];
}
enum E { ONE = 1; TWO = 2; }
extend A { optional int32 more = 100; optional group Outer = 102 { optional int32 n = 1; } }
"""
EDITION = """
edition = "2023";
package newer;
option features.field_presence = IMPLICIT;
message A {
  int32 a = 1;
  int32 b = 2 [features.field_presence = EXPLICIT];
  int32 c = 3 [features.field_presence = LEGACY_REQUIRED];
  repeated int32 d = 4 [features.repeated_field_encoding = EXPANDED];
  A e = 5 [features.message_encoding = DELIMITED];
  reserved old, older;
}
enum E { option features.enum_type = CLOSED; ONE = 1; }
"""
IMPORTS = {"money.proto": 'syntax = "proto3"; package money; message Money { int64 cents = 1; }'}


@pytest.mark.parametrize("text", [PROTO3, PROTO2, EDITION, "", 'syntax = "proto3"; message A {}'])
def test_a_printed_schema_means_what_the_first_one_meant(text: str) -> None:
    compiled = compile_protobuf(text, IMPORTS).main
    printed = protobuf_text(compiled)
    assert compiled == compile_protobuf(printed, IMPORTS).main
    assert printed == protobuf_text(compile_protobuf(printed, IMPORTS).main)


def test_a_printed_schema_can_be_read_by_people() -> None:
    text = 'syntax = "proto3"; package p; message A { repeated B b = 1; map<string, int32> m = 2; } message B {}'
    assert """syntax = "proto3";
package p;
message A {
  repeated .p.B b = 1;
  map<string, int32> m = 2;
}
message B {
}
""" == protobuf_text(compile_protobuf(text).main)


def test_options_that_somebody_else_defined_are_left_out() -> None:
    text = """syntax = "proto3"; import "google/protobuf/descriptor.proto";
    extend google.protobuf.FieldOptions { string unit = 50000; }
    message A { int32 a = 1 [(unit) = "m", deprecated = true]; }"""
    assert "int32 a = 1 [deprecated = true];" in protobuf_text(compile_protobuf(text).main)


@pytest.mark.parametrize(
    ("name", "expected"), [("created_at", "createdAt"), ("a__b_", "aB"), ("_id", "Id"), ("x_1", "x1"), ("aB", "aB")]
)
def test_json_names_are_those_of_the_compiler(name: str, expected: str) -> None:
    field = compile_protobuf(f'syntax = "proto3"; message A {{ int32 {name} = 1; }}').main.message_type[0].field[0]
    assert expected == field.json_name == default_json_name(name)


def test_many_oneofs_take_no_time_out_of_proportion() -> None:
    file = FileDescriptorProto(name="a.proto", syntax="proto3")
    message = file.message_type.add(name="A")
    for number in range(1, 5001):
        message.oneof_decl.add(name=f"o{number}")
        message.field.add(name=f"f{number}", number=number, type=5, label=1, oneof_index=number - 1)
    assert 15_000 < len(protobuf_text(file).splitlines()) < 15_010
