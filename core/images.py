"""Names of container images: `<registry>/<image name>:<tag>`, as registries and Kubernetes take them."""

from __future__ import annotations

import re
from typing import Final

from core.errors import InvalidInputError

MAX_REPOSITORY: Final = 255
"""Longest registry and image name together, with the slash between them."""

_SHOWN = 60
"""Characters that are shown of what is refused."""

_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?"

_REGISTRY = re.compile(rf"(?:{_HOST}|{_COMPONENT})(?:/{_COMPONENT})*")
_IMAGE_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def image(registry: str, image_name: str, tag: str) -> str:
    """Return the whole name of an image."""
    return f"{registry}/{image_name}:{tag}"


def check_image(registry: str, image_name: str, tag: str) -> None:
    """Refuse an image that nobody could pull, before a cluster tries to for ever.

    Raises:
        InvalidInputError: Says which part cannot be used, and what it takes.
    """
    if len(registry) + 1 + len(image_name) > MAX_REPOSITORY:
        raise InvalidInputError(
            f"The registry and the image name are longer than {MAX_REPOSITORY} characters together. Shorten them."
        )
    if not _REGISTRY.fullmatch(registry):
        raise InvalidInputError(
            f"The registry {registry[:_SHOWN]!r} cannot be used. Send a host, a path, or both, without https:// and"
            " without a slash at the end: bakdata, ghcr.io/bakdata, localhost:5000."
        )
    if not _IMAGE_NAME.fullmatch(image_name):
        raise InvalidInputError(
            f"The image name {image_name[:_SHOWN]!r} cannot be used. It takes a-z and 0-9, with single '.', '_' or '-'"
            " between them, and '/' between its parts; registry and tag are sent beside it: quick-demo-tinyurl."
        )
    if not _TAG.fullmatch(tag):
        raise InvalidInputError(
            f"The image tag {tag[:_SHOWN]!r} cannot be used. It takes 1 to 128 letters, digits, '_', '.' and '-', and"
            " begins with none of the last two: 1.0.0."
        )
