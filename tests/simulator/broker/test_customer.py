"""Customers: told apart, and with facts laid over the usual ones."""

from gateway.simulator.broker.customer import CUSTOMER, list_customers


def test_customers_are_told_apart() -> None:
    customers = list_customers()
    assert len({each.key for each in customers}) == len(customers) == 2
    assert len({each.describe()["external-id"] for each in customers}) == 2


def test_a_fact_is_of_one_customer_alone() -> None:
    first, second = list_customers()
    first.facts["has-delayed-quotes"] = True
    assert first.describe()["has-delayed-quotes"] is True
    assert second.describe()["has-delayed-quotes"] is False
    assert CUSTOMER["has-delayed-quotes"] is False
    assert list_customers()[0].describe()["has-delayed-quotes"] is False
