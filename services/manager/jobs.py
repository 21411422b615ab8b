"""Long work on the log and its views over REST: each a process of its own, whose output is streamed.

    GET  /manager/log/verify      check the whole log
    GET  /manager/log/export      the log as an Avro object container file
    POST /manager/log/restore     append an exported log to an empty one; `?dryRun=true` only checks
    GET  /manager/replay          rebuild a view beside the live one and compare; `?view=NAME`
    POST /manager/replay          the same, and with `&swap=true` put it in the place of the live one

All but the export answer JSON lines (see projections.jobs). A job whose caller has gone is ended.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import falcon
import falcon.asgi

from core.errors import InvalidInputError, UnavailableError
from core.parent_death import dying_with_us
from projections.replay import VIEWS
from services.worker import Worker

NDJSON = "application/x-ndjson"
AVRO = "application/avro"

KEEP_ALIVE_S = 5.0
"""After so long without a line an empty one is sent: proxies and clients give up on silent connections."""

_PIECE_BYTES = 256 * 1024
_PACKAGES = Path(__file__).parents[2]


class VerifyResource:
    """`/manager/log/verify`: check the whole log."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with a line for each finding, and the result."""
        _stream_lines(resp, "verify")


class ExportResource:
    """`/manager/log/export`: the log as a file."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer with the file; a connection that breaks before its end shows that it is not whole."""
        resp.content_type = AVRO
        resp.stream = _pieces("export")


class RestoreResource:
    """`/manager/log/restore`: append an exported log to an empty one."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Take the file as the body, of any length, and answer with lines of progress and the result."""
        options = ["--dry-run"] if req.get_param_as_bool("dryRun", default=False) else []
        file = await self._kept(req)
        _stream_lines(resp, "restore", str(file), *options, file=file)

    async def _kept(self, req: falcon.asgi.Request) -> Path:
        """Write the body to the disk: a restore reads it more than once."""
        with tempfile.NamedTemporaryFile(prefix="restore-", suffix=".avro", delete=False) as file:
            try:
                async for piece in req.stream:
                    await self._worker.in_thread(partial(file.write, piece))
            except BaseException:
                Path(file.name).unlink()
                raise
        return Path(file.name)


class ReplayResource:
    """`/manager/replay`: rebuild a view beside the live one."""

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Compare a view with its replay."""
        _stream_lines(resp, "replay", _view(req))

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Compare a view with its replay, and with `swap=true` put the replay in its place."""
        options = ["--swap"] if req.get_param_as_bool("swap", default=False) else []
        _stream_lines(resp, "replay", _view(req), *options)


def _view(req: falcon.asgi.Request) -> str:
    view = req.get_param("view") or "registry"
    if view not in VIEWS:
        raise InvalidInputError(f"There is no view {view[:60]!r} to replay. Choose of {', '.join(VIEWS)}.")
    return view


def _stream_lines(resp: falcon.asgi.Response, *arguments: str, file: Path | None = None) -> None:
    resp.content_type = NDJSON
    resp.stream = _lines(*arguments, file=file)


async def _lines(*arguments: str, file: Path | None) -> AsyncIterator[bytes]:
    """Yield the lines that a job prints; *file* is removed when it has ended."""
    try:
        async with _running(*arguments) as job:
            assert job.stdout is not None, "it is a pipe"
            line = asyncio.ensure_future(job.stdout.readline())
            while True:
                done, _ = await asyncio.wait({line}, timeout=KEEP_ALIVE_S)
                if not done:
                    yield b"\n"
                    continue
                if not (text := line.result()):
                    return
                yield text
                line = asyncio.ensure_future(job.stdout.readline())
    finally:
        if file is not None:
            file.unlink(missing_ok=True)


async def _pieces(*arguments: str) -> AsyncIterator[bytes]:
    """Yield what a job prints, as it comes.

    Raises:
        UnavailableError: The job failed. The answer has begun by then: the server breaks it off.
    """
    async with _running(*arguments) as job:
        assert job.stdout is not None, "it is a pipe"
        while piece := await job.stdout.read(_PIECE_BYTES):
            yield piece
        if await job.wait() != 0:
            raise UnavailableError(f"{arguments[0]} failed; the server's log tells why.")


@asynccontextmanager
async def _running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a job, and end it when nobody wants its output any more."""
    argv = dying_with_us([sys.executable, "-m", "projections.jobs", *arguments])
    job = await asyncio.create_subprocess_exec(
        *argv, cwd=_PACKAGES, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=2**26
    )
    try:
        yield job
    finally:
        if job.returncode is None:
            job.kill()
        await job.wait()
