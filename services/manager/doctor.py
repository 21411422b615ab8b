"""`/manager/doctor`: what is wrong with this instance, and how to mend it."""

from __future__ import annotations

import falcon.asgi
import msgspec

from projections.doctor import Doctor, Finding
from services.worker import Worker


class FindingsBody(msgspec.Struct, frozen=True):
    """What the checks have found."""

    findings: list[Finding]


class DoctorResource:
    """Examines the instance."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with all findings, those that are well included."""
        worker = self._worker
        log, views, settings = worker.log, worker.views, worker.settings
        doctor = Doctor(
            log.topic,
            log.index,
            settings.status_topic,
            views.registry,
            views.status,
            worker.kafka,
            settings.data_dir,
        )
        resp.data = msgspec.json.encode(FindingsBody(await worker.in_thread(doctor.examine)))
