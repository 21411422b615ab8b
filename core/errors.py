"""Every error that this project raises on purpose.

    QuickError
    ├── InvalidInputError             what was sent cannot be used as it is
    │   ├── InvalidNameError          a name that Kafka, Kubernetes or GraphQL would refuse
    │   ├── InvalidValueError         a key or value that does not fit the topic's type
    │   ├── InvalidSdlError           a gateway schema with problems, each with line and column
    │   ├── TooLargeError             a body, a batch or a record beyond its limit
    │   └── TooDeepError              JSON that is nested deeper than is read
    ├── UnauthorizedError             no API key, or a wrong one
    ├── ForbiddenError                the API key is right, and its scopes do not cover the request
    ├── NotFoundError                 the named thing does not exist
    ├── ConflictError                 the named thing exists already, or changed under the caller
    │   ├── IncompatibleSchemaError   a schema that does not go with the earlier ones of its subject
    │   ├── BreakingChangesError      a gateway schema that breaks operations of those who use the running one
    │   └── KubernetesConflictError   fields of an object are another manager's, or it is not the object that was seen
    ├── RegistryRefusalError          the schema registry says no, with a code of Confluent's
    ├── CommandRepeatedError          a command of this id is recorded already: its first answer stands
    ├── NotAvailableYetError          understood, but this version cannot do it
    ├── UnavailableError              a part that is needed cannot be reached now; nothing was recorded
    │   ├── KafkaUnavailableError     the broker did not answer or did not acknowledge in time
    │   ├── KubernetesUnavailableError   the API server did not answer in time, or says to come again
    │   ├── ViewBehindError           a view has not yet applied what the caller wants to read
    │   ├── BusyError                 there is more at work than may be: come again soon
    │   ├── StandsStillError          nothing is recorded until somebody mends the log or upgrades
    │   ├── StoredSchemaError         a gateway's schema in the log cannot be used by this version
    │   ├── CommandNotRecordedError   the command was voided: nothing was recorded under its id
    │   └── OutcomeUnknownError       a command may or may not have been recorded
    ├── RestServiceError              a REST service answered, and with nothing that can be used
    ├── UnreadableEntryError          what a topic holds is none of its types: another program wrote it
    ├── EffectPendingError            recorded, but its effect did not happen within the bound
    ├── KafkaRefusedError             Kafka answered, and the answer was no
    ├── KubernetesRefusedError        the API server answered, and the answer was no
    ├── KubernetesExpiredError        what was asked for lies too far back for the API server: list again
    ├── LogError                      the command log cannot be trusted or read
    │   ├── UnsafeLogError            the log topic's settings could lose commands
    │   ├── LogIdentityError          this is not the log that was read before
    │   ├── UndecodableError          bytes that are no record of a known format
    │   │   └── NewerFormatError      a record that only a newer program can read
    │   └── UnreadableRecordError     such bytes at a known place of the log: the fold stops there
    ├── StoreError                    a local LMDB store cannot be used
    │   └── StoreFullError            its map is full: grow it and write again
    ├── FoldError                     a stored event does not fit the state it is applied to
    │   └── UnknownEventError         a stored event that only a newer program knows
    ├── UpcasterError                 an old version of an event has no way, or no end, to the current one
    ├── SettingsError                 a setting is missing or has no usable value
    └── LocalRuntimeError             the local runtime (Java, Maven, the broker, a port, a disk) cannot start

Each message says what happened and where, and ends with the way out. The data stays in attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self


class QuickError(Exception):
    """The root: catch this to catch everything that this project raises on purpose."""


class InvalidInputError(QuickError, ValueError):
    """Raised when what was sent cannot be used as it is: repeat it corrected."""


class InvalidNameError(InvalidInputError):
    """Raised for a name that Kafka, Kubernetes or GraphQL would refuse."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where and how a value does not fit the type or schema of its topic."""

    expected: str
    """The type that the place has, in the words of the topic's type or schema: `long`, `enum (RED, GREEN)`."""
    found: str
    """The JSON that is there, cut when it is long; empty when nothing is."""
    path: tuple[str | int, ...] = ()
    """Names of fields, keys of maps and indexes of lists from the root of the value; empty for the root."""
    schema_id: int | None = None
    """The schema that the value was checked against, `None` for a primitive type."""


class InvalidValueError(InvalidInputError):
    """Raised for a key or value that does not fit the type or schema of its topic.

    `mismatch` says where and how, where that is known.
    """

    def __init__(self, message: str, mismatch: Mismatch | None = None) -> None:
        self.mismatch = mismatch
        super().__init__(message)

    def under(self, step: str | int) -> Self:
        """Return this error with its place seen from what holds the value under *step*."""
        if self.mismatch is not None:
            self.mismatch = replace(self.mismatch, path=(step, *self.mismatch.path))
        return self


