"""Kubernetes quantities (`100m`, `0.1`, `1Gi`, `1e3`): amounts that can be written in many ways."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from core.errors import InvalidValueError

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))"
    r"(?P<suffix>(?:[eE][+-]?[0-9]{1,2})|[KMGTPE]i|[numkMGTPE]|)",
    re.ASCII,
)
_BINARY = {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {letter: Fraction(1000) ** power for power, letter in enumerate(("n", "u", "m", "", "k", *"MGTPE"), -3)}
_IN_BILLIONTHS = 10**9


def parse_quantity(value: object) -> Fraction:
    """Return the amount that *value*, a text or a number, stands for; below a billionth it is rounded up, as there.

    Raises:
        InvalidValueError: It is no quantity.
    """
    is_written = isinstance(value, str | int | float) and not isinstance(value, bool)
    found = _QUANTITY.fullmatch(str(value)) if is_written else None
    if found is None:
        raise InvalidValueError(
            f"{str(value)[:40]!r} is no quantity of Kubernetes. Write it like 0.5, 100m, 1G or 256Mi."
        )
    number, suffix = Fraction(found["number"]), found["suffix"]
    if suffix in _BINARY:
        amount = number * _BINARY[suffix]
    elif suffix in _DECIMAL:
        amount = number * _DECIMAL[suffix]
    else:
        amount = number * Fraction(10) ** int(suffix[1:])
    billionths = math.ceil(abs(amount) * _IN_BILLIONTHS)
    return Fraction(billionths if amount > 0 else -billionths, _IN_BILLIONTHS)


def is_same_quantity(one: object, other: object) -> bool:
    """Return whether both are quantities, and of the same amount."""
    try:
        return parse_quantity(one) == parse_quantity(other)
    except InvalidValueError:
        return False
