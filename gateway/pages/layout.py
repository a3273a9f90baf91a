"""A page: the tree of its panels, what never changes, and containers around them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from gateway.pages.panel import Panel


@dataclass(frozen=True, slots=True)
class Static:
    """What is rendered when the page is described, and never again."""

    html: Markup


@dataclass(frozen=True, slots=True)
class Group:
    """A container: its template gets `children` as a list of HTML, and the options."""

    template: str
    children: tuple["Node", ...]
    options: Mapping[str, Any] = field(default_factory=dict)


Node = Panel | Static | Group


@dataclass(frozen=True, slots=True)
class Page:
    """Panels under one title; `name` is what its stream is asked for by.

    `panels` are all that are live, `body` is how those of the region "main" are laid out.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    symbols: tuple[str, ...]
    query: str
    """The parameters that make this page from its name, URL-encoded in one canonical form."""
    body: tuple[Node, ...] = ()
    generation: int = 0
    """Which loading of its file described it."""

    questions: tuple[Any, ...] = ()
    """What the broker must be asked before it can be shown; see `authoring.questions`."""
    variant: str = ""
    """What the answers make of it."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from every other page; equal keys share a live page."""
        return (self.name, f"{self.query}#{self.variant}", self.generation)


def list_panels(nodes: Iterable[Node]) -> Iterator[Panel]:
    """The panels of a tree, in the order of the page."""
    for node in nodes:
        if isinstance(node, Group):
            yield from list_panels(node.children)
        elif isinstance(node, Panel):
            yield node


def render_tree(
    nodes: Iterable[Node], panels: Mapping[str, Markup], environment: Environment
) -> Markup:
    """The tree as HTML; `panels` has each panel's by its id."""
    return Markup("").join(_render_node(node, panels, environment) for node in nodes)


def _render_node(node: Node, panels: Mapping[str, Markup], environment: Environment) -> Markup:
    if isinstance(node, Static):
        return node.html
    if isinstance(node, Panel):
        return panels[node.id]
    children = [_render_node(child, panels, environment) for child in node.children]
    # Not in the options: htmx tells containers apart by nothing but their place.
    return Markup(environment.get_template(node.template).render(node.options, children=children))
