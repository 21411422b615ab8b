"""Names of enum values: `RED` to GraphQL and JSON, `COLOR_RED` in Protobuf, where values share one scope.

The rule is that of Google's style guide: each value starts with the type's name in upper snake case. An enum
that keeps it throughout is shown without the prefix, whoever wrote the schema; any other as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

UNSPECIFIED: Final = "UNSPECIFIED"
"""The value 0 of an enum that keeps the rule: no choice was made."""

_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def prefix_of(enum_name: str) -> str:
    """Return what the values of the enum *enum_name* start with, such as `ORDER_STATE_` for `OrderState`."""
    return f"{_WORD_STARTS.sub('_', enum_name).upper()}_"


def shared_prefix(enum_name: str, value_names: Iterable[str]) -> str:
    """Return the prefix that all values have; empty where one has not, or would have no name without it."""
    prefix = prefix_of(enum_name)
    keeps_it = all(
        name.startswith(prefix) and _NAME.fullmatch(name.removeprefix(prefix)) is not None for name in value_names
    )
    return prefix if keeps_it else ""
