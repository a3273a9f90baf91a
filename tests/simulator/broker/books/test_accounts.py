"""What moved an account's cash since an instant: deposits are no gain, and fees are apart."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.broker.books.accounts import KEPT, Account
from gateway.simulator.broker.books.transactions import Fees, Transaction

AMOUNTS = st.decimals(-10_000, 10_000, places=2)
INSTANTS = st.floats(0, 1_000)
KINDS = st.sampled_from(
    [("Money Movement", "Deposit"), ("Money Movement", "Withdrawal"), ("Trade", "Buy to Open")]
)


def make_account(*, is_margin: bool = True) -> Account:
    return Account("5WX00009", "Mine", "Individual", is_margin, Decimal(0))


def make_transaction(
    kind: tuple[str, str], at: float, value: Decimal, fee: Decimal = Decimal(0)
) -> Transaction:
    charges = Fees(commission=fee)
    return Transaction(1, "5WX00009", at, *kind, "", value, charges)


@given(st.lists(st.builds(make_transaction, KINDS, INSTANTS, AMOUNTS, AMOUNTS.map(abs))), INSTANTS)
def test_deposits_and_fees_are_those_since_an_instant(
    transactions: list[Transaction], at: float
) -> None:
    account = make_account()
    account.transactions.extend(transactions)
    since = [each for each in transactions if each.at >= at]
    deposited = [each.value for each in since if each.kind == "Money Movement"]
    assert account.deposits_since(at) == sum(deposited)
    assert account.fees_since(at) == sum(each.charges.commission for each in since)


def test_a_withdrawal_is_a_deposit_below_zero_and_a_dividend_is_none() -> None:
    account = make_account()
    for sub_type, value in (("Deposit", 500), ("Withdrawal", -200), ("Dividend", 7)):
        kind = ("Money Movement", sub_type)
        account.transactions.append(make_transaction(kind, 5.0, Decimal(value)))
    assert account.deposits_since(5.0) == 300
    assert account.deposits_since(5.1) == 0


def test_the_oldest_transactions_give_way() -> None:
    account = make_account()
    for at in range(KEPT + 10):
        account.transactions.append(make_transaction(("Trade", "Buy"), at, Decimal(1)))
    assert [account.transactions[0].at, len(account.transactions)] == [10, KEPT]


def test_only_a_margin_account_may_trade_futures() -> None:
    margin, cash = make_account().describe(), make_account(is_margin=False).describe()
    assert (margin["margin-or-cash"], margin["is-futures-approved"]) == ("Margin", True)
    assert (cash["margin-or-cash"], cash["is-futures-approved"]) == ("Cash", False)
    differing = {name for name in margin if margin[name] != cash[name]}
    assert differing == {"margin-or-cash", "is-futures-approved"}


def test_what_is_set_by_hand_is_of_one_account() -> None:
    one, other = make_account(), make_account()
    one.omitted.add("cash-balance")
    one.odd_rows.append({"symbol": None})
    one.status["is-closed"] = True
    assert (other.omitted, other.odd_rows, other.status) == (set(), [], {})
