"""What positions and orders share: which accounts they name, and the name of a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.authoring.builder import PageError
from gateway.pages.panels.holdings import check_accounts, write_row_name
from tests.pages.reading import parse_html


@pytest.mark.parametrize("account", ["", "a b", "<x>", "5WX00001\n", "x" * 33])
def test_what_is_no_account_number_is_refused(account: str) -> None:
    with pytest.raises(PageError, match="no account number"):
        check_accounts("orders", [account])


def test_no_account_means_all() -> None:
    assert check_accounts("orders", []) is None
    assert check_accounts("orders", ["5WX00001", "5WX00001"]) == frozenset({"5WX00001"})


@given(st.text(), st.text(), st.text())
def test_whatever_a_row_is_called_it_is_text(name: str, note: str, tooltip: str) -> None:
    texts = [each.replace("\0", "").replace("\r", "") for each in (name, note, tooltip)]
    node = parse_html(write_row_name(*texts))
    assert {each.tag for each in node.children} <= {"b", "small"}
    assert node.children[0].text == texts[0]
