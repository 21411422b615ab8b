"""How differences are shown: `created`, `changed` and `removed` things, with their fields below."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SIGNS = {"created": "+", "changed": "~", "removed": "-", "replaced": "±"}


def change_lines(changes: Iterable[Mapping[str, Any]], indent: str = "") -> Iterator[str]:
    """Yield the lines that show *changes*, as the manager answers them."""
    for change in changes:
        yield f"{indent}{_SIGNS[change['change']]} {change['noun']}/{change['name']} {change['change']}"
        for field in change["fields"]:
            yield from _field_lines(field, indent + "    ", change["change"])


def _field_lines(field: Mapping[str, Any], indent: str, kind: str) -> Iterator[str]:
    name = field["field"]
    if "diff" in field:
        yield f"{indent}{name}:"
        yield from (f"{indent}  {line}" for line in field["diff"].splitlines()[2:])
    elif kind == "created":
        yield f"{indent}{name}: {_shown(field.get('after'))}"
    elif kind == "removed":
        yield f"{indent}{name}: {_shown(field.get('before'))}"
    else:
        yield f"{indent}{name}: {_shown(field.get('before'))} → {_shown(field.get('after'))}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
