"""What the servers are told: where the records lie, and what the schema is."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

VARIABLE = "GATEWAY_PEER_SETUP"
"""The environment variable with the path of the file."""


class Mirror(msgspec.Struct, frozen=True):
    """A mirror of a topic."""

    path: str
    avro: str
    """The Avro schema that all its values were written with."""


class Setup(msgspec.Struct, frozen=True):
    """The content of the file; the server on Node reads it too."""

    sdl: str
    """The schema without the directives that only Quick knows."""
    gateway: str
    """Name of the gateway with this schema, for the server that executes our own."""
    mirrors: dict[str, Mirror]
    """By what is in them: products, orders, catalogue."""
    records: dict[str, str]
    """Files with the same records as lines of JSON, for who cannot read a mirror."""


def read_setup() -> Setup:
    """Return what this server was told."""
    return msgspec.json.decode(Path(os.environ[VARIABLE]).read_bytes(), type=Setup)
