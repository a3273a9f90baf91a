"""Amounts as the broker writes them: decimal text, and signs as `-effect`; pure."""

from decimal import Decimal

ZERO = Decimal(0)
SMALLEST = Decimal("0.00000001")
CENT = Decimal("0.01")


def money(amount: Decimal) -> str:
    """Return an amount as text without trailing zeros but one: `1240.0`, `0.035`."""
    shown = f"{amount.quantize(SMALLEST):f}".rstrip("0")
    return f"{shown}0" if shown.endswith(".") else shown


def cents(amount: Decimal) -> Decimal:
    """Return an amount of an account as reports give it: in whole cents."""
    return amount.quantize(CENT)


def plain(quantity: Decimal) -> str:
    """Return a quantity as text without a fraction that says nothing."""
    return f"{quantity.normalize():f}"


def effect(amount: Decimal) -> str:
    """Return the name of an amount's sign."""
    return "Credit" if amount > 0 else "Debit" if amount < 0 else "None"


def signed(name: str, amount: Decimal) -> dict[str, str]:
    """Return an amount as two fields: how much, and whether it comes or goes."""
    return {name: money(abs(amount)), f"{name}-effect": effect(amount)}
