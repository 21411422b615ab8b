"""The value of one key on the fast path, see `services.fast_path`; the rules are those of `services.mirrors.keys`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from services.fast_path import JSON_LINE, SEGMENT, FastAnswer
from services.mirrors.finding import Mirrors
from services.mirrors.keys import key_bytes

_PATH: Final = re.compile(rb"/mirror/" + SEGMENT + rb"/mirror/(?!(?:keys|batch)$)" + SEGMENT)
"""A key with a slash in it may be something else: that is Falcon's to find out."""


class FastReads:
    """`GET /mirror/{topic}/mirror/{key}`.

    Args:
        mirrors: Finds mirrors. No schema of a value may have to be asked for elsewhere: nobody waits here.
    """

    path = _PATH

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def answer(self, names: Sequence[str], headers: Mapping[bytes, bytes], body: bytes) -> FastAnswer | None:
        """Return the value; position and lag in the headers are those of the moment at which it is read.

        Raises:
            QuickError: There is no such topic, or no value of it that can be read.
        """
        topic, text = names
        access = self._mirrors.topics.topic(topic)
        mirror = self._mirrors.topics.ready_mirror(access)
        if mirror is None:
            return None
        with mirror.moment() as moment:
            raw = moment.value(key_bytes(access, text))
            if raw is None:
                return None
            told = self._mirrors.stamps.told(access.topic_id, mirror, moment)
        value = access.values.to_json(access.values.decode(raw))
        if value is None:
            return None
        return FastAnswer(JSON_LINE + told.lines(), msgspec.json.encode({"value": value}))
