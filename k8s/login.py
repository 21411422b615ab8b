"""Logging in: the credentials of a kubeconfig file, or of the pod that we run in.

The `kubernetes` package knows all the ways of that (tokens that are renewed, certificates, programs); nothing else of
it is used. It takes 0.2 s to import: import this module when somebody logs in.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import kubernetes.config
import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException

from core.errors import SettingsError
from k8s.credentials import Credentials

_config: Any = kubernetes.config  # Its functions have no types.
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT_FILE = Path("~/.kube/config")
_WAY_OUT = "Name a kubeconfig file that works with kubectl in KUBECONFIG."


def load_credentials(kubeconfig: str | None = None, context: str | None = None) -> Credentials:
    """Return the credentials of *kubeconfig*; without one, of `$KUBECONFIG`, of our pod or of `~/.kube/config`.

    Args:
        kubeconfig: Path of a file, or several as in `$KUBECONFIG`.
        context: Name of a context in there; the current one unless given.

    Raises:
        SettingsError: There is none, or it cannot be used; later also when a token cannot be renewed.
    """
    files = kubeconfig or os.environ.get("KUBECONFIG")
    if not files and context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _of_pod()
    return _of_files(files or str(_DEFAULT_FILE.expanduser()), context)


def _of_pod() -> Credentials:
    configuration = Configuration()
    try:
        _config.load_incluster_config(client_configuration=configuration)
        namespace = _POD_NAMESPACE.read_text().strip()
        return _credentials(configuration, namespace)
    except (ConfigException, OSError, ValueError) as error:
        raise SettingsError(
            f"The pod's service account cannot be used: {_line(error)}. Mount its token (automountServiceAccountToken)."
        ) from error


def _of_files(files: str, context: str | None) -> Credentials:
    configuration = Configuration()
    try:
        _config.load_kube_config(
            config_file=files, context=context, client_configuration=configuration, persist_config=False
        )
        return _credentials(configuration, _namespace_of(files, context))
    except (
        ConfigException,
        yaml.YAMLError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:
        # The package takes the file to be of the right shape, so that a mistake in it shows in many ways.
        raise SettingsError(f"The kubeconfig {files} cannot be used: {_line(error)}. {_WAY_OUT}") from error


def _namespace_of(files: str, context: str | None) -> str:
    contexts, current = _config.list_kube_config_contexts(config_file=files)
    chosen = current if context is None else next((one for one in contexts if one["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _credentials(configuration: Any, namespace: str) -> Credentials:
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)

    def authorization() -> str | None:
        try:
            setting = configuration.auth_settings().get("BearerToken")
        except (ConfigException, OSError) as error:
            raise SettingsError(f"The token for Kubernetes cannot be renewed: {_line(error)}. {_WAY_OUT}") from error
        return None if setting is None else str(setting["value"])

    return Credentials(
        server=configuration.host.rstrip("/"),
        namespace=namespace,
        tls=tls,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        authorization=authorization,
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
