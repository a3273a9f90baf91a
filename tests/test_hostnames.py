"""Host names in one spelling, and what GATEWAY_ALLOWED_HOSTS can mean."""

import pytest

from gateway.hostnames import check_allowed_host, normalize_host, split_host


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
    ],
)
def test_an_entry_is_taken_as_it_is_meant(text: str, expected: str) -> None:
    assert check_allowed_host(text) == expected
    assert normalize_host(expected) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gw.test:8506", "without a port"),
        ("[fd00::1]:8506", "without a port"),
        ("https://gw.test", "without https://"),
        ("gw.test/path", "without https://"),
        ("*", "wildcards"),
        ("*.example.com", "wildcards"),
        (".example.com", "wildcards"),
        ('"gw.test"', "such as"),
        ("gw test", "such as"),
        ("-gw.test", "such as"),
        ("", "such as"),
        ("a..b", "such as"),
        ("x" * 300, "such as"),
    ],
)
def test_an_entry_that_can_never_match_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_allowed_host(text)
