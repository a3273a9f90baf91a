"""The home page: the symbols asked for, in their order, and balances."""

from gateway.pages.home import home_page


def test_the_home_page_has_the_symbols_in_their_order() -> None:
    page = home_page(["QQQ", "SPY"])
    assert page.name == "home"
    assert page.symbols == ("QQQ", "SPY")
    assert any(each.id.startswith("balance") for each in page.panels)


def test_another_order_is_another_page() -> None:
    assert home_page(["QQQ", "SPY"]).key != home_page(["SPY", "QQQ"]).key
    assert home_page(["SPY"]).key == home_page(["SPY"]).key
