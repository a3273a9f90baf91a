"""Whatever a request's query or form holds, the answer is one of ours: never a 5xx, and a refusal
is a problem document that names the parameter."""

from collections.abc import Iterator
from urllib.parse import quote, quote_from_bytes

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.streams.records import DATA_TYPES
from gateway.web.query import FILTERS, STREAM_PARAMETERS
from tests.waiting import scaled
from tests.web.running import TLS, TOKEN, Running, make_protected, make_quote, open_gateway

EXAMPLES = 100
"""Of each property: a second or two over a real connection."""

# Percent-encoded text and bytes, and what no encoder would have written.
text = (
    st.text(max_size=40).map(lambda each: quote(each.encode("utf-8", "surrogatepass")))
    | st.binary(max_size=40).map(quote_from_bytes)
    | st.text("%&=+,;{}[]<>'\"\\|^`~!$*()@:/?.0123456789abcSPYXQ", max_size=40)
)
values = text | st.sampled_from(
    [
        *("SPY", "SPY,QQQ", "SPY{=5m,tho=true}", "BTC/USD:CXTALP", "%00", "%0d%0a", "%F0%9F%92%A9"),
        *("true", "only", "1", "0.01", "1e3", "nan", "-1", "5WX00001", "abc-1", "x" * 2000),
        *DATA_TYPES,
    ]
)
names = st.sampled_from(sorted(STREAM_PARAMETERS)) | text
queries = st.lists(st.tuples(names, values), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[httpx.Client]:
    """One connection for all requests that end."""
    with httpx.Client(
        base_url=running.url, verify=TLS, trust_env=False, timeout=scaled(10)
    ) as opened:
        yield opened


def ask_raw(client: httpx.Client, path: str, query: str) -> httpx.Response:
    """The answer to exactly this query; of a stream that goes on only the head."""
    url = client.base_url.copy_with(raw_path=path.encode() + b"?" + query.encode())
    with client.stream("GET", url) as answer:
        if answer.status_code != 200 or "event-stream" not in answer.headers["content-type"]:
            answer.read()
        return answer


def check(answer: httpx.Response, known: frozenset[str]) -> None:
    """A refusal says what is wrong, of which parameter, and repeats nothing that was sent."""
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == 400
        named = problem["parameter"]
        assert named in known or named == "a parameter" or named.replace("_", "").isalpha()
        assert problem["detail"].startswith(f"{named}")


@settings(max_examples=EXAMPLES)
@given(queries)
def test_events(client: httpx.Client, query: str) -> None:
    check(ask_raw(client, "/events", query), STREAM_PARAMETERS)


@settings(max_examples=EXAMPLES)
@given(queries)
def test_snapshot(client: httpx.Client, query: str) -> None:
    answer = ask_raw(client, "/api/snapshot", query)
    check(answer, FILTERS)
    if answer.status_code == 200:
        assert answer.json()["last_event_id"]


@settings(max_examples=EXAMPLES)
@given(st.sampled_from(["/live/home", "/live/home/once"]), queries)
@example("/live/home", "symbols=SPY{=5m}")
def test_live(client: httpx.Client, path: str, query: str) -> None:
    check(ask_raw(client, path, query), frozenset({"symbols"}))


@settings(max_examples=EXAMPLES)
@given(text)
def test_a_view_that_is_none(client: httpx.Client, name: str) -> None:
    answer = ask_raw(client, f"/live/{quote(name, safe='%~*')}", "")
    assert answer.status_code in {200, 307, 400, 404, 405}, answer.text


CONTROLS = bytes([*range(32), 127])
"""What no header may hold; the server's own parser answers that."""


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=200).map(lambda each: each.translate(None, CONTROLS).strip()))
def test_any_last_event_id_and_cookie(client: httpx.Client, value: bytes) -> None:
    headers = [(b"Last-Event-ID", value), (b"Cookie", b"watchlist=" + value)]
    assert client.get("/events?snapshot=only", headers=headers).status_code == 200
    assert client.get("/", headers=headers).status_code == 200


FIELDS = ("add", "remove", "view", "token", "next")
forms = st.lists(st.tuples(st.sampled_from(FIELDS) | text, values), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode()
)
content_types = st.sampled_from(
    [
        *("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=x"),
        *("multipart/form-data", "multipart/form-data; boundary=b", "application/json", "", "x"),
    ]
)
bodies = (
    forms
    | st.binary(max_size=200)
    | st.tuples(st.sampled_from(FIELDS), st.binary(max_size=60)).map(
        lambda part: (
            b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--b--\r\n'
            % (part[0].encode(), part[1])
        )
    )
)


@settings(max_examples=EXAMPLES)
@given(bodies, content_types, st.booleans())
def test_the_form_of_the_watchlist(
    client: httpx.Client, body: bytes, content_type: str, is_htmx: bool
) -> None:
    headers = {"Content-Type": content_type, **({"HX-Request": "true"} if is_htmx else {})}
    client.cookies.clear()
    answer = client.post("/watchlist", content=body, headers=headers)
    assert answer.status_code in {200, 303, 400, 404, 413, 422}, answer.text
    if answer.status_code in {400, 404}:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    if answer.is_redirect:
        assert answer.headers["location"] == "/"


def test_the_form_of_the_login() -> None:
    with open_gateway(make_protected(gateway_token=TOKEN)) as gateway:
        gateway.publish(make_quote())
        throttle = gateway.app.state.authenticator.throttle

        @settings(max_examples=EXAMPLES)
        @given(bodies, content_types)
        def log_in(body: bytes, content_type: str) -> None:
            throttle._failures.clear()
            with httpx.Client(base_url=gateway.url, verify=TLS, trust_env=False) as client:
                answer = client.post("/login", content=body, headers={"Content-Type": content_type})
            assert answer.status_code in {400, 401, 413, 415}, answer.text
            assert "set-cookie" not in answer.headers

        log_in()
