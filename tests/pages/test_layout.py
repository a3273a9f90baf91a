"""The tree of a page: its panels in their order, rendered in their containers."""

from jinja2 import DictLoader, Environment
from markupsafe import Markup

from gateway.pages import balance, columns, metric, section
from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import Group, Node, Page, Static, list_panels, render_tree

ENVIRONMENT = Environment(
    loader=DictLoader({"box.html": "<b>{% for each in children %}{{ each }}{% endfor %}</b>"}),
    autoescape=True,
)


def test_panels_are_listed_in_the_order_of_the_page() -> None:
    with open_builder() as builder:
        balance()
        with columns(2):
            metric("SPY")
            with section("Within"):
                metric("QQQ")
        metric("IWM")
    ids = [each.id for each in list_panels(builder.nodes)]
    assert ids[0] == "balance"
    assert [each for each in ids if not each.endswith("-day")][1:] == [
        "metric",
        "metric2",
        "metric3",
    ]


def test_a_tree_is_rendered_as_it_stands() -> None:
    with open_builder() as builder:
        balance()
    (panel,) = list_panels(builder.nodes)
    tree: list[Node] = [
        Static(Markup("<i>1</i>")),
        Group("box.html", (panel, Group("box.html", (Static(Markup("2")),)))),
    ]
    shown = render_tree(tree, {panel.id: Markup("<p>live</p>")}, ENVIRONMENT)
    assert shown == "<i>1</i><b><p>live</p><b>2</b></b>"


def test_pages_are_told_apart_by_name_query_and_generation() -> None:
    pages = [
        Page(name, "Title", (), (), query, generation=generation)
        for name in ("/", "/desk")
        for query in ("", "symbols=SPY")
        for generation in (0, 1)
    ]
    assert len({each.key for each in pages}) == len(pages)
    assert Page("/", "One", (), (), "").key == Page("/", "Other", (), ("SPY",), "").key
