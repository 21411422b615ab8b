"""What is declared to run, at one moment: what whoever deploys it needs to know, and nothing that is asked of Kafka."""

from __future__ import annotations

import hashlib
from typing import Final, Self

import msgspec

from core import applications, gateways, mirrors
from core.applications import Application
from core.gateways import Gateway
from core.mirrors import Mirror
from projections.registry import Registry, Row

NOUNS: Final = (mirrors.NOUN, gateways.NOUN, applications.NOUN)
"""The nouns of what runs."""


class Declarations(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is declared to run."""

    position: int
    """All commands up to here are taken into account."""
    log: str
    """Tells the log from all others, also those of other clusters; short, and the same on every machine."""
    mirrors: list[Row[Mirror]]
    gateways: list[Row[Gateway]]
    applications: list[Row[Application]]

    @classmethod
    def of(cls, registry: Registry, log_identity: str) -> Self:
        """Return what *registry* says of the log with this identity, as `LogIdentity.folder_name` writes it."""
        position = registry.position()  # Read first: what is written meanwhile is then told early, never left out.
        return cls(
            position=position,
            log=log_name(log_identity),
            mirrors=registry.mirrors(),
            gateways=registry.gateways(),
            applications=registry.applications(),
        )


def log_name(log_identity: str) -> str:
    """Return a name of at most 63 letters and digits for the log of this identity."""
    return f"log-{hashlib.sha256(log_identity.encode()).hexdigest()[:16]}"
