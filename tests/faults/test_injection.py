"""Hostile symbols, names and words, through panels, messages and pages, read by other parsers.

What is shown of a hostile text must be what is shown of a harmless one of the same shape, letter
for letter: the same elements with the same attributes, and text where text was. The HTML is read by
the standard library's parser, the messages by `tests/sse.py`.
"""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup, escape

from gateway.clock import Clock
from gateway.pages.authoring.builder import open_builder
from gateway.pages.authoring.containers import section, tabs
from gateway.pages.layout import list_panels, render_tree
from gateway.pages.panel import Panel
from gateway.pages.panels.balance import BalancePanel
from gateway.pages.panels.chart import chart
from gateway.pages.panels.greeks import greeks
from gateway.pages.panels.metric import metric
from gateway.pages.panels.status import StatusPanel
from gateway.pages.panels.text import text
from gateway.pages.panels.watchlist import WatchlistPanel
from gateway.pages.rendering.cache import encode_message, render_partial
from gateway.pages.rendering.live_page import LivePages
from gateway.pages.rendering.templates import create_environment
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.records import Record
from tests.faults.trial import Trial
from tests.pages.reading import Node, make_balance, make_quote, make_status, parse_html
from tests.sse import parse
from tests.waiting import scaled
from tests.web.running import TLS, Running, make_settings, open_gateway

ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")

MARK = "zq9"
"""In every tag and attribute that a hostile text tries to make."""

TRICKS = [
    f"<{MARK}>",
    f"</td></tr></table><script {MARK}>alert(1)</script>",
    f'" on{MARK}=alert(1) x="',
    f"' on{MARK}='alert(1)",
    f"--><{MARK}><!--",
    f"</title></textarea></style></script><{MARK}>",
    f"]]><{MARK}>",
    f"<img src=x on{MARK}=alert(1)>",
    f"javascript:{MARK}()",
    f"&lt;{MARK}&gt;&#60;{MARK}&#62;&quot;",
    f"\r\n\r\nevent: {MARK}\r\ndata: <{MARK}>\r\n\r\n",
    f"\nid: {MARK}\n\ndata: x",
    f"\0<\0{MARK}>",
    f"{{{{ 7*7 }}}}{{% raw %}}<{MARK}>",
    f'</hx-partial><hx-partial hx-target="#{MARK}">',
    f"\u2028<{MARK}>\u2029",
]


def wrap(hostile: str) -> str:
    """Between two letters, because titles are stripped."""
    return f"x{hostile}x"


PIECES = [*"<>&\"'`=/\\ \t\r\n\0\u2028:;#{}%()[]*_!.-", "data:", "id:", "javascript:", MARK]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
HOSTILE = st.one_of(
    st.sampled_from(TRICKS),
    st.tuples(TEXT, st.sampled_from(TRICKS), TEXT).map("".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=20).map("".join),
).map(wrap)

QUERY = r"(\?~?\w+=(?:[A-Za-z0-9_.~+-]|%[0-9A-F]{2})*(&~?\w+=(?:[A-Za-z0-9_.~+-]|%[0-9A-F]{2})*)*)?"
"""Of a link to the same page: percent-encoded, so that no word gets out of it."""

IDS = {"id", "for", "name", "aria-labelledby", "href"}
"""Attributes that are made of a text, and plain."""


def tame(hostile: str) -> str:
    """A harmless text of the same length, with its colons, by which symbols are split."""
    return re.sub(r"[^:]", "x", hostile)


def compare(hostile: Node, harmless: Node) -> None:
    """Both have the same shape, and the one says where the other does what it should."""
    assert hostile.tag == harmless.tag
    assert list(hostile.attributes) == list(harmless.attributes)
    for name, value in hostile.attributes.items():
        if name in IDS:
            assert re.fullmatch(
                rf"[#/A-Za-z0-9_.-]*{QUERY if name == 'href' else ''}", value or ""
            ), (name, value)
        else:
            assert tame(value or "") == tame(harmless.attributes[name] or ""), (name, value)
    assert tame(hostile.text) == tame(harmless.text)
    for one, other in zip(hostile.children, harmless.children, strict=True):
        compare(one, other)


def make_panels(word: str) -> tuple[list[Panel], list[Record], str]:
    """Live panels, records, and what stands still, with this word wherever one can be."""

    def lay_out() -> None:
        with section(word):
            metric("SPY", label=word)
            chart("SPY", title=word)
            greeks(".SPY261218C600", title=word)
        with tabs(), section(word):
            text("Something.")

    panels: list[Panel] = [
        WatchlistPanel("list", [word, "SPY"]),
        BalancePanel("balance"),
        StatusPanel("status"),
    ]
    records: list[Record] = [
        make_quote(word, source=word),
        make_balance(word, currency=word),
        make_status("stale", reason=word),
        make_status("degraded", upstream="accounts", reason=word),
    ]
    with open_builder() as builder:
        lay_out()
    html = {each.id: Markup("") for each in list_panels(builder.nodes)}
    return panels, records, str(render_tree(builder.nodes, html, ENVIRONMENT))


