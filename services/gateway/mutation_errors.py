"""Why a mutation field has written nothing, or not all, as programs tell it: a code that stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.errors import (
    BusyError,
    ConflictError,
    InvalidInputError,
    KafkaRefusedError,
    NotAvailableYetError,
    NotFoundError,
    QuickError,
    StandsStillError,
    TooLargeError,
    UnavailableError,
    ViewBehindError,
)
from services.gateway.writing import UnknownOutcomeError
from services.ingest.verdicts import KeyExistsError

CODES: Final[tuple[tuple[type[QuickError], str], ...]] = (
    (KeyExistsError, "CONFLICT"),
    (ConflictError, "CONFLICT"),
    (NotFoundError, "NOT_FOUND"),
    (TooLargeError, "TOO_LARGE"),
    (InvalidInputError, "INVALID"),
    (NotAvailableYetError, "NOT_AVAILABLE"),
    (KafkaRefusedError, "REFUSED"),
    (UnknownOutcomeError, "OUTCOME_UNKNOWN"),
    (ViewBehindError, "OUTCOME_UNKNOWN"),
    (StandsStillError, "STANDS_STILL"),
    (BusyError, "BUSY"),
    (UnavailableError, "UNAVAILABLE"),
)
"""The code of each error; the first class that fits counts.

With OUTCOME_UNKNOWN a record may be in the topic, with every other one it is not, or does not count there.
"""


class MutationError(QuickError):
    """Raised where a mutation field has not written what it was given; says why.

    Attributes:
        extensions: What the error in the answer has beside its message.
    """

    extensions: Mapping[str, Any]

    def __init__(self, cause: QuickError) -> None:
        self.extensions = {"code": code_of(cause)}
        super().__init__(str(cause))
        self.__cause__ = cause


def code_of(error: QuickError) -> str:
    """Return the code of *error*."""
    return next((code for kind, code in CODES if isinstance(error, kind)), "INTERNAL")
