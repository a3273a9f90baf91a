"""Text is Markdown, and never HTML."""

from gateway.pages import text
from gateway.pages.authoring.builder import open_builder
from gateway.pages.layout import Static
from tests.pages.reading import parse_html


def test_text_is_markdown_and_no_html() -> None:
    with open_builder() as builder:
        text(
            """
            # Plan
            <img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://example.com)
            ![c](https://example.com/c.png) **d**

            | e | f |
            |---|---|
            | 1 | 2 |
            """
        )
    (node,) = builder.nodes
    assert isinstance(node, Static)
    root = parse_html(str(node.html))
    assert root.find("h1")[0].words == "Plan"
    assert root.find("img") == []
    assert [each.attributes["href"] for each in root.find("a")] == [
        "https://example.com",
        "https://example.com/c.png",
    ]
    assert {each.attributes["rel"] for each in root.find("a")} == {"noopener noreferrer"}
    assert "<img src=x onerror=alert(1)>" in root.words
    assert root.find("td")[1].words == "2"
