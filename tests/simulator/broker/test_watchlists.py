"""Watchlists: of each customer, and public ones with their entries or only how many."""

from gateway.simulator.broker.watchlists import find, list_own, list_public


def test_a_count_is_the_number_of_entries() -> None:
    whole = {each["name"]: len(each["watchlist-entries"]) for each in list_public(False)}
    counted = list_public(True)
    assert {each["name"]: each["watchlist-entry-count"] for each in counted} == whole
    assert all("watchlist-entries" not in each for each in counted)


def test_entries_say_what_they_are() -> None:
    macro = find(list_own("sam"), "Macro")
    assert macro is not None
    kinds = {each["symbol"]: each["instrument-type"] for each in macro["watchlist-entries"]}
    assert kinds["/ES"] == "Future"
    assert kinds["BTC/USD"] == "Cryptocurrency"
    assert kinds["SPY"] == "Equity"


def test_a_name_finds_a_list_of_its_owner_alone() -> None:
    assert find(list_own("pat"), "Dividends") is not None
    assert find(list_own("sam"), "Dividends") is None
    empty = find(list_own("sam"), "Empty")
    assert empty is not None
    assert empty["watchlist-entries"] is None
