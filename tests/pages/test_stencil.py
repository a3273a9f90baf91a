"""Stencils: whatever the values, what the template itself would have made of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Template

from gateway.pages import stencil
from gateway.pages.stencil import Stencil
from gateway.pages.templating import create_environment

ENVIRONMENT = create_environment(lambda path, root_path="": path)
ROW = ENVIRONMENT.from_string(
    '<td class="{{ state }}">100%{% if note %}<b>{{ note }}</b>{% endif %} %s {{ last }}</td>'
    '<td title="{{ symbol }}">{{ volume }}{{ last }}</td>'
)
PRINTED = ("last", "symbol", "volume", "never")

value = (
    st.text()
    | st.none()
    | st.integers()
    | st.sampled_from(["<b>", "%s", "{{ last }}", "\ue0000\ue001", "\ue002", "&amp;", "'\""])
)


def plain(context: dict[str, Any]) -> str:
    """The template's own; a stencil takes its marks out of what is asked about."""
    return ROW.render(
        {
            name: stencil._HOLE.sub("", each) if isinstance(each, str) else each
            for name, each in context.items()
            if name in {"state", "note"}
        }
        | {name: context[name] for name in PRINTED}
    )


@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys((*PRINTED, "state", "note"), value)),
        min_size=1,
        max_size=5,
    )
)
def test_a_stencil_is_the_template(contexts: list[dict[str, Any]]) -> None:
    cut = Stencil(ROW, PRINTED)
    for context in [*contexts, *contexts]:
        assert cut.render(context) == plain(context)


@given(st.fixed_dictionaries(dict.fromkeys((*PRINTED, "state", "note"), value)))
def test_without_printed_variables_it_is_the_template_itself(context: dict[str, Any]) -> None:
    assert Stencil(ROW, ()).render(context) == ROW.render(context)


def test_it_is_cut_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[object] = []
    real = Template.render

    def render(*given: Any) -> str:
        cuts.append(given)
        return real(*given)

    monkeypatch.setattr(Template, "render", render)
    monkeypatch.setattr(stencil, "MOST_SHAPES", 2)
    cut = Stencil(ROW, PRINTED)
    context = {"last": 1, "symbol": "A", "volume": 2, "never": "", "state": "live", "note": ""}
    for number in range(9):
        cut.render({**context, "last": number})
    assert len(cuts) == 1
    for number in range(9):
        cut.render({**context, "note": str(number)})
    assert len(cut._shapes) <= 2, "bounded"


def test_everything_may_be_printed() -> None:
    cut = Stencil(ENVIRONMENT.from_string("{{ a }}-{{ b }}"), ("a", "b"))
    assert [cut.render({"a": 1, "b": "<"}), cut.render({"a": 2, "b": 3})] == ["1-&lt;", "2-3"]
