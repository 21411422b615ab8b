"""Quick on one machine or in one pod: the projector and the HTTP server over one data folder, kept running together.

The two get their settings by environment and log warnings to stderr; `QUICK_LOG_LEVEL` changes that.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import rich_click as click

from cli.api_key import kept_api_key
from cli.child_process import Child, ChildSpec
from cli.folder_lock import FolderLock, make_folder
from cli.listener import listen, url_of
from cli.management import Management
from cli.supervisor import Supervisor
from core.errors import KafkaUnavailableError, LocalRuntimeError, QuickError
from core.roles import Role
from core.settings import Settings
from core.signs_of_life import VARIABLE as SIGNS
from core.signs_of_life import SignReceiver

READY_TIMEOUT_S = 60.0
"""Longest wait until the server calls itself healthy."""

_PACKAGES = Path(__file__).parents[1]
_WAY_OUT = "Choose another folder with --data-dir."
_LOOK_EVERY_S = 0.05
_KAFKA_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 2.0
_PROJECTOR_STOP_S = 15.0
_WEB_STOP_S = 12.0


@dataclass(frozen=True, kw_only=True)
class InstanceOptions:
    """What to serve where."""

    host: str
    """Interface to listen on."""

    port: int
    """Port to listen on; 0 picks a free one."""

    data_dir: Path
    """Folder of the local views."""

    workers: int
    """Processes that answer requests."""

    api_key: str | None = field(repr=False)
    """The administrator's key; `None` generates one and keeps it in the data folder."""

    role: Role = Role.ALL
    """What is served."""

    served: str | None = None
    """The topic of a mirror, or the gateway."""

    management_port: int | None = None
    """Port for health and figures on the same interface; 0 picks a free one."""


class Instance:
    """One instance, the only one on its data folder. Entering it reserves folder and port and starts nothing yet.

    Raises:
        LocalRuntimeError: On entering: the folder or the port cannot be used, or is in use.
    """

    def __init__(self, options: InstanceOptions) -> None:
        self._options = options

    def __enter__(self) -> Self:
        self.data_dir = make_folder(self._options.data_dir, _WAY_OUT)
        self._lock = FolderLock(self.data_dir, _WAY_OUT)
        self.has_generated_key = not self._options.api_key
        self.api_key = self._options.api_key or kept_api_key(self.data_dir)
        self._listener = listen(self._options.host, self._options.port)
        self.url = url_of(self._listener)
        self._management = self._opened_management()
        self.management_url = None if self._management is None else self._management.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._lock.release()

    def _opened_management(self) -> Management | None:
        port = self._options.management_port
        if port is None:
            return None
        self._signs = SignReceiver()
        return Management(listen(self._options.host, port), self._signs)

    def serve(self, kafka: str, *, broker: Child | None, announce: Callable[[], None]) -> None:
        """Serve until a stop signal comes.

        Args:
            kafka: Address of brokers that answer.
            broker: The broker, if it is a child of ours to be looked after as well.
            announce: Called once the server is healthy; in a pod, where others ask for that, once it is started.

        Raises:
            KeyboardInterrupt: The stop signal; all children have ended.
            LocalRuntimeError: The server did not become healthy; says why.
            SettingsError: A setting in the environment has no usable value.
            UnsafeLogError: The log topic could lose commands.
            UpcasterError: An old event could not be read.
        """
        env = self._environment(kafka)
        is_in_pod = self._options.role is not Role.ALL
        is_in_kubernetes = self._options.role.leads and _is_in_kubernetes(env)
        _refuse_unsafe_start(Settings.from_env(env), waits_for_kafka=is_in_pod)
        with self._management or nullcontext(), Supervisor(_complain) as supervisor:
            if broker is not None:
                supervisor.adopt(broker)
            supervisor.start(self._projector(env))
            supervisor.start(self._web(env))
            if is_in_kubernetes:
                supervisor.start(self._kubernetes(env))
            if not is_in_pod:
                self._await_health(supervisor)
            announce()
            supervisor.run()

    def _environment(self, kafka: str) -> Mapping[str, str]:
        env = os.environ | {
            "QUICK_KAFKA_BOOTSTRAP_SERVER": kafka,
            "QUICK_DATA_DIR": str(self.data_dir),
            "QUICK_APIKEY": self.api_key,
            "QUICK_ROLE": self._options.role,
            "QUICK_SERVED": self._options.served or "",
            "QUICK_HAS_MANAGEMENT": "true" if self._management is not None else "false",
            SIGNS: str(self._signs.descriptor) if self._management is not None else "",
        }
        env.setdefault("QUICK_ADVERTISED_ADDRESS", self._own_address())
        Settings.from_env(env)  # What is wrong here is said once, and not by each child at each start.
        return env

    def _own_address(self) -> str:
        """Return where other processes reach this one, as far as it can be known here."""
        host, port = self._listener.getsockname()[:2]
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - the wildcards are no addresses to call
            host = os.environ.get("POD_IP") or platform.node()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _signs_socket(self) -> tuple[int, ...]:
        return () if self._management is None else (self._signs.descriptor,)

    def _projector(self, env: Mapping[str, str]) -> ChildSpec:
        return ChildSpec(
            name="projector",
            argv=(sys.executable, "-m", "projections.projector"),
            env=env,
            cwd=_PACKAGES,  # `-m` looks there first; a folder of the user's may hold packages of the same names.
            stop_timeout_s=_PROJECTOR_STOP_S,
            inherited_fds=self._signs_socket(),
        )

    def _kubernetes(self, env: Mapping[str, str]) -> ChildSpec:
        return ChildSpec(name="kubernetes", argv=(sys.executable, "-m", "k8s.process"), env=env, cwd=_PACKAGES)

    def _web(self, env: Mapping[str, str]) -> ChildSpec:
        socket = self._listener.fileno()
        return ChildSpec(
            name="web",
            argv=(
                *(sys.executable, "-m", "gunicorn", "services.app:app_from_env()"),
                *("--config", "python:services.gunicorn_config", "--chdir", str(_PACKAGES)),
                *("--bind", f"fd://{socket}", "--workers", str(self._options.workers)),
            ),
            env=env,
            cwd=_PACKAGES,
            stop_timeout_s=_WEB_STOP_S,
            inherited_fds=(socket, *self._signs_socket()),
        )

    def _await_health(self, supervisor: Supervisor) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not (health := _health(self.url)).is_serving:
            if time.monotonic() >= deadline:
                raise LocalRuntimeError(
                    f"Quick is not ready after {READY_TIMEOUT_S:g} s: {health.reason.rstrip('.')}. "
                    "See above for what its processes said."
                )
            supervisor.tend(_LOOK_EVERY_S)
        if health.reason:
            _complain(f"Quick serves, but not everything works: {health.reason}")


