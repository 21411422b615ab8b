from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

from core.errors import SettingsError
from k8s import login
from k8s.apply import ApiClient
from k8s.login import load_credentials
from k8s.objects import Kind
from tests.k8s.control_plane import ControlPlane


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any], **context: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "first", "context": {"cluster": "c", "user": "u", **context}},
            {"name": "second", "context": {"cluster": "c", "user": "u", "namespace": "other"}},
        ],
        "current-context": "first",
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config))
    return file


def test_a_kubeconfig_tells_where_who_and_which_namespace(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, {"server": "https://api.example:6443/"}, {"token": "t"}, namespace="mine")
    credentials = load_credentials(str(file))
    assert ("https://api.example:6443", "mine") == (credentials.server, credentials.namespace)
    assert "Bearer t" == credentials.authorization()
    assert ssl.CERT_REQUIRED == credentials.tls.verify_mode


def test_another_context_of_the_file_can_be_named(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, {"server": "https://api.example"}, {"token": "t"})
    assert "default" == load_credentials(str(file)).namespace
    assert "other" == load_credentials(str(file), context="second").namespace


def test_the_file_of_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, {"server": "https://env.example"}, {})))
    assert "https://env.example" == load_credentials().server
    assert None is load_credentials().authorization()


def test_a_certificate_inside_the_file_is_trusted_and_the_server_name_is_kept(
    tmp_path: Path, control_plane: ControlPlane
) -> None:
    certificate = base64.b64encode(control_plane.certificate.read_bytes()).decode()
    cluster = {
        "server": control_plane.url,
        "certificate-authority-data": certificate,
        "tls-server-name": "kubernetes.default.svc",
    }
    token = json.loads(control_plane.kubeconfig.read_text())["users"][0]["user"]
    credentials = load_credentials(str(kubeconfig(tmp_path, cluster, token)))
    assert "kubernetes.default.svc" == credentials.tls_server_name
    with ApiClient(credentials) as client:
        assert client.list(Kind("v1", "Namespace")).objects


def test_verification_is_off_only_where_the_file_says_so(tmp_path: Path, control_plane: ControlPlane) -> None:
    cluster = {"server": control_plane.url, "insecure-skip-tls-verify": True}
    token = json.loads(control_plane.kubeconfig.read_text())["users"][0]["user"]
    with ApiClient(load_credentials(str(kubeconfig(tmp_path, cluster, token)))) as client:
        with pytest.warns(InsecureRequestWarning):
            listing = client.list(Kind("v1", "Namespace"))
        assert listing.objects


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "\x00",
        "current-context: a",
        "contexts: 7",
        '{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "none"}}], "clusters": []}',
        '{"current-context": "a", "contexts": [{"name": "a"}], "clusters": [{"name": "c"}]}',
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken"
    file.write_text(text)
    with pytest.raises(SettingsError, match=rf"kubeconfig {file} cannot be used: .+ Name a kubeconfig"):
        load_credentials(str(file))


def test_a_certificate_that_is_none_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    cluster = {"server": "https://api.example", "certificate-authority-data": base64.b64encode(b"x").decode()}
    with pytest.raises(SettingsError, match="cannot be used"):
        load_credentials(str(kubeconfig(tmp_path, cluster, {})))


def test_without_any_file_or_pod_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SettingsError, match=r"\.kube/config cannot be used: .+ Name a kubeconfig"):
        load_credentials()


def test_an_unknown_context_is_a_mistake(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, {"server": "https://api.example"}, {})
    with pytest.raises(SettingsError, match="third"):
        load_credentials(str(file), context="third")


def test_a_pods_account_is_used_and_its_token_is_read_again(
    tmp_path: Path, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, namespace = tmp_path / "token", tmp_path / "namespace"
    token.write_text("first")
    namespace.write_text("pods-own\n")
    monkeypatch.setattr(login, "_POD_NAMESPACE", namespace)
    pods = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{pods}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{pods}.SERVICE_CERT_FILENAME", str(control_plane.certificate))
    # The package reads the file again when a minute has passed: here, that is at once.
    monkeypatch.setattr(f"{pods}.datetime", SimpleNamespace(datetime=dt.datetime, timedelta=lambda **_: dt.timedelta()))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for name, value in _POD.items():
        monkeypatch.setenv(name, value)
    credentials = load_credentials()
    assert ("https://10.0.0.1:443", "pods-own") == (credentials.server, credentials.namespace)
    token.write_text("second")
    assert "bearer second" == credentials.authorization()
    token.unlink()
    with pytest.raises(SettingsError, match="cannot be renewed"):
        credentials.authorization()


_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_pod_without_a_token_is_told_to_mount_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for name, value in _POD.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="automountServiceAccountToken"):
        load_credentials()
