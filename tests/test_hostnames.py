"""Host names in one spelling, and what GATEWAY_ALLOWED_HOSTS can mean."""

import pytest

from gateway.hostnames import normalize_host, parse_host, split_host


@pytest.mark.parametrize("text", ["localhost:", "a b", "a?b", "a#b", "a:b:c", ":80", "[x]:1"])
def test_malformed_hosts_have_no_name(text: str) -> None:
    assert split_host(text)[0] not in {"localhost", "127.0.0.1", "::1"} or text == "localhost:"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gateway.Example:8000", ("gateway.example", 8000)),
        ("gw.test.", ("gw.test", None)),
        ("[fd00:0:0::1]:8000", ("fd00::1", 8000)),
        ("[::ffff:10.0.0.1]", ("10.0.0.1", None)),
    ],
)
def test_a_host_has_one_spelling(text: str, expected: tuple[str, int | None]) -> None:
    assert split_host(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gw.example.com", "gw.example.com"),
        (" GW.Example.com. ", "gw.example.com"),
        ("[fd00::1]", "fd00::1"),
        ("fd00:0::1", "fd00::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("my_host", "my_host"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("b", "b"),
        ("https://GW.example.com:8443/path", "gw.example.com"),
        ("[fd00::1]:8506", "fd00::1"),
    ],
)
def test_an_entry_is_taken_as_it_is_meant(text: str, expected: str) -> None:
    assert parse_host(text) == expected
    assert normalize_host(expected) == expected


@pytest.mark.parametrize("text", ["*", "*.example.com", ".example.com"])
def test_wildcards_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wildcard"):
        parse_host(text)


@pytest.mark.parametrize("text", ['"gw.test"', "gw test", "-gw.test", "", "a..b", "https://"])
def test_an_entry_that_can_never_match_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        parse_host(text)
