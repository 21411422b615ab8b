"""The configuration file: which hosts and keys the CLI knows, by context.

YAML: `currentContext: <name>`, `contexts: {<name>: {host: <url>, apiKey: <key>}}`. It lies at `~/.config/quick.conf`,
or where `QUICK_CONFIG` says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import SettingsError

MANAGER_PATH = "/manager"
INGEST_PATH = "/ingest"
MIRROR_PATH = "/mirror"
GATEWAY_PATH = "/gateway"
LOCAL_CONTEXT = "local"


@dataclass(frozen=True)
class Context:
    """One host with its key."""

    host: str
    """URL of the manager."""
    api_key: str = field(repr=False)

    @property
    def ingest_url(self) -> str:
        """Return the URL of the ingest service, which lies beside the manager."""
        return self.host.removesuffix(MANAGER_PATH) + INGEST_PATH

    @property
    def mirror_url(self) -> str:
        """Return the URL of the mirror service, which lies beside the manager."""
        return self.host.removesuffix(MANAGER_PATH) + MIRROR_PATH

    @property
    def gateway_url(self) -> str:
        """Return the URL of the gateways, which lie beside the manager."""
        return self.host.removesuffix(MANAGER_PATH) + GATEWAY_PATH

    def as_yaml(self) -> dict[str, str]:
        """Return the context as the file holds it."""
        return {"apiKey": self.api_key, "host": self.host}


@dataclass(frozen=True)
class Config:
    """What the file holds."""

    current: str | None = None
    contexts: Mapping[str, Context] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Config | None:
        """Read the file, `None` when there is none.

        Raises:
            SettingsError: It cannot be read, or is no configuration.
        """
        import yaml  # noqa: PLC0415 - 20 ms that help texts do not need

        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            contexts = {name: _context(entry) for name, entry in content["contexts"].items()}
            return cls(content.get("currentContext"), contexts)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"The configuration {path} cannot be used ({type(error).__name__}: {error})."
                " Mend it, or remove it and run: quick context create"
            ) from error

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner only, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(as_yaml(self._content()))
        fresh.replace(path)

    def with_context(self, name: str, host: str, api_key: str) -> Config:
        """Return the configuration with a context added or overwritten; the first one becomes current."""
        contexts = {**self.contexts, name: Context(manager_url(host), api_key)}
        return Config(self.current or name, contexts)

    def activated(self, name: str) -> Config:
        """Return the configuration with another current context."""
        return replace(self, current=name)

    def _content(self) -> dict[str, Any]:
        contexts = {name: context.as_yaml() for name, context in self.contexts.items()}
        return {"contexts": contexts, "currentContext": self.current}


def _context(entry: Mapping[str, object]) -> Context:
    host, key = entry["host"], entry["apiKey"]
    if not isinstance(host, str) or not isinstance(key, str):
        raise TypeError("host and apiKey are texts: put them into quotes")
    return Context(host, key)


def config_path(environ: Mapping[str, str]) -> Path:
    """Return where the configuration lies."""
    configured = environ.get("QUICK_CONFIG")
    return Path(configured) if configured else Path.home() / ".config" / "quick.conf"


def manager_url(host: str) -> str:
    """Return the URL of the manager at *host*."""
    url = host.removesuffix("/")
    return url if url.endswith(MANAGER_PATH) else url + MANAGER_PATH


def as_yaml(content: object) -> str:
    """Return *content* as YAML with sorted keys."""
    import yaml  # noqa: PLC0415 - 20 ms that help texts do not need

    return yaml.safe_dump(content, sort_keys=True, default_flow_style=False, allow_unicode=True)


def write_local_context(host_url: str, api_key: str) -> None:
    """Keep the instance that runs on this machine as the context `local`.

    Raises:
        SettingsError: The configuration cannot be read.
        OSError: It cannot be written.
    """
    path = config_path(os.environ)
    config = Config.load(path) or Config()
    config.with_context(LOCAL_CONTEXT, host_url, api_key).save(path)
