"""Import the SDK without pandas, which it needs for functions that nothing here calls.

`tastytrade.utils` (13.2.3) imports `Timestamp` from pandas for an annotation, and asks
`pandas_market_calendars` for the calendar of the NYSE, for its functions about expiration dates.
That costs every process about a second of its start and 60 MB. So while the SDK is imported,
stand-ins are in the place of both; afterwards they are gone from `sys.modules`, so a page that
imports pandas gets the real one, and the first use of the calendar loads the real one too.

The package calls `import_sdk` when it is imported, so before any module in it imports the SDK.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

SDK = "tastytrade"
PANDAS = "pandas"
CALENDARS = "pandas_market_calendars"


class LazyCalendar:
    """A calendar of pandas_market_calendars, loaded when something asks it a question."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        calendar = importlib.import_module(CALENDARS).get_calendar(self._name)
        return getattr(calendar, attribute)


class StandIn(ModuleType):
    """A module that holds what the SDK takes from the real one while it is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(
            f"{SDK} takes {name!r} from {self.__name__}, which the gateway does not load; "
            f"use the version of {SDK} that this gateway was tested with"
        )


def import_sdk() -> None:
    """Import the SDK, with stand-ins for what it would load and not use.

    Raises:
        ImportError: when the SDK takes something from pandas that it did not take before.
    """
    if SDK in sys.modules:
        return
    stand_ins = {name: StandIn(name) for name in (PANDAS, CALENDARS) if name not in sys.modules}
    contents: dict[str, dict[str, Any]] = {
        PANDAS: {"Timestamp": object},
        CALENDARS: {"get_calendar": LazyCalendar},
    }
    for name, stand_in in stand_ins.items():
        vars(stand_in).update(contents[name])
        sys.modules[name] = stand_in
    try:
        importlib.import_module(SDK)
        importlib.import_module(f"{SDK}.utils")
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
