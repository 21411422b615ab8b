"""What one process of Quick is there for: everything on one machine, or one part of it in a pod of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a process serves."""

    ALL = "all"
    """Everything, as on one machine."""

    MANAGER = "manager"
    """Commands and the registry; the one of them that leads changes Kafka's topics."""

    INGEST = "ingest"
    """Writing to topics."""

    MIRROR = "mirror"
    """What one topic holds."""

    GATEWAY = "gateway"
    """The GraphQL of one gateway."""

    SCHEMA_REGISTRY = "schema-registry"
    """Subjects and schemas."""

    @property
    def leads(self) -> bool:
        """Whether it may be the one that changes what is outside of Quick to what is declared."""
        return self in {Role.ALL, Role.MANAGER}

    @property
    def option(self) -> str | None:
        """The option that names the one thing that it serves, `None` where it serves all of its kind."""
        return _OPTIONS.get(self)


_OPTIONS: Final = {Role.MIRROR: "topic", Role.GATEWAY: "gateway"}
