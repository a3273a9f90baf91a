"""The market whose catalogue is read."""

from datetime import date, time

from gateway.simulator.market.calendar import instant
from gateway.simulator.market.market import Market
from gateway.simulator.market.universe import list_universe

TODAY = date(2026, 11, 25)


MARKET = Market(list_universe(TODAY), seed=7, now=instant(TODAY, time(11)))
