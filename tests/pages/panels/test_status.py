"""What of the upstreams a viewer is shown: the feed always, a login only to who holds it."""

from typing import Any

import pytest

from gateway.pages import status
from gateway.pages.panels.status import StatusPanel, UpstreamsPanel
from gateway.pages.rendering.live_page import LivePages
from gateway.pages.rendering.templates import create_environment
from gateway.streams.demand import Demand
from gateway.streams.hub.hub import Hub
from gateway.streams.topics import MAIN_LOGIN, Grant, Owner, grant_accounts
from tests.pages.reading import Node, make_status, parse_html
from tests.pages.showing import place, render

OWNER = grant_accounts(None) | {Owner(MAIN_LOGIN)}
VIEWER = grant_accounts(None)
NOBODY: Grant = frozenset()
ENVIRONMENT = create_environment(lambda path, root_path="": f"{root_path}/static/{path}")


def show(hub: Hub, panel: StatusPanel | UpstreamsPanel, grant: Grant) -> Node:
    views = LivePages(hub, Demand(now_s=lambda: 0.0), ENVIRONMENT)
    return parse_html(f"<main>{views.render_live(panel, grant)}</main>")


def test_a_refused_login_is_shown_to_its_owner_and_the_feed_to_everybody_else() -> None:
    hub = Hub(epoch="e")
    hub.publish(make_status("connecting", reason="no token yet"))
    hub.publish(make_status("closed", upstream="session", reason="the grant is refused"))
    hub.publish(make_status("degraded", upstream="accounts", reason="cannot be read"))
    for panel in (StatusPanel("status"), UpstreamsPanel("upstreams")):
        shown = show(hub, panel, OWNER).words
        assert "the grant is refused" in shown
        for grant in (VIEWER, NOBODY, frozenset({Owner("ann")})):
            shown = show(hub, panel, grant).words
            assert "Feed" in shown
            assert "no token yet" in shown
            for word in ("Broker", "refused", "Accounts", "cannot be read"):
                assert word not in shown, grant


def test_upstreams_stand_in_one_order_and_a_silent_feed_is_starting() -> None:
    hub = Hub(epoch="e")
    panel = UpstreamsPanel("upstreams")
    assert show(hub, panel, OWNER).words.startswith("Feed starting")
    for upstream in ("accounts", "session", "feed"):
        hub.publish(make_status(upstream=upstream))
    words = show(hub, panel, OWNER).words
    assert words.index("Feed") < words.index("Broker connection") < words.index("Accounts")


def test_the_states_of_all_upstreams() -> None:
    (panel,) = place(status)
    shown = render(panel, make_status("stale", reason="no quote for 6 s")).words
    assert shown.startswith("Feed stale since")
    assert "10:30:00 no quote for 6 s" in shown
    assert "Broker connection" not in shown, "it has not spoken yet"


@pytest.mark.parametrize(
    ("quality", "badge"),
    [("delayed", "Delayed data"), ("demo", "Demo data"), ("real-time", None), (None, None)],
)
def test_what_is_no_data_of_this_moment_has_a_badge(quality: Any, badge: str | None) -> None:
    found = render(StatusPanel("status"), make_status(data_quality=quality)).find(
        "span", **{"class": "badge"}
    )
    assert [each.words for each in found] == ([badge] if badge else [])
