import gzip
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.rest_bodies import BodyError, BodyTooLongError, read


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[begin : begin + size] for begin in range(0, len(data), size))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_body_is_whole_packed_or_not(body: bytes, size: int) -> None:
    assert body == read(pieces(body, size), "", 200)
    assert body == read(pieces(gzip.compress(body, mtime=0), size), "GZIP ", 300)


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "x-gzip"])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(encoding: str) -> None:
    body = b"a" * 1000
    sent = gzip.compress(body, mtime=0) if "gzip" in encoding else body

    assert body == read(pieces(sent), encoding, 1000)
    with pytest.raises(BodyTooLongError, match="more than 999 bytes") as caught:
        read(pieces(sent), encoding, 999)
    assert body[:999] == caught.value.begin


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_no_more_is_taken_than_shows_that_it_is_too_much(encoding: str) -> None:
    packer = zlib.compressobj(0, wbits=zlib.MAX_WBITS | 16)

    def endless() -> Iterator[bytes]:
        for taken in range(100):
            assert taken < 5, "more was taken than needed"
            piece = b"a" * 1000
            yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) if encoding else piece

    with pytest.raises(BodyTooLongError):
        read(endless(), encoding, 2000)


def test_what_is_packed_into_one_small_piece_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLongError) as caught:
            read([bomb], "gzip", 100_000)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 100_000 == len(caught.value.begin)
    assert peak_bytes < 1_000_000


def test_packed_bytes_that_unpack_to_nothing_are_counted() -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    begin = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH)
    nothing = b"\x00\x00\x00\xff\xff"  # a stored block without bytes

    with pytest.raises(BodyTooLongError):
        read([begin, *[nothing] * 100], "gzip", 200)


@pytest.mark.parametrize(
    ("sent", "encoding", "reason"),
    [
        (b"abc", "br", "'br'"),
        (gzip.compress(gzip.compress(b"abc", mtime=0), mtime=0), "gzip, gzip", "'gzip, gzip'"),
        (b"abc", "gzip", "broken"),
        (gzip.compress(b"abc", mtime=0)[:-1], "gzip", "cut off"),
        (gzip.compress(b"abc", mtime=0) + b"abc", "gzip", "behind"),
        (gzip.compress(b"abc", mtime=0)[:-8] + bytes(8), "gzip", "broken"),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_an_error(sent: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(BodyError, match=reason):
        read(pieces(sent), encoding, 1000)


def test_nothing_is_nothing_packed_or_not() -> None:
    assert (b"", b"") == (read([], "", 1), read([], "gzip", 1))