def show(word: str) -> list[str]:
    """What all panels show: their live content, their frames, and what stands still."""
    panels, records, still = make_panels(word)
    hub = Hub(epoch="e")
    for record in records:
        hub.publish(record)
    clock = Clock(monotonic_s=lambda: 0.0)
    views = LivePages(hub, Demand(now_s=lambda: 0.0), ENVIRONMENT, clock=clock)
    found = [still]
    for panel in panels:
        live = views.render_live(panel, None)
        frame = ENVIRONMENT.get_template(panel.frame)
        variables = {"panel": panel, "live": live, "typed": word, "problem": word}
        found += [str(live), frame.render({"root_path": "", **variables})]
    error = ENVIRONMENT.get_template("error.html")
    found.append(error.render(status=500, title=word, detail=word, root_path="", links=[]))
    login = ENVIRONMENT.get_template("login.html")
    found.append(login.render(target=word, mistake=word, root_path=""))
    return found


@pytest.mark.fault(27)
@pytest.mark.timeout(scaled(180))
def test_a_hostile_word_is_shown_and_does_nothing(trial: Trial) -> None:
    runs, shown = trial.count(60, 1000), 0

    @settings(max_examples=runs, suppress_health_check=[HealthCheck.too_slow])
    @given(HOSTILE)
    def try_one(word: str) -> None:
        nonlocal shown
        for hostile, harmless in zip(show(word), show(tame(word)), strict=True):
            compare(parse_html(hostile), parse_html(harmless))
            # And on its way: one event, of which a browser makes this very text.
            partial = render_partial("here", hostile)
            [event] = parse(encode_message(partial))
            assert (event.event, event.id, event.retry) == ("message", None, None)
            assert event.data == re.sub(r"\r\n?", "\n", partial)
            shown += 1
        [event] = parse(encode_message(str(escape(word))))
        assert event.data == re.sub(r"\r\n?", "\n", str(escape(word)))

    try_one()
    trial.tell(f"{shown:,} panels and pages with hostile words: read back as text, one frame each")


PAGES = """
from gateway.pages import chart, metric, page, section, text, watchlist


@page("/about/{name}", title="About {name}")
def about(name, note="none"):
    with section(f"All about {name}"):
        metric("SPY", label=name)
        chart("SPY", title=note)
    text(f"# {name}\\n\\n{note} and [{name}]({note}), `{name}`")
    watchlist("SPY", "QQQ", title=note)
"""


class Suspicious(HTMLParser):
    """Notes every element, attribute and address that a hostile text could have made."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" and not (dict(attrs).get("src") or "").startswith("/static/"):
            self.found.append(f"a script from {dict(attrs).get('src')}")
        for name, value in [(tag, None), *attrs]:
            if MARK in name or (name != tag and name.startswith("on")):
                self.found.append(f"{tag} {name}")
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            is_address = name in {"href", "src", "action", "formaction"}
            if is_address and re.match(r"(javascript|data|vbscript):|//", address):
                self.found.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self.lasttag in {"script", "style"} and MARK in data:
            self.found.append(f"inside {self.lasttag}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    path = tmp_path_factory.mktemp("pages") / "pages.py"
    path.write_text(PAGES)
    with open_gateway(make_settings(pages=str(path))) as gateway:
        gateway.publish(make_status(), make_quote("SPY"))
        yield gateway


@pytest.mark.fault(27)
@pytest.mark.timeout(scaled(180))
def test_nothing_that_is_sent_to_a_page_comes_back_as_more_than_text(
    gateway: Running, trial: Trial
) -> None:
    """In paths, queries, forms and cookies; a strict policy is on every answer."""
    runs, answers = trial.count(40, 500), 0
    html = {"Accept": "text/html"}

    @settings(max_examples=runs, suppress_health_check=[HealthCheck.too_slow])
    @given(HOSTILE)
    def try_one(word: str) -> None:
        nonlocal answers
        sent = quote(word, safe="")
        ways: list[Callable[[], httpx.Response]] = [
            lambda: client.get(f"/about/{sent}?note={sent}", headers=html),
            lambda: client.get(f"/live/about~*name/once?name={sent}&note={sent}"),
            lambda: client.get(f"/?symbols={sent}", headers=html),
            lambda: client.get(f"/{sent}?{sent}", headers=html),
            lambda: client.get(f"/login?next={sent}", headers=html),
            lambda: client.get(f"/events?{sent}={sent}&snapshot=only"),
            lambda: client.get(f"/events?symbols={sent}&snapshot=only", headers=html),
            lambda: client.get("/", headers=html | {"Cookie": f"watchlist={sent}"}),
            lambda: client.post("/login", data={"token": word, "next": word}),
            lambda: client.post("/watchlist", data={"add": word}, headers=html),
            lambda: client.post("/watchlist", data={"add": word}, headers={"HX-Request": "true"}),
        ]
        for number, ask in enumerate(ways):
            answer = ask()
            client.cookies.clear()
            answers += 1
            said = (number, word, answer.status_code)
            assert answer.status_code < 500, said
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert not [name for name in answer.headers if MARK in name]
            if answer.is_redirect:
                location = answer.headers["location"]
                assert location.startswith("/"), said
                assert not location.startswith(("//", "/\\")), said
            if answer.headers.get("content-type", "").startswith("text/html"):
                parser = Suspicious()
                parser.feed(answer.text)
                parser.close()
                assert not parser.found, (said, parser.found)

    with httpx.Client(base_url=gateway.url, verify=TLS, trust_env=False) as client:
        try_one()
    trial.tell(f"{answers:,} answers to hostile paths, queries, forms and cookies")
