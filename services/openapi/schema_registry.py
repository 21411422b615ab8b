"""`/schema-registry`: subjects and schemas, as Confluent's clients know them."""

from __future__ import annotations

from typing import Final

from services.openapi.parts import Json

TAG: Final = "schema registry"

PATHS: Final[Json] = {}
