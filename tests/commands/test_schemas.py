"""What schema a write type becomes, by format and setting."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commands.schemas import converted
from core.errors import InvalidInputError
from core.registered_schema import SchemaFormat
from core.settings import Settings

SDL = "type Book { title: String! price: Float }"
SETTINGS = Settings(
    kafka="none:1", data_dir=Path("none"), api_key="k", avro_namespace="shop", protobuf_package="shop.v1"
)


def test_each_format_has_its_own_schema_of_a_type() -> None:
    assert "Book" == json.loads(converted(SDL, "book", SchemaFormat.AVRO, SETTINGS))["name"]
    assert """syntax = "proto3";

package shop.v1;

message Book {
  string title = 1;
  optional double price = 2;
}
""" == converted(SDL, "book", SchemaFormat.PROTOBUF, SETTINGS)


def test_a_legacy_protobuf_schema_is_that_of_bakdatas_quick() -> None:
    legacy = replace(SETTINGS, legacy_schemas=True)
    assert "message Book {\n  float price = 1;\n  string title = 2;\n}" in converted(
        SDL, "book", SchemaFormat.PROTOBUF, legacy
    )


def test_what_protobuf_cannot_store_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="list of lists"):
        converted("type Book { pages: [[Int]] }", "Book", SchemaFormat.PROTOBUF, SETTINGS)


@pytest.mark.parametrize(("legacy", "expected"), [(False, ["price", "id"]), (True, ["id", "price"])])
def test_a_setting_makes_schemas_as_bakdata_quick_does(tmp_path: Path, *, legacy: bool, expected: list[str]) -> None:
    settings = Settings(kafka="unused", data_dir=tmp_path, api_key="k", avro_namespace="shop", legacy_schemas=legacy)
    schema = json.loads(converted("type Item { price: Float!  id: ID! }", "item", SchemaFormat.AVRO, settings))
    assert expected == [field["name"] for field in schema["fields"]]
    assert ("float" if legacy else "double") == schema["fields"][expected.index("price")]["type"]
