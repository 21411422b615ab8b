from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands.schemas import converted
from core.registered_schema import SchemaFormat
from core.settings import Settings


@pytest.mark.parametrize(("legacy", "expected"), [(False, ["price", "id"]), (True, ["id", "price"])])
def test_a_setting_makes_schemas_as_bakdata_quick_does(tmp_path: Path, *, legacy: bool, expected: list[str]) -> None:
    settings = Settings(kafka="unused", data_dir=tmp_path, api_key="k", avro_namespace="shop", legacy_schemas=legacy)
    schema = json.loads(converted("type Item { price: Float!  id: ID! }", "item", SchemaFormat.AVRO, settings))
    assert expected == [field["name"] for field in schema["fields"]]
    assert ("float" if legacy else "double") == schema["fields"][expected.index("price")]["type"]
