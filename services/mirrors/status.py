"""`/mirror/{topic}/status` and `/mirror/{topic}/streams/partitions`: a mirror itself, not what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import falcon.asgi
import msgspec

from core.errors import UnavailableError
from core.mirrors import MirrorDefinition
from core.topics import TopicSchema
from core.types import Codec, TopicType
from projections.freshness import Freshness
from projections.mirror_places import MirrorPlace
from projections.mirror_progress import Progress, read_progress
from projections.mirrors import MirrorView
from services.mirrors.finding import Mirrors
from services.mirrors.freshness import Standing
from services.mirrors.ranges import DeclaredIndexes
from services.mirrors.values import answer
from services.topic_access import TopicAccess

READY: Final = "ready"
BUILDING: Final = "building"
REBUILDING: Final = "rebuilding"


class DefinitionBody(msgspec.Struct, frozen=True, rename="camel"):
    """What a mirror keeps beside the last values."""

    range_field: str | None
    range_key: str | None
    indexes: list[str]
    retention_ms: int | None

    @classmethod
    def of(cls, definition: MirrorDefinition) -> DefinitionBody:
        """Return *definition* as it is shown."""
        return cls(definition.range_field, definition.range_key, list(definition.indexes), definition.retention_ms)


class LagBody(msgspec.Struct, frozen=True):
    """How far a mirror is behind its topic; null where that is not known."""

    records: int | None
    seconds: float | None


class SideBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the keys or the values of a topic are; a schema is the one that records are written with now."""

    type: TopicType
    schema_id: int | None = None
    schema_type: str | None = None
    schema: str | None = None
    sdl: str | None = None

    @classmethod
    def of(cls, codec: Codec, schema: TopicSchema | None) -> SideBody:
        """Return one side of a topic as it is shown."""
        if schema is None:
            return cls(codec.type)
        return cls(codec.type, schema.schema_id, schema.schema_type, schema.schema, schema.sdl)


class ProgressBody(msgspec.Struct, frozen=True, rename="camel"):
    """How far a build is."""

    records: int
    """Records that were read."""
    bytes: int
    """Bytes of their keys and values."""
    share: float
    """From 0 to 1, of the offsets that are to be passed; compaction leaves gaps of any size in them."""
    eta_seconds: float | None
    """Until it is done at the pace so far."""

    @classmethod
    def of(cls, progress: Progress) -> ProgressBody:
        """Return *progress* as it is shown."""
        share = progress.passed / progress.total if progress.total else 1.0
        eta_s = progress.eta_s()
        return cls(progress.records, progress.bytes, round(share, 4), None if eta_s is None else round(eta_s, 1))


class MirrorStatusBody(msgspec.Struct, frozen=True, rename="camel"):
    """A mirror as it stands on this machine."""

    topic: str
    state: str
    """`ready`; `building` while it does not hold yet what the topic held when it was begun; `rebuilding` while a copy
    is built beside that is to take its place."""
    trouble: str | None
    """Why it does not go on; it answers all the same."""
    rebuild: ProgressBody | None
    """How far the copy is that is built beside."""
    incomplete_before: dict[str, int]
    """Partitions of which Kafka had removed records before they were read, and the first offset that was read."""
    definition: DefinitionBody
    keys: SideBody
    values: SideBody
    offsets: dict[str, int]
    """The next offset of each partition."""
    lag: LagBody
    skipped: int
    """Records that have no place in it: those without a key, and tombstones of an immutable topic."""
    unindexed: int
    """Records that are in no index, because their value or a field of it cannot be read."""
    entries: int
    """A key that stands in several partitions counts in each."""
    bytes: int
    """What it takes on the disk."""


class MirrorStatusResource:
    """`/mirror/{topic}/status`: what a mirror keeps, whether it is ready, how far it is and how much it holds."""

    def __init__(self, mirrors: Mirrors, declared: DeclaredIndexes) -> None:
        self._mirrors = mirrors
        self._declared = declared

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with a `MirrorStatusBody`, also while the mirror is being built.

        Raises:
            NotFoundError: There is no such topic, or it has no mirror.
            UnavailableError: Its building has not begun.
        """
        access = self._mirrors.topics.topic(topic)
        definition = self._declared.definition(access)
        mirror = self._mirrors.topics.open_mirror(access)
        if mirror is None:
            raise UnavailableError(f"The mirror of topic {topic} is to be built, and that has not begun. Try again.")
        lag = self._mirrors.stamps.put(resp, access.topic_id, mirror)
        standing = self._mirrors.stamps.standing(access.topic_id, mirror)
        place = MirrorPlace(self._mirrors.worker.views.folder.mirror_place(access.topic_id))
        answer(resp, _body(access, definition, mirror, standing, lag, place.next()))


class MirrorPartitionsResource:
    """`/mirror/{topic}/streams/partitions`: who answers for each partition, which is whoever is asked."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, topic: str) -> None:
        """Answer with `{"<partition>": "<host>:<port>"}`, this address for each: a mirror holds all partitions."""
        mirror = (await self._mirrors.find_here(req, resp, topic)).mirror
        address = _address(req)
        answer(resp, {str(partition): address for partition in mirror.offsets()})


def _body(
    access: TopicAccess,
    definition: MirrorDefinition,
    mirror: MirrorView,
    standing: Standing,
    lag: Freshness,
    beside: Path | None,
) -> MirrorStatusBody:
    size = mirror.size()
    progress = None if beside is None else read_progress(beside)
    state = READY if beside is None else REBUILDING
    return MirrorStatusBody(
        topic=access.name,
        state=state if mirror.is_ready() else BUILDING,
        trouble=lag.trouble,
        rebuild=None if progress is None else ProgressBody.of(progress),
        incomplete_before={str(partition): offset for partition, offset in mirror.incomplete_before().items()},
        definition=DefinitionBody.of(definition),
        keys=SideBody.of(access.keys, access.key_schema),
        values=SideBody.of(access.values, access.value_schema),
        offsets={str(partition): offset for partition, offset in standing.offsets.items()},
        lag=LagBody(lag.records, lag.seconds),
        skipped=mirror.skipped(),
        unindexed=mirror.unindexed(),
        entries=size.entries,
        bytes=size.bytes,
    )


def _address(req: falcon.asgi.Request) -> str:
    """Return where this process took the request: its own address, whatever proxies are in front of it."""
    host, port = req.scope["server"]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
