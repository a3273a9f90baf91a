"""What browsers refuse in a fragment: found with its line, and nothing that they accept."""

import pytest

from gateway.pages.authoring.forbidden import find_forbidden, find_forbidden_in_template


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<style>b { color: red }</style>", "<style> within a page: put it into a file"),
        ("<b style='color: red'>x</b>", "style=: give the element a class"),
        ('<b STYLE="color: red">x</b>', "style=: give"),
        ('<b class="x"style="color:red">x</b>', "style=: give"),
        ('<img src="data:image/png;base64,AA==">', "data: addresses in src="),
        ('<img src="https://example.com/a.png">', "files of elsewhere in src="),
        ('<img src="//example.com/a.png">', "files of elsewhere in src="),
        ('<img srcset="/files/a.png 1x, https://example.com/b.png 2x">', "files of elsewhere"),
        ('<svg><image href="https://example.com/a.png"/></svg>', "files of elsewhere in href="),
        ('<link rel="stylesheet" href="https://example.com/a.css">', "files of elsewhere in href="),
        ("<script>alert(1)</script>", "<script> in a panel"),
        ('<button onclick="alert(1)">x</button>', "onclick=: scripts within a page are not run"),
        ('<a href="javascript:alert(1)">x</a>', "href=javascript: scripts"),
        ('<iframe src="/desk"></iframe>', "<iframe> on our pages"),
        ('<video src="/files/a.mp4"></video>', "<video> on our pages"),
        ('<form action="https://example.com/"></form>', "forms that are sent elsewhere"),
    ],
)
def test_it_is_found(html: str, words: str) -> None:
    found = find_forbidden(f"<p>\n{html}</p>")
    assert found is not None
    assert words in found.words
    assert found.line == 2


@pytest.mark.parametrize(
    "html",
    [
        "<p class='x'>style= is refused, and onclick= too</p>",
        "&lt;style&gt; src=https://example.com",
        '<img src="/files/logo.png" alt="on=off">',
        '<a href="https://example.com/">elsewhere</a>',
        '<svg viewBox="0 0 1 1"><path d="M0 0" fill="red"/></svg>',
        '<form action="/x"><input name="one"></form>',
        '<img srcset="/files/a.png 1x, /files/b.png 2x">',
    ],
)
def test_what_browsers_accept_is_not(html: str) -> None:
    assert find_forbidden(html) is None


def test_jinja_moves_no_line() -> None:
    source = "{# one\n two #}\n{% if a %}\n<b style='x'>{{ style }}</b>\n{% endif %}"
    found = find_forbidden_in_template(source)
    assert found is not None
    assert found.line == 4
    assert find_forbidden_in_template('<b class="{{ a }}">{{ " style=" }}</b>') is None
