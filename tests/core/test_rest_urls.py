import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rest_urls import RestUrl

GOOD = {
    "http://recommender": RestUrl("http", "recommender", 80, "", ""),
    "https://API.example.com./v1/": RestUrl("https", "api.example.com", 443, "/v1/", ""),
    "http://my_service-1.shop:8080/a%20b?lang=en&x=1": RestUrl(
        "http", "my_service-1.shop", 8080, "/a%20b", "lang=en&x=1"
    ),
    "http://[2001:DB8::1]:8080/x": RestUrl("http", "2001:db8::1", 8080, "/x", ""),
    "HTTP://10.0.0.1": RestUrl("http", "10.0.0.1", 80, "", ""),
}

BAD = {
    "": "not absolute",
    "/recommend": "not absolute",
    "recommender:8080/x": "not absolute",
    "//recommender/x": "not absolute",
    "http:///x": "not absolute",
    "ftp://recommender/x": "not absolute",
    "file:///etc/passwd": "not absolute",
    "gopher://recommender:70/_x": "not absolute",
    "http://user:secret@recommender/x": "QUICK_REST_HEADERS",
    "http://user@recommender": "QUICK_REST_HEADERS",
    "http://recommender/x#part": "fragment",
    "http://recommender/x#": "fragment",
    "http://recommender/{id}": "'{'",
    "http://recommender/a b": "' '",
    "http://recom\nmender/": r"'\n'",
    "http://recommender\\@other/": r"'\\'",
    "http://bücher.example/": "'ü'",
    "http://recommender/50%": "%25",
    "http://recommender:0/": "port is 0",
    "http://recommender:65536/": "cannot be read",
    "http://recommender:eight/": "cannot be read",
    "http://[::1/": "cannot be read",
    "http://[::1%25eth0]/": "no IPv6 address",
    "http://-a/": "neither a name nor an IP address",
    "http://a..b/": "neither a name nor an IP address",
    "http://a,b/": "neither a name nor an IP address",
    "http://%31%30.0.0.1/": "neither a name nor an IP address",
    "http://:80/": "neither a name nor an IP address",
}


@pytest.mark.parametrize(("text", "url"), GOOD.items(), ids=GOOD)
def test_an_absolute_address_is_taken_apart(text: str, url: RestUrl) -> None:
    assert url == RestUrl.parse(text)


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=map(repr, BAD))
def test_what_cannot_be_called_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        RestUrl.parse(text)
    assert "secret" not in str(caught.value)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_an_address_or_a_reason(rest: str) -> None:
    for text in (rest, f"http://{rest}", f"http://a/{rest}"):
        try:
            url = RestUrl.parse(text)
        except ValueError:
            continue
        assert url.scheme in {"http", "https"}
        assert text.isascii()
        assert 1 <= url.port <= 65_535
        assert url == RestUrl.parse(f"{url.scheme}://{url.authority}{url.path}{'?' if url.query else ''}{url.query}")


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("http://a", "a"),
        ("http://a:80", "a"),
        ("https://a:80", "a:80"),
        ("https://[::1]:443/", "[::1]"),
        ("http://[::1]:8080/", "[::1]:8080"),
    ],
)
def test_the_authority_leaves_out_the_usual_port(text: str, authority: str) -> None:
    assert authority == RestUrl.parse(text).authority
