"""Manifests as a file of YAML documents, for people to read and for `kubectl apply -f`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import yaml

from k8s.rendering import Manifest

_MISREAD: Final = re.compile(r"[+-]?[0-9.][0-9a-fA-FxXoO._:+-]*|[yYnN]")
"""Texts that Kubernetes takes for numbers or for yes and no where PyYAML does not, such as `1e3` and `y`."""


_NEXT_LINE: Final = "\x85"
"""PyYAML takes it for a line's end where it is not written as an escape, and reads it back as a space."""


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, where YAML has a way to do so."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if _NEXT_LINE in text:
        return '"'
    if "\n" in text:
        return "|"
    return "'" if _MISREAD.fullmatch(text) else None


_Dumper.add_representer(str, _text)


def as_documents(manifests: Iterable[Manifest]) -> str:
    """Return *manifests* in their order, each with its fields in theirs; nothing but a comment when there is none."""
    documents = [
        yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
        for manifest in manifests
    ]
    return "---\n".join(documents) or "# Nothing is declared that runs in Kubernetes.\n"
