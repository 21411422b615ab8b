"""Where the schemas of topics are registered: under our own subjects, or in a registry that exists already."""

from __future__ import annotations

from typing import Protocol

from commands import subjects
from commands.decisions import Consulted
from commands.subjects import NewSchema, Registration
from core.errors import IncompatibleSchemaError
from core.external_schemas import ExternalRegistry


class Registrar(Protocol):
    """Registers the schema of a topic for one command, whose decision may run more than once."""

    def register(self, consulted: Consulted, subject: str, new: NewSchema) -> Registration:
        """Return what comes of a schema under a subject.

        Raises:
            InvalidInputError: It cannot be used.
            IncompatibleSchemaError: It does not go with the earlier versions.
            UnavailableError: Who registers it does not answer.
        """


class OwnRegistrar:
    """Registers in the command itself."""

    def register(self, consulted: Consulted, subject: str, new: NewSchema) -> Registration:
        """Return what comes of a schema under a subject, with the events that register it."""
        return subjects.register(consulted, subject, new)


class ExternalRegistrar:
    """Registers in another registry, before anything is recorded: nothing of ours depends on a schema without an ID.

    A command that is refused afterwards leaves a version there that no topic uses. It does no harm, and is used when
    the command is repeated.
    """

    def __init__(self, registry: ExternalRegistry, *, dry_run: bool = False) -> None:
        self._registry = registry
        self._dry_run = dry_run
        self._registered: dict[tuple[str, str], Registration] = {}

    def register(
        self,
        consulted: Consulted,  # noqa: ARG002  the other registrar decides with it
        subject: str,
        new: NewSchema,
    ) -> Registration:
        """Return what comes of a schema under a subject; there is nothing to record."""
        asked = (subject, new.schema)
        if asked not in self._registered:
            self._registered[asked] = self._checked(subject, new) if self._dry_run else self._sent(subject, new)
        return self._registered[asked]

    def _sent(self, subject: str, new: NewSchema) -> Registration:
        is_new = not self._registry.has_subject(subject)
        schema_id, version = self._registry.register(subject, new.schema_type, new.schema)
        return Registration(schema_id, version, new.schema, [], is_new_elsewhere=is_new)

    def _checked(self, subject: str, new: NewSchema) -> Registration:
        found = self._registry.version(subject, new.schema_type, new.schema)
        if found is not None:
            return Registration(found.schema_id, found.version, new.schema, [])
        if reasons := self._registry.incompatibilities(subject, new.schema_type, new.schema):
            raise IncompatibleSchemaError(
                f"The schema registry at {self._registry.url} says that the schema is incompatible with an earlier one"
                f" of subject '{subject}':",
                reasons,
            )
        return Registration(0, 0, new.schema, [])


def registrar_for(registry: ExternalRegistry | None, *, dry_run: bool = False) -> Registrar:
    """Return who registers the schemas of one command."""
    return OwnRegistrar() if registry is None else ExternalRegistrar(registry, dry_run=dry_run)
