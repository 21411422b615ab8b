"""The composition of the HTTP services: which path is answered by what, over which parts.

`create_app` composes with what it is given, `app_from_env` is what gunicorn calls in each worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import falcon
import falcon.asgi

from core.roles import Role
from core.settings import Settings
from core.signs_of_life import SignSender
from projections.replicas import Replica
from services.compression import GzipMiddleware
from services.cors import OriginsMiddleware, vary_lines
from services.errors import add_error_handlers
from services.fast_path import FastPath, FastWay
from services.gateway.assets import GraphiQLAssetResource
from services.gateway.control import ControlSchemaResource, GatewayTypeResource
from services.gateway.fast_queries import FastQueries
from services.gateway.positions import GatewayPositions
from services.gateway.resource import GraphQLResource
from services.gateway.rest_client import RestClient
from services.gateway.topic_threads import TopicThreads
from services.gateways import Gateways
from services.health import HealthResource
from services.holder_client import HolderClient
from services.holders import Holders
from services.ingest.budget import Budget
from services.ingest.fast_writes import FastWrites
from services.ingest.resources import IngestKeyResource, IngestTopicResource
from services.ingest.topics import IngestTopics
from services.ingest.writes import Writes
from services.local_mirrors import LocalMirrors
from services.local_writer import LocalWriter
from services.manager.applications import ApplicationResource, ApplicationsResource, NewApplicationResource
from services.manager.declarations import DeclarationsResource
from services.manager.doctor import DoctorResource
from services.manager.gateway_schemas import GatewaySchemaResource, WriteTypeResource
from services.manager.gateways import GatewayResource, GatewaysResource, NewGatewayResource
from services.manager.jobs import ExportResource, ReplayResource, RestoreResource, VerifyResource
from services.manager.keys import KeyResource, KeysResource
from services.manager.log import DiffResource, LogCommandResource, LogResource, QuarantineResource
from services.manager.mirrors import MirrorRebuildResource, MirrorsResource, TopicMirrorResource
from services.manager.status import StatusResource
from services.manager.topics import TopicResource, TopicSchemaResource, TopicsResource
from services.metrics import MetricsResource
from services.mirrors.batch import MirrorBatchResource
from services.mirrors.fast_reads import FastReads
from services.mirrors.finding import Here, Mirrors
from services.mirrors.freshness import Looks
from services.mirrors.keys import MirrorKeyResource, MirrorKeysResource
from services.mirrors.pages import MirrorAllResource
from services.mirrors.range_resources import MirrorIndexResource, MirrorRangeResource
from services.mirrors.ranges import DeclaredIndexes
from services.mirrors.replicas import MapMiddleware, ReplicaPartitionsResource
from services.mirrors.rows import MirrorRowsResource
from services.mirrors.status import MirrorPartitionsResource, MirrorStatusResource
from services.openapi.resource import OpenApiResource
from services.remote_mirrors import TIMEOUT_S, RemoteMirrors
from services.remote_positions import RemotePositions
from services.role_paths import WholePath, whole_paths, with_whole_path
from services.row_cache import RowCache
from services.schema_registry.answers import PREFIX as SCHEMA_REGISTRY
from services.schema_registry.answers import EncodedSlashes
from services.schema_registry.compatibility import SubjectCompatibilityResource, VersionCompatibilityResource
from services.schema_registry.config import GlobalConfigResource, SubjectConfigResource
from services.schema_registry.instance import (
    ContextsResource,
    Elsewhere,
    MetadataIdResource,
    MetadataVersionResource,
    ModeResource,
    RootResource,
)
from services.schema_registry.schemas import (
    SchemaResource,
    SchemasResource,
    SchemaSubjectsResource,
    SchemaTextResource,
    SchemaTypesResource,
    SchemaVersionsResource,
)
from services.schema_registry.subjects import (
    ReferencedByResource,
    SubjectResource,
    SubjectsResource,
    VersionResource,
    VersionsResource,
    VersionTextResource,
)
from services.security import ApiKeyMiddleware, ApiKeys
from services.topic_access import TopicAccess, TopicAccesses
from services.vitals import Vitals
from services.whole_bodies import whole_or_raising
from services.whole_mirrors import WholeMirror
from services.worker import Worker

_FalconApp = falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]


class App(_FalconApp):
    """Falcon's application, with bodies that end where their client ended them and nowhere else.

    Args:
        whole_path: Makes the paths of requests whole, where the process serves one thing alone.
    """

    def __init__(self, whole_path: WholePath | None = None) -> None:
        super().__init__()
        self._whole_path = whole_path
        self.fast_path: FastPath | None = None
        """Looked at by `services.http_protocol` before it asks this application."""

    # Falcon's own one has this signature too; its base class, for WSGI, has another.
    async def __call__(  # type: ignore[override]
        self, scope: dict[str, Any], receive: Any, send: Any
    ) -> None:
        """Serve one connection."""
        if self._whole_path is not None and "path" in scope:
            scope = with_whole_path(scope, self._whole_path)
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif scope["http_version"] == "0.9":  # Falcon would raise, in a place where that becomes a 500.
            await send({"type": "http.response.start", "status": 505, "headers": []})
            await send({"type": "http.response.body"})
        else:
            await super().__call__(scope, whole_or_raising(receive), send)


class WorkerLifespan:
    """Starts and stops the parts of a worker with its event loop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def process_startup(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Open what can be opened."""
        self._worker.loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._worker.start)

    async def process_shutdown(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Close everything; requests that were taken in have been answered."""
        await asyncio.to_thread(self._worker.stop)


def create_app(worker: Worker, signs: SignSender | None = None) -> App:
    """Return the ASGI application with the services of the process's role over the parts of *worker*.

    Args:
        worker: The process-wide parts.
        signs: Where the process tells how it is, if anybody listens.
    """
    settings = worker.settings
    app = App(whole_paths(settings))
    app.add_middleware(OriginsMiddleware(settings.cors_origins))
    if settings.gzip_level:
        app.add_middleware(GzipMiddleware(settings.gzip_level))
    app.add_middleware(WorkerLifespan(worker))
    app.add_middleware(EncodedSlashes())
    keys = ApiKeys(settings.api_key, lambda: worker.views.registry)
    app.add_middleware(ApiKeyMiddleware(keys))
    app.req_options.strip_url_path_trailing_slash = True
    add_error_handlers(app)
    services = _Services(worker)
    services.add_to(app)
    app.fast_path = FastPath(keys, services.fast_ways, vary_lines(settings.cors_origins), settings.gzip_level)
    vitals = Vitals(worker, services.waits_for, services.troubles)
    if settings.role is Role.ALL or not settings.has_management:
        app.add_route("/health", HealthResource(worker, services.troubles))
        app.add_route("/metrics", MetricsResource(worker))
    if signs is not None and signs.is_heard:
        worker.at_start(vitals.reporting(signs))
        worker.at_stop(vitals.close)
    return app


class _Services:
    """The services of a role, over parts that they share."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._topics = TopicAccesses(worker)
        self._targets = IngestTopics(worker, self._topics)
        self._client, self._holders = HolderClient(worker.settings.api_key), Holders(self._replicas)
        timeout_s = worker.settings.gateway.timeout_s or TIMEOUT_S
        self._remote = RemoteMirrors(self._topics, self._holders, self._client, timeout_s)
        self._mirrors = Mirrors(worker, self._topics, Looks(worker), self._whole)
        self._writes = Writes(worker, self._targets, self._topics)
        self._gateways: Gateways | None = None
        self.fast_ways: dict[tuple[bytes, bytes], FastWay] = {}
        """See `FastPath`; without those for which one may have to ask another process."""

    def add_to(self, app: App) -> None:
        """Add the routes of the services, and what is to be started and stopped with them."""
        worker = self._worker
        match worker.settings.role:
            case Role.ALL:
                _add_manager(app, worker)
                self._add_ingest(app)
                _add_mirror(app, self._mirrors, MirrorPartitionsResource(self._mirrors))
                self._add_gateways(app)
                if worker.registry_elsewhere is None:
                    self.fast_ways[b"GET", b"mirror"] = FastReads(self._mirrors)
                _add_schema_registry(app, worker)
                self._add_openapi(app)
            case Role.MANAGER:
                _add_manager(app, worker)
                self._add_openapi(app)
            case Role.INGEST:
                self._add_ingest(app)
            case Role.MIRROR:
                self._add_replica(app)
            case Role.GATEWAY:
                self._add_gateways(app)
            case Role.SCHEMA_REGISTRY:
                _add_schema_registry(app, worker)
        worker.at_stop(self._client.close)
        worker.at_stop(self._writes.close)  # Gateways write to the last, so they are closed before.

    def troubles(self) -> list[str]:
        """Return what is wrong with gateways."""
        return [] if self._gateways is None else self._gateways.troubles()

    def waits_for(self) -> str | None:
        """Return why what the role is there for cannot be served yet, `None` when it can; may block.

        Raises:
            QuickError: It cannot; says why.
        """
        served, role = self._worker.settings.served, self._worker.settings.role
        if role is Role.MIRROR and served is not None:
            if self._topics.ready_mirror(self._topics.topic(served)) is None:
                return f"The mirror of topic {served} is being built."
        elif role is Role.GATEWAY and served is not None and self._gateways is not None:
            self._gateways.executor(served)
        elif role.leads or role is Role.SCHEMA_REGISTRY:
            assert self._worker.log, "open, or raised"
        return None

    def _add_ingest(self, app: App) -> None:
        targets, writes, budget = self._targets, self._writes, Budget()
        self._worker.at_start(writes.end_abandoned)
        app.add_route("/ingest/{topic}", IngestTopicResource(targets, writes, budget))
        app.add_route("/ingest/{topic}/{key:path}", IngestKeyResource(targets, writes))
        if self._worker.registry_elsewhere is None:
            self.fast_ways[b"POST", b"ingest"] = FastWrites(targets, writes, budget)

    def _add_openapi(self, app: App) -> None:
        app.add_route("/openapi.json", OpenApiResource(with_schema_registry=self._worker.registry_elsewhere is None))

    def _add_replica(self, app: App) -> None:
        worker, mirrors = self._worker, self._mirrors
        topic = worker.settings.served
        assert topic is not None, "a mirror is there for one topic"
        app.add_middleware(MapMiddleware(mirrors, self._replicas, topic))
        _add_mirror(app, mirrors, ReplicaPartitionsResource(mirrors, self._replicas))
        app.add_route("/mirror/{topic}/rows", MirrorRowsResource(mirrors))

    def _whole(self, here: Here, at_least: str | None, note_asked: Callable[[], None]) -> WholeMirror:
        return WholeMirror(here.mirror, lambda: self._remote.moment(here.access, at_least), note_asked)

    def _replicas(self, access: TopicAccess) -> list[Replica]:
        return self._worker.views.status.replicas(access.name, access.topic_id)

    def _add_gateways(self, app: App) -> None:
        worker, topics = self._worker, self._topics
        settings = worker.settings
        writer = LocalWriter(worker, topics, self._targets, self._writes)
        rest = RestClient(settings.rest)
        rows = RowCache(settings.gateway_row_cache_mb * 1024 * 1024)
        indexes = DeclaredIndexes()
        if settings.role is Role.GATEWAY:
            reader = LocalMirrors(self._remote, indexes, rows, decodes_at_hand=False)
            threads = TopicThreads()
            self._gateways = gateways = Gateways(worker, reader, writer, rest, threads)
            worker.at_stop(threads.close)
            positions: GatewayPositions = RemotePositions(self._mirrors, gateways.executor, self._remote)
            _add_gateway(app, worker, gateways, positions, rest)
        else:
            # Where the schema registry is elsewhere, a value may have to wait until it has answered.
            reader = LocalMirrors(topics, indexes, rows, decodes_at_hand=worker.registry_elsewhere is None)
            self._gateways = gateways = Gateways(worker, reader, writer, rest)
            worker.at_start(gateways.start)
            graphql = _add_gateway(app, worker, gateways, GatewayPositions(self._mirrors, gateways.executor), rest)
            if not graphql.reports_all:
                self.fast_ways[b"POST", b"gateway"] = FastQueries(gateways.known, graphql.registered)


def app_from_env() -> App:
    """Return the application of a worker process, with the settings of its environment."""
    logging.basicConfig(level=os.environ.get("QUICK_LOG_LEVEL", "WARNING"), format="web: %(message)s")
    return create_app(Worker(Settings.from_env(os.environ)), SignSender.from_env(os.environ))


def _add_manager(app: App, worker: Worker) -> None:
    app.add_route("/manager/topics", TopicsResource(worker))
    app.add_route("/manager/topic/{name}", TopicResource(worker))
    app.add_route("/manager/topic/{name}/schema", TopicSchemaResource(worker))
    app.add_route("/manager/topic/{name}/mirror", TopicMirrorResource(worker))
    app.add_route("/manager/topic/{name}/mirror/rebuild", MirrorRebuildResource(worker))
    app.add_route("/manager/mirrors", MirrorsResource(worker))
    app.add_route("/manager/gateways", GatewaysResource(worker))
    app.add_route("/manager/gateway", NewGatewayResource(worker))
    app.add_route("/manager/gateway/{name}", GatewayResource(worker))
    app.add_route("/manager/gateway/{name}/schema", GatewaySchemaResource(worker))
    app.add_route("/manager/gateway/{name}/schema/{type_name}/{form}", WriteTypeResource(worker))
    app.add_route("/manager/applications", ApplicationsResource(worker))
    app.add_route("/manager/application", NewApplicationResource(worker))
    app.add_route("/manager/application/{name}", ApplicationResource(worker))
    app.add_route("/manager/declarations", DeclarationsResource(worker))
    app.add_route("/manager/status", StatusResource(worker))
    app.add_route("/manager/keys", KeysResource(worker))
    app.add_route("/manager/key/{name}", KeyResource(worker))
    app.add_route("/manager/log", LogResource(worker))
    app.add_route("/manager/log/{position:int}", LogCommandResource(worker))
    app.add_route("/manager/log/verify", VerifyResource())
    app.add_route("/manager/log/export", ExportResource())
    app.add_route("/manager/log/restore", RestoreResource(worker))
    app.add_route("/manager/log/quarantine", QuarantineResource(worker))
    app.add_route("/manager/diff", DiffResource(worker))
    app.add_route("/manager/replay", ReplayResource())
    app.add_route("/manager/doctor", DoctorResource(worker))


def _add_mirror(app: App, mirrors: Mirrors, partitions: MirrorPartitionsResource | ReplicaPartitionsResource) -> None:
    indexes = DeclaredIndexes()
    app.add_route("/mirror/{topic}/status", MirrorStatusResource(mirrors, indexes))
    app.add_route("/mirror/{topic}/streams/partitions", partitions)
    app.add_route("/mirror/{topic}/mirror", MirrorAllResource(mirrors))
    app.add_route("/mirror/{topic}/mirror/keys", MirrorKeysResource(mirrors))
    app.add_route("/mirror/{topic}/mirror/batch", MirrorBatchResource(mirrors))
    ranges = MirrorRangeResource(mirrors, indexes)
    app.add_route("/mirror/{topic}/range", ranges)
    app.add_route("/mirror/{topic}/mirror/range/{key:path}", ranges)
    app.add_route("/mirror/{topic}/mirror/index/{field}", MirrorIndexResource(mirrors, indexes))
    app.add_route("/mirror/{topic}/mirror/{key:path}", MirrorKeyResource(mirrors))


def _add_gateway(
    app: App, worker: Worker, gateways: Gateways, positions: GatewayPositions, rest: RestClient
) -> GraphQLResource:
    graphql = GraphQLResource(gateways.executor, worker.settings.gateway, positions, known=gateways.known)
    worker.at_stop(gateways.close)
    worker.at_stop(graphql.close)
    worker.at_stop(rest.close)
    app.add_route("/gateway/{name}/graphql", graphql)
    app.add_route("/gateway/{name}/graphiql-assets/{file}", GraphiQLAssetResource())
    app.add_route("/gateway/{name}/control/schema", ControlSchemaResource(worker))
    app.add_route("/gateway/{name}/schema/{type_name}", GatewayTypeResource(worker))
    return graphql


def _add_schema_registry(app: App, worker: Worker) -> None:
    if worker.registry_elsewhere is not None:
        app.add_sink(Elsewhere(worker.registry_elsewhere.url), SCHEMA_REGISTRY)
        return
    app.add_route(SCHEMA_REGISTRY, RootResource())
    for path, resource in (
        ("/schemas", SchemasResource(worker)),
        ("/schemas/types", SchemaTypesResource()),
        ("/schemas/ids/{schema_id:int(min=0, max=2147483647)}", SchemaResource(worker)),
        ("/schemas/ids/{schema_id:int(min=0, max=2147483647)}/schema", SchemaTextResource(worker)),
        ("/schemas/ids/{schema_id:int(min=0, max=2147483647)}/subjects", SchemaSubjectsResource(worker)),
        ("/schemas/ids/{schema_id:int(min=0, max=2147483647)}/versions", SchemaVersionsResource(worker)),
        ("/subjects", SubjectsResource(worker)),
        ("/subjects/{subject}", SubjectResource(worker)),
        ("/subjects/{subject}/versions", VersionsResource(worker)),
        ("/subjects/{subject}/versions/{version}", VersionResource(worker)),
        ("/subjects/{subject}/versions/{version}/schema", VersionTextResource(worker)),
        ("/subjects/{subject}/versions/{version}/referencedby", ReferencedByResource(worker)),
        ("/compatibility/subjects/{subject}/versions", SubjectCompatibilityResource(worker)),
        ("/compatibility/subjects/{subject}/versions/{version}", VersionCompatibilityResource(worker)),
        ("/config", GlobalConfigResource(worker)),
        ("/config/{subject}", SubjectConfigResource(worker)),
        ("/mode", ModeResource()),
        ("/mode/{subject}", ModeResource()),
        ("/contexts", ContextsResource()),
        ("/v1/metadata/id", MetadataIdResource(worker)),
        ("/v1/metadata/version", MetadataVersionResource()),
    ):
        app.add_route(SCHEMA_REGISTRY + path, resource)
