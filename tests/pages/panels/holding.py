"""Positions and orders for tests of the panels that show them."""

from decimal import Decimal
from typing import Any

from gateway.streams.account_records import OrderUpdate, PositionUpdate

AT = "2026-11-20T15:30:00.123Z"


def make_position(broker_symbol: str = "SPY", **values: Any) -> PositionUpdate:
    """A position of which nothing is known but its quantity, unless given."""
    known: dict[str, Any] = {
        **dict.fromkeys(each for each in PositionUpdate.__struct_fields__),
        "account": "5WX00001",
        "symbol": broker_symbol,
        "broker_symbol": broker_symbol,
        "instrument_type": "Equity",
        "underlying": broker_symbol,
        "description": broker_symbol,
        "quantity": Decimal(100),
        "multiplier": Decimal(1),
        "realized_day": Decimal(0),
        "updated_at": AT,
        "source": "rest",
        "login": "main",
        "stale": False,
    }
    return PositionUpdate(**{**known, **values})


def make_order(order_id: str = "1", **values: Any) -> OrderUpdate:
    """A working order of which little else is known, unless given."""
    known: dict[str, Any] = {
        **dict.fromkeys(each for each in OrderUpdate.__struct_fields__),
        "account": "5WX00001",
        "order_id": order_id,
        "status": "Live",
        "description": f"Buy to Open {order_id} SPY",
        "legs": (),
        "is_working": True,
        "received_at": AT,
        "source": "rest",
        "login": "main",
        "stale": False,
    }
    return OrderUpdate(**{**known, **values})
