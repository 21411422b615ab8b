"""TLS of REST services: the name is checked, though the connection is made to an address."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import UnavailableError
from core.rest_settings import RestHosts, RestSettings
from core.rest_urls import RestUrl
from services.gateway.rest_client import RestClient
from services.gateway.rest_requests import RestRequest

NAME = "api.example.com"


def self_signed(folder: Path) -> Path:
    """Write the certificate of NAME and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "service.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


class TlsService:
    """Answers one request after the other with `{}` over TLS, and keeps the names that it is asked under."""

    def __init__(self, certificate: Path) -> None:
        self.names: list[str | None] = []
        self.requests: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with plain, suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
                    self.requests.append(connection.recv(65_536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@pytest.fixture
def service(certificate: Path) -> Iterator[TlsService]:
    service = TlsService(certificate)
    yield service
    service.stop()


def call(service: TlsService, host: str) -> int:
    client = RestClient(RestSettings(hosts=RestHosts.parse(host)), lambda *_: ["127.0.0.1"])
    try:
        return client.call(RestRequest("GET", RestUrl("https", host, service.port, "", ""), "/", b"")).status
    finally:
        client.close()


def test_a_service_is_asked_under_its_name(
    service: TlsService, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert 200 == call(service, NAME)
    assert [NAME] == service.names
    assert f"Host: {NAME}:{service.port}".encode() in service.requests[0]


def test_a_certificate_of_another_name_is_not_trusted(
    service: TlsService, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with pytest.raises(UnavailableError, match="has no TLS that can be trusted"):
        call(service, "other.example.com")
    assert [] == service.requests


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(service: TlsService) -> None:
    with pytest.raises(UnavailableError, match="has no TLS that can be trusted"):
        call(service, NAME)
    assert [] == service.requests
