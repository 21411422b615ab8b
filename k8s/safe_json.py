"""Manifests as text that the API server reads as it was meant.

Server-side apply takes YAML, which JSON nearly is. Where the two part, the API server changes text without a word, or
refuses it (both tried): a next-line character (U+0085) becomes a space, and emoji written as two escapes, delete
and a byte order mark are errors.
"""

from __future__ import annotations

import json
import re

from core.errors import InvalidInputError
from k8s.objects import Manifest

_NOT_FOR_YAML = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def encode(manifest: Manifest) -> bytes:
    """Return *manifest* as JSON that means the same as YAML.

    Raises:
        InvalidInputError: It holds what JSON cannot say, such as a date, or half of a pair of surrogates.
    """
    try:
        text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return _NOT_FOR_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"A manifest cannot be sent to Kubernetes: {error}. Use texts and numbers.") from error
