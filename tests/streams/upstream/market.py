"""What the tests of the market data feed have in common."""

from datetime import UTC, datetime

from gateway.simulator.market.universe import list_universe

UNIVERSE = list_universe(datetime.now(UTC).date())
