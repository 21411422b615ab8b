"""A network of replicas without a network: what one sends is answered by the apps of others, in the same process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import falcon.testing

from projections.replicas import Replica
from services.holder_client import HolderAnswer, HolderClient
from services.holders import Holders
from services.remote_mirrors import RemoteMirrors
from services.topic_access import TopicAccess, TopicAccesses
from tests.services.mirror_app import MirrorApp
from tests.services.test_holders import replica
from tests.services.written_mirror import Topics, WrittenMirror


@dataclass
class Network:
    """Replicas by their address: each an app, or what it does instead of answering."""

    apps: dict[str, falcon.testing.TestClient | Callable[[], HolderAnswer]]
    asked: list[str] = field(default_factory=list)
    sent: list[Mapping[str, str]] = field(default_factory=list)

    def post(
        self, address: str, path: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float
    ) -> HolderAnswer:
        self.asked.append(address)
        self.sent.append(headers)
        app = self.apps[address]
        if callable(app):
            return app()
        answer = app.simulate_post(path, body=body, headers=dict(headers))
        return HolderAnswer(answer.status_code, {**answer.headers}, answer.content)


def remote_mirrors(*written: WrittenMirror) -> RemoteMirrors:
    """Return the mirrors as another process reads them: each has one replica."""
    network = Network({f"{one.access.name}:1": MirrorApp(one.view, access=one.access).client() for one in written})

    def replicas(access: TopicAccess) -> list[Replica]:
        return [replica(access.name)]

    topics = cast("TopicAccesses", Topics(*written))
    return RemoteMirrors(topics, Holders(replicas), cast("HolderClient", network))