@dataclass(frozen=True, slots=True)
class SdlProblem:
    """One thing that is wrong with a gateway schema; *line* and *column* count from 1, `None` where unknown."""

    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return the message, with its place where one is known."""
        return self.message if self.line is None else f"{self.message} (line {self.line}, column {self.column})"


class InvalidSdlError(InvalidInputError):
    """Raised for a gateway schema that cannot be served; `problems` holds all that was found, in order."""

    def __init__(self, problems: list[SdlProblem]) -> None:
        self.problems = problems
        lines = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"Could not parse GraphQL schema: {lines}")


class TooLargeError(InvalidInputError):
    """Raised for a body, a batch or a record beyond its limit: send it in smaller pieces."""


class TooDeepError(InvalidInputError):
    """Raised for JSON that is nested deeper than is read: send it with fewer levels."""


class UnauthorizedError(QuickError):
    """Raised when a request carries no API key, or a wrong one."""

    def __init__(self) -> None:
        super().__init__("No valid authentication token found in request.")


class ForbiddenError(QuickError):
    """Raised when an API key is valid, but none of its scopes covers the request."""

    def __init__(self, key: str, needed: str) -> None:
        self.key, self.needed = key, needed
        super().__init__(
            f"You are not allowed to access this resource. The key {key} lacks the scope {needed}."
            " Use another key, or ask an administrator for one."
        )


class NotFoundError(QuickError, LookupError):
    """Raised when the named thing does not exist."""


class ConflictError(QuickError):
    """Raised when the named thing exists already, or was changed by somebody else meanwhile."""


class IncompatibleSchemaError(ConflictError):
    """Raised for a schema that does not go with the earlier ones of its subject; `reasons` holds each place."""

    def __init__(self, message: str, reasons: list[str]) -> None:
        self.message, self.reasons = message, reasons
        super().__init__("\n".join([message, *(f"- {reason}" for reason in reasons)]))


class BreakingChangesError(ConflictError):
    """Raised for a gateway schema that was to be applied only if it breaks nobody; `changes` holds what it breaks."""

    def __init__(self, gateway: str, changes: list[str]) -> None:
        self.gateway, self.changes = gateway, changes
        lines = "\n".join(f"- {change}" for change in changes)
        count = f"{len(changes)} breaking change" + ("" if len(changes) == 1 else "s")
        super().__init__(
            f"The schema was not applied to gateway {gateway}: it has {count}. Mend this, or apply it without failing"
            f" on breaking changes:\n{lines}"
        )


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field of a Kubernetes object that another field manager owns."""

    manager: str
    field: str
    """As the API server writes it: `.spec.template.spec.containers[name="app"].image`."""

    def __str__(self) -> str:
        """Return the field and its owner."""
        return f"{self.field} (owned by {self.manager})"


class KubernetesConflictError(ConflictError):
    """Raised when an object of Kubernetes was not changed, because somebody else has to do with it.

    Other field managers own the fields in `conflicts`; where there are none, it is not the object that was meant any
    more: changed, or deleted and made again.
    """

    def __init__(self, what: str, cause: str, conflicts: list[FieldConflict]) -> None:
        self.conflicts = conflicts
        super().__init__(
            f"Kubernetes did not {what}, because others own fields of it: {', '.join(map(str, conflicts))}."
            " Let them give these fields up, or take the fields over by force."
            if conflicts
            else f"Kubernetes did not {what}, because it is not the object that was seen: {cause}. Look at it again."
        )


