"""Documents that an operator registered, so that clients may name them, or may have nothing else executed.

They are read once, when a worker starts. Clients cannot register any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec

from core.errors import SettingsError
from core.gateway_settings import DocumentMode, GatewaySettings
from services.gateway.requests import GraphQLRequest, Refusal

_SHA256: Final = "sha256:"

_Texts = Mapping[str, str]


class RegisteredDocuments:
    """Finds the text of the document that a request wants to be executed.

    Args:
        mode: What clients may do.
        shared: Texts by id, for all gateways.
        own: Texts by id, by the name of the gateway; they count in the place of *shared*.
    """

    def __init__(
        self, mode: DocumentMode, shared: _Texts | None = None, own: Mapping[str, _Texts] | None = None
    ) -> None:
        self._mode = mode
        self._shared = with_digests(shared or {})
        self._own = {name: with_digests(texts) for name, texts in (own or {}).items()}

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> RegisteredDocuments:
        """Read the documents that *settings* name.

        Raises:
            SettingsError: A file cannot be read, is no JSON object of texts, or has a digest that is not its text's.
        """
        path = settings.documents
        if path is None or settings.document_mode is DocumentMode.OFF:
            return cls(DocumentMode.OFF)
        try:
            if path.is_dir():
                own = {file.stem: _read(file) for file in sorted(path.glob("*.json"))}
                return cls(settings.document_mode, own=own)
            return cls(settings.document_mode, _read(path))
        except ValueError as error:
            raise SettingsError(f"QUICK_GRAPHQL_DOCUMENTS={path} cannot be used: {error}") from error

    def text(self, gateway: str, request: GraphQLRequest) -> str | Refusal:
        """Return the text that *request* wants *gateway* to execute, or why that is not done."""
        wanted = request.registered_id()
        if self._mode is not DocumentMode.ONLY and request.query is not None:
            return request.query
        if self._mode is DocumentMode.OFF:
            return _not_supported()
        if wanted is None:
            return Refusal(
                HTTPStatus.OK,
                "This gateway executes registered documents only. Send the id of one as documentId.",
                "DOCUMENT_NOT_REGISTERED",
            )
        text = self._own.get(gateway, self._shared).get(wanted)
        if text is None:
            return _not_found()
        if request.query is not None and request.query != text:
            return Refusal(
                HTTPStatus.OK,
                f"The query is not the document that is registered as {wanted:.100}. Send the id alone.",
                "DOCUMENT_NOT_REGISTERED",
            )
        return text


def with_digests(texts: _Texts) -> dict[str, str]:
    """Return *texts* by their ids, and by their SHA-256 besides.

    Raises:
        ValueError: An id is a SHA-256, but of another text.
    """
    found = {_SHA256 + hashlib.sha256(text.encode()).hexdigest(): text for text in texts.values()}
    for name, text in texts.items():
        if name.startswith(_SHA256) and found.get(name) != text:
            raise ValueError(f"the id {name:.100} is the digest of another text than the one beside it")
    return found | dict(texts)


def _read(file: Path) -> _Texts:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise ValueError(f"{file.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f'{file.name} is no JSON as {{"id": "query"}}: {error}') from error


def _not_found() -> Refusal:
    # Clients of automatic persisted queries know these words and send the document itself then.
    return Refusal(HTTPStatus.OK, "PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")


def _not_supported() -> Refusal:
    return Refusal(HTTPStatus.OK, "PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
