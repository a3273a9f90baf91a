"""A query that is too long is refused, whatever it asks for."""

from tests.web.running import HTML, get, make_settings, open_gateway


def test_a_query_is_as_long_as_the_setting_allows() -> None:
    with open_gateway(make_settings(max_query_bytes=256)) as gateway:
        assert get(f"{gateway.url}/api/snapshot?_={'x' * 254}").status_code == 200
        answer = get(f"{gateway.url}/api/snapshot?_={'x' * 255}")
        assert answer.status_code == 414
        assert answer.headers["content-type"] == "application/problem+json"
        page = get(f"{gateway.url}/?_={'x' * 255}", headers=HTML)
        assert (page.status_code, page.headers["content-type"][:9]) == (414, "text/html")