class RegistryRefusalError(QuickError):
    """Raised when the schema registry refuses what was asked; `code` is what Confluent's clients tell it by."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class CommandRepeatedError(QuickError):
    """Raised when a command of this id was recorded before: nothing new is recorded, its first answer stands."""

    def __init__(self, command_id: str, position: int) -> None:
        self.command_id, self.position = command_id, position
        super().__init__(f"The command {command_id} is recorded at position {position} already.")


class NotAvailableYetError(QuickError):
    """Raised for a request that is understood, but that this version cannot carry out."""


class UnavailableError(QuickError):
    """Raised when a part that is needed cannot be reached now; the request had no effect unless the text says so."""


class KafkaUnavailableError(UnavailableError):
    """Raised when the broker did not answer, or did not acknowledge, within the bound."""


class KubernetesUnavailableError(UnavailableError):
    """Raised when the Kubernetes API server did not answer within the bound, or says to come again.

    A change that was asked for may have happened all the same: look, or repeat it. `retry_after_s` is how many seconds
    it asks to be left alone, `None` where it does not say.
    """

    def __init__(self, server: str, what: str, cause: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"The Kubernetes API server at {server} cannot {what} now: {cause}. Try again; if that goes on, check that"
            " the address is right and that the server runs."
        )


class ViewBehindError(UnavailableError, TimeoutError):
    """Raised when a view has not yet applied what the caller wants to read: read again, do not send again."""


class BusyError(UnavailableError):
    """Raised when a process has as much at work as it may have: nothing was done, come again soon."""


class StandsStillError(UnavailableError):
    """Raised when nothing is recorded until somebody mends the log or upgrades this program: repeating is of no use."""


class StoredSchemaError(UnavailableError):
    """Raised when this version cannot use the schema that a gateway has in the log: an older one took it."""


class CommandNotRecordedError(UnavailableError):
    """Raised when a command was voided: nothing was recorded under its id, and nothing ever will be."""

    @classmethod
    def given_up(cls, command_id: str) -> CommandNotRecordedError:
        """Return the error for a command that was voided before it was sent again."""
        return cls(
            f"The command {command_id} was given up when Kafka did not acknowledge it, and was not recorded."
            " Send it again with a new command id."
        )


class OutcomeUnknownError(UnavailableError):
    """Raised when a command may or may not have been recorded: repeat it with the same command id to find out."""

    def __init__(self, command_id: str, cause: str) -> None:
        self.command_id = command_id
        super().__init__(
            f"It is unknown whether the command was recorded ({cause}). "
            f"Repeat it with the same command id to find out: {command_id}"
        )


class RestServiceError(QuickError):
    """Raised when a REST service that fills a field answered with nothing that can be used.

    `extensions` stand beside the message in GraphQL's answer.
    """

    def __init__(self, message: str, extensions: dict[str, object] | None = None) -> None:
        self.extensions = extensions or {}
        super().__init__(message)


class UnreadableEntryError(QuickError):
    """Raised when what a topic holds is none of its types: whoever asked has done nothing wrong, another writer has."""

    def __init__(self, topic: str, partition: int, key: bytes, cause: str) -> None:
        self.topic, self.partition, self.key = topic, partition, key
        super().__init__(
            f"A record in partition {partition} of topic {topic} cannot be read (the bytes of its key are"
            f" {key[:40].hex()}): {cause}"
        )


class EffectPendingError(QuickError, TimeoutError):
    """Raised when a command is recorded, but its effect did not happen within the bound: it goes on being tried."""

    def __init__(self, what: str, position: int, cause: str) -> None:
        self.position = position
        super().__init__(
            f"{what} is recorded at position {position}, but has not happened yet: {cause}. "
            "It is tried again until it succeeds; delete it to give it up."
        )


class KafkaRefusedError(QuickError):
    """Raised when Kafka answered a request with a refusal that repeating it will not change."""


class KubernetesRefusedError(QuickError):
    """Raised when the Kubernetes API server refuses a request, and would refuse it again.

    `code` is the HTTP status, `reason` the API server's word for it (`Invalid`, `Forbidden`; empty where it has none).
    """

    def __init__(self, what: str, code: int, reason: str, cause: str) -> None:
        self.code, self.reason = code, reason
        way_out = _KUBERNETES_WAYS_OUT.get(code, "Change what the message names.")
        super().__init__(f"Kubernetes refused to {what} ({reason or code}): {cause.rstrip('.')}. {way_out}")


_KUBERNETES_WAYS_OUT = {
    401: "Check the credentials: the token may have expired.",
    403: "Let an administrator give the account this right with a Role and a RoleBinding.",
    404: "Make it first, or install what defines it.",
}


class KubernetesExpiredError(QuickError):
    """Raised when the Kubernetes API server no longer has the resource version that was asked for: list again."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Kubernetes cannot {what} from so far back: the resource version has expired. List again.")


class LogError(QuickError):
    """Raised when the command log cannot be trusted or read; nothing is folded until that is mended."""


class UnsafeLogError(LogError):
    """Raised when the settings of the log topic could lose commands."""


class LogIdentityError(LogError):
    """Raised when the log topic is not the one that was read before: re-created, truncated or another cluster's."""


class UndecodableError(LogError):
    """Raised for bytes that are no record of a known format; whoever knows their place names it."""


class NewerFormatError(UndecodableError):
    """Raised for a record whose format is newer than this program: upgrade it."""


class UnreadableRecordError(LogError):
    """Raised for a record of the log that cannot be decoded, or whose format is newer than this program.

    Reads go on; nothing is recorded until the record is quarantined, or the program upgraded where *is_newer*.
    """

    def __init__(self, topic: str, partition: int, offset: int, cause: str, *, is_newer: bool = False) -> None:
        self.topic, self.partition, self.offset = topic, partition, offset
        self.is_newer = is_newer
        way_out = "" if is_newer else f". Pass it with: quick log quarantine {offset} --reason TEXT"
        super().__init__(f"Cannot read the record at {topic}[{partition}]@{offset}: {cause}{way_out}")


class StoreError(QuickError):
    """Raised when a local LMDB store cannot be used: full disk, broken file, wrong place."""


class StoreBrokenError(StoreError):
    """A local store holds what LMDB has not written: it is to be built again."""


class StoreFullError(StoreError):
    """Raised when the map of a store is full: grow it and write again."""


class FoldError(QuickError):
    """Raised when a stored event does not fit the state it is applied to: the log and the code disagree."""


class UnknownEventError(FoldError):
    """Raised for a stored event of a type or version that this program does not know: a newer one wrote it."""


class UpcasterError(QuickError):
    """Raised at the start when an old version of an event cannot be brought to the current one."""


class SettingsError(QuickError):
    """Raised when a setting is missing or has no usable value; names the setting and what it takes."""


class LocalRuntimeError(QuickError):
    """Raised when the local runtime cannot start; one sentence says what is missing and how to get it."""
