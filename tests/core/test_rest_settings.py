import pytest

from core.errors import SettingsError
from core.rest_settings import RestHosts, RestSettings, parse_headers
from core.settings import Settings

REQUIRED = {"QUICK_KAFKA_BOOTSTRAP_SERVER": "localhost:9092", "QUICK_DATA_DIR": "/data", "QUICK_APIKEY": "secret"}


def rest(**environ: str) -> RestSettings:
    return Settings.from_env({**REQUIRED, **environ}).rest


@pytest.mark.parametrize(
    ("patterns", "host", "port", "expected"),
    [
        ("*", "example.com", 80, (True, False)),
        ("*", "10.0.0.1", 80, (True, False)),
        ("example.com", "example.com", 80, (True, True)),
        ("Example.COM.", "example.com", 80, (True, True)),
        ("example.com", "www.example.com", 80, (False, False)),
        ("example.com", "badexample.com", 80, (False, False)),
        ("example.com:8080", "example.com", 8080, (True, True)),
        ("example.com:8080", "example.com", 80, (False, False)),
        ("*.example.com", "www.example.com", 80, (True, False)),
        ("*.example.com", "a.b.example.com", 80, (True, False)),
        ("*.example.com", "example.com", 80, (False, False)),
        ("*.example.com", "badexample.com", 80, (False, False)),
        ("*.example.com:443", "www.example.com", 80, (False, False)),
        ("*:443", "example.com", 443, (True, False)),
        ("*:443", "example.com", 80, (False, False)),
        ("*, recommender:8080", "recommender", 8080, (True, True)),
        ("*, recommender:8080", "recommender", 8081, (True, False)),
        ("127.0.0.1:8080", "127.0.0.1", 8080, (True, True)),
        ("[::1]:8080,", "::1", 8080, (True, True)),
        ("[0:0::1]", "::1", 8080, (True, True)),
    ],
)
def test_hosts_are_allowed_and_opened(patterns: str, host: str, port: int, expected: tuple[bool, bool]) -> None:
    hosts = rest(QUICK_REST_HOSTS=patterns).hosts

    assert expected == (hosts.allows(host, port), hosts.opens(host, port))


def test_without_a_setting_any_host_is_allowed_and_none_opened() -> None:
    assert RestHosts.parse("*") == rest().hosts


@pytest.mark.parametrize(
    "patterns",
    [
        "a b",
        "http://a",
        "a:0",
        "a:65536",
        "a:b",
        "a:",
        "*a",
        "a.*",
        "a*",
        "*.",
        "[a]",
        "[::1",
        "::1",
        "[::1]8080",
        "u@h",
    ],
)
def test_what_is_no_host_is_refused(patterns: str) -> None:
    with pytest.raises(SettingsError, match=r"QUICK_REST_HOSTS=.* cannot be used"):
        rest(QUICK_REST_HOSTS=patterns)


def test_headers_belong_to_a_host_and_those_of_a_port_go_first() -> None:
    settings = rest(
        QUICK_REST_HEADERS='{"API.example.com": {"A": "1", "B": "2"}, "api.example.com:8080": {"A": "3"}, "[::1]": {}}'
    )

    assert {"A": "1", "B": "2"} == settings.headers_for("api.example.com", 443)
    assert {"A": "3", "B": "2"} == settings.headers_for("api.example.com", 8080)
    assert {} == settings.headers_for("www.api.example.com", 443)


@pytest.mark.parametrize(
    "text",
    [
        "hush",
        '{"a": "hush"}',
        '["hush"]',
        '{"a": {"X": 1, "hush": "hush"}}',
        '{"a": {"X": "hush\\nY: 1"}}',
        '{"a": {"X": "hush "}}',
        '{"a": {"X": "hüsh"}}',
        '{"a": {"X": ""}}',
        '{"a": {"X Y": "hush"}}',
        '{"a": {"": "hush"}}',
        '{"a": {"Host": "hush"}}',
        '{"a": {"content-length": "hush"}}',
        '{"*": {"X": "hush"}}',
        '{"*.a": {"X": "hush"}}',
        '{"a:0": {"X": "hush"}}',
    ],
)
def test_headers_that_cannot_be_sent_are_refused_without_telling_them(text: str) -> None:
    with pytest.raises(SettingsError, match="QUICK_REST_HEADERS cannot be used: ") as caught:
        rest(QUICK_REST_HEADERS=text)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_headers_are_never_printed() -> None:
    settings = Settings.from_env({**REQUIRED, "QUICK_REST_HEADERS": '{"a": {"Authorization": "Bearer hush"}}'})

    assert {"Authorization": "Bearer hush"} == settings.rest.headers_for("a", 80)
    assert "hush" not in repr(settings)


def test_bounds_are_read_in_their_units() -> None:
    settings = rest(
        QUICK_REST_CONNECT_TIMEOUT_S="0.5",
        QUICK_REST_READ_TIMEOUT_S="1.5",
        QUICK_REST_TOTAL_TIMEOUT_S="3",
        QUICK_REST_CONNECTIONS="7",
        QUICK_REST_CALLS_PER_HOST="2",
        QUICK_REST_MAX_RESPONSE_BYTES="1000",
    )

    assert (0.5, 1.5, 3.0) == (settings.connect_timeout_s, settings.read_timeout_s, settings.total_timeout_s)
    assert (7, 2, 1000) == (settings.connections, settings.calls_per_host, settings.max_response_bytes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUICK_REST_CONNECT_TIMEOUT_S", "0"),
        ("QUICK_REST_READ_TIMEOUT_S", "-1"),
        ("QUICK_REST_TOTAL_TIMEOUT_S", "inf"),
        ("QUICK_REST_CONNECTIONS", "0"),
        ("QUICK_REST_CALLS_PER_HOST", "0"),
        ("QUICK_REST_MAX_RESPONSE_BYTES", "0"),
    ],
)
def test_a_bound_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}' cannot be used"):
        rest(**{name: value})


def test_headers_without_anything_are_none() -> None:
    assert {} == parse_headers("{}")
