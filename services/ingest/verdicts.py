"""What became of each record of a request, as clients read it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.errors import InvalidInputError, InvalidValueError, QuickError, TooLargeError
from core.kafka_writer import Written
from services.errors import TellsOfEach


class RecordError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why a record was not written."""

    detail: str
    path: str | None = None
    """The place in the pair as JSON path, `$.value.price`."""
    expected: str | None = None
    found: str | None = None
    schema_id: int | None = None


class RefusedVerdict(msgspec.Struct, frozen=True):
    """A record that was not written, or is not known to be."""

    index: int
    error: RecordError


class WrittenVerdict(msgspec.Struct, frozen=True):
    """A record that Kafka has acknowledged."""

    index: int
    partition: int
    offset: int | None
    """`null` where Kafka has not said it: the acknowledgement was lost, and its repetition came later."""


class ValidVerdict(msgspec.Struct, frozen=True):
    """A record that would be written."""

    index: int


Verdict = RefusedVerdict | WrittenVerdict | ValidVerdict


class RefusedRecordsError(InvalidInputError, TellsOfEach):
    """Raised for a batch of which some records cannot be used; none was written."""

    verdicts: Sequence[RefusedVerdict]

    def __init__(self, verdicts: Sequence[RefusedVerdict], size: int) -> None:
        self.verdicts = verdicts
        super().__init__(_summary(verdicts, size))


class TooLargeRecordsError(RefusedRecordsError, TooLargeError):
    """Raised for a batch of which some records are larger than the topic takes; none was written."""


class PartlyWrittenError(QuickError, TellsOfEach):
    """Raised when Kafka has acknowledged some records of a batch and not the others; says so, and why."""

    def __init__(self, cause: QuickError, written: int, size: int, verdicts: Sequence[Verdict]) -> None:
        self.cause, self.verdicts = cause, verdicts
        super().__init__(f"{written} of {size} records are written, the others are not known to be: {cause}")


class KeyExistsError(InvalidInputError):
    """Raised for a record of an immutable topic that is not the first of its key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The key {key} already exists for this immutable topic. Write another key.")


class ExistingKeysError(InvalidInputError, TellsOfEach):
    """Raised when keys of an immutable topic exist already; the other records were written."""

    def __init__(self, topic: str, keys: Sequence[str], verdicts: Sequence[Verdict]) -> None:
        self.keys, self.verdicts = keys, verdicts
        super().__init__(f"The following keys already exist for immutable topic {topic}: {', '.join(keys)}")


def refused(index: int, error: QuickError) -> RefusedVerdict:
    """Return the verdict on the record at *index* that *error* refuses."""
    mismatch = error.mismatch if isinstance(error, InvalidValueError) else None
    if mismatch is None:
        return RefusedVerdict(index, RecordError(str(error)))
    return RefusedVerdict(
        index,
        RecordError(
            str(error),
            path="$" + "".join(_step(step) for step in mismatch.path),
            expected=mismatch.expected,
            found=mismatch.found or None,
            schema_id=mismatch.schema_id,
        ),
    )


def written(index: int, outcome: Written | QuickError | None) -> Verdict:
    """Return the verdict on a record that was handed to Kafka, or that was not because nothing is to be written."""
    if isinstance(outcome, Written):
        return WrittenVerdict(index, outcome.partition, outcome.offset)
    return ValidVerdict(index) if outcome is None else refused(index, outcome)


def _summary(verdicts: Sequence[RefusedVerdict], size: int) -> str:
    """Return the first reason as it is, then which record it is about and how many others there are."""
    first, others = verdicts[0], len(verdicts) - 1
    if size == 1:
        return first.error.detail
    more = f", and {others} more; ?verdicts=true tells of all" if others else ""
    return f"{first.error.detail} (record {first.index + 1} of {size}{more}; nothing was written)"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{msgspec.json.encode(step).decode()}]"
