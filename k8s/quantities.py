"""Amounts of CPU, memory and disk as Kubernetes writes them: `0.1`, `100m`, `1G`, `256Mi`, `1e3`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_NUMBER: Final = r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})"
_QUANTITY: Final = re.compile(rf"({_NUMBER})([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{{1,2}})?")

_FACTORS: Final = {
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate(("n", "u", "m", "", "k", *"MGTPE"), start=-3)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


def quantity(text: str) -> Decimal:
    """Return the number that *text* writes, in cores or bytes.

    Raises:
        ValueError: It is no quantity of Kubernetes.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError("it takes a quantity of Kubernetes, such as 0.5, 500m, 256Mi or 1G")
    number, suffix = Decimal(found[1]), found[2] or ""
    factor = _FACTORS.get(suffix)
    return number * (Decimal(f"1{suffix}") if factor is None else factor)
