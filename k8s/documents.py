"""Manifests as a file of YAML documents, for people to read and for `kubectl apply -f`."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from k8s.rendering import Manifest


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, where YAML has a way to do so."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_documents(manifests: Iterable[Manifest]) -> str:
    """Return *manifests* in their order, each with its fields in theirs; nothing but a comment when there is none."""
    documents = [
        yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
        for manifest in manifests
    ]
    return "---\n".join(documents) or "# Nothing is declared that runs in Kubernetes.\n"