def _is_in_kubernetes(env: Mapping[str, str]) -> bool:
    """Return whether the cluster is reconciled here; what is wrong with the settings for that is said once, too."""
    if env.get("QUICK_K8S") or env.get("KUBERNETES_SERVICE_HOST"):
        from k8s.settings import KubernetesSettings, is_reconciled_here  # noqa: PLC0415 - 50 ms that few need

        if is_reconciled_here(env):
            KubernetesSettings.from_env(env)
            return True
    return False


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the block until it is done or told to stop: SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in it.

    Raises:
        SystemExit: 0 after such a signal; 1 after an error of ours, which then stands on stderr.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # As `nohup` wants it.
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(0) from None
    except QuickError as error:
        _complain(str(error))
        raise SystemExit(1) from error


def _refuse_unsafe_start(settings: Settings, *, waits_for_kafka: bool) -> None:
    """Find once, before anything is started, what each child would find at each start.

    Args:
        settings: What they are told.
        waits_for_kafka: Whether it is all right that Kafka does not answer yet: they try again until it does.
    """
    from core.event_mapper import EventMapper  # noqa: PLC0415 - 300 ms that help texts do not need
    from core.kafka import wait_until_ready  # noqa: PLC0415
    from core.log_topic import LogTopic  # noqa: PLC0415

    EventMapper()
    topic = LogTopic(settings.kafka, settings.log_topic, replication_factor=settings.replication_factor)
    try:
        if waits_for_kafka:  # Who does not has waited already. It says why: no login, no trust, or no answer.
            wait_until_ready(settings.kafka, _KAFKA_TIMEOUT_S)
        topic.ensure()
    except KafkaUnavailableError as error:
        if not waits_for_kafka:
            raise
        _complain(f"Waiting for Kafka: {error}")


class _Health(NamedTuple):
    """What `/health` says; `reason` is empty when all is well."""

    is_serving: bool
    reason: str


def _health(url: str) -> _Health:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return _Health(is_serving=False, reason=f"{url} does not answer ({error}).")
    finally:
        connection.close()
    return _Health(is_serving=answer.status == HTTPStatus.OK, reason=_reason(answer.status, body))


def _reason(status: int, body: bytes) -> str:
    """Return why something does not work, as the body of an answer says, or its status where it does not say."""
    try:
        return str(json.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return "" if status == HTTPStatus.OK else f"/health answers {status}"


def _complain(text: str) -> None:
    click.echo(text, err=True)
