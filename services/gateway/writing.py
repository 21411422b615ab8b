"""The port through which a gateway writes to topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from core.errors import NotAvailableYetError, QuickError, UnavailableError
from core.kafka_writer import OutRecord
from core.types import Codec


class UnknownOutcomeError(UnavailableError):
    """Raised when records may or may not be in their topic: reading their keys tells."""

    def __init__(self, topic: str, cause: str) -> None:
        super().__init__(
            f"It is not known whether this was written to topic {topic}: {cause} Read the key to find out, before you"
            " write again."
        )


class WriteTarget(Protocol):
    """A topic as it is declared now."""

    @property
    def name(self) -> str:
        """Name of the topic."""

    @property
    def keys(self) -> Codec:
        """Makes its keys."""

    @property
    def values(self) -> Codec:
        """Makes its values."""

    @property
    def is_immutable(self) -> bool:
        """Whether the first record of a key stays for ever."""


class WriteOutcome(NamedTuple):
    """What became of records that were written together."""

    position: str | None
    """Token of the position behind those that are written; `None` when none is."""
    errors: Mapping[int, QuickError]
    """Why the others are not, or are not known to be, by their index."""


class TopicWriter(Protocol):
    """Writes records to topics. Safe to use from several threads; blocks until Kafka has acknowledged them."""

    def target(self, topic: str) -> WriteTarget:
        """Return the topic *topic* to write to.

        Raises:
            NotFoundError: There is none.
            UnavailableError: It does not exist in Kafka yet.
        """

    def write(self, target: WriteTarget, records: Sequence[OutRecord]) -> WriteOutcome:
        """Write *records*, which were made with the codecs of *target*, in order.

        Raises:
            UnknownOutcomeError: Any of them may be written.
            QuickError: None of them is written; says why.
        """


class _ReadOnly:
    """Writes nothing."""

    def target(self, topic: str) -> WriteTarget:
        raise NotAvailableYetError(f"Nothing is written to topic {topic} here. Send the mutation to another instance.")

    def write(self, target: WriteTarget, records: Sequence[OutRecord]) -> WriteOutcome:
        raise AssertionError("there is no target to write to")


READ_ONLY: Final[TopicWriter] = _ReadOnly()
"""For gateways that cannot write."""
