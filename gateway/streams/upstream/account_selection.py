"""Which accounts of a login are followed; pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Selection(NamedTuple):
    """Which accounts to follow."""

    numbers: list[str]
    missing: list[str]
    """Configured numbers that this login has no open account of."""


def select_accounts(data: dict[str, Any], wanted: Sequence[str]) -> Selection:
    """Return which accounts of the broker's list to follow, and which wanted ones it lacks.

    Closed accounts never; others than the wanted ones only when none is wanted, and test-drive
    accounts only when they are wanted.
    """
    found: list[str] = []
    for item in data.get("items") or []:
        account = (item.get("account") if isinstance(item, dict) else None) or {}
        number = account.get("account-number")
        if not number or account.get("is-closed"):
            continue
        if number in wanted if wanted else not account.get("is-test-drive"):
            found.append(number)
    return Selection(found, [each for each in wanted if each not in found])
