"""What a viewer chose on a page and its address keeps: how a table is sorted, what is folded; pure.

Links are queries alone, so that they lead to the page that they stand on, whichever prefix a proxy
puts before its path.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

OPEN = "~open"
"""The query's name that leads from a row to the page of its symbol."""

CHAIN = "~chain"
"""The same to the options on an underlying."""

MOST_CHOICES = 8
LONGEST_CHOICE = 200

_CHOICE = re.compile(r"~[a-z]{1,16}\d{0,3}\.(?:sort|fold|expiration|strikes|back)\Z")


def read_choices(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the choices among the parameters of a request, sorted by name."""
    names = sorted(name for name in given if _CHOICE.match(name))[:MOST_CHOICES]
    return {name: given[name] for name in names if 0 < len(given[name]) <= LONGEST_CHOICE}


def link_symbol(symbol: str) -> str:
    """Return the link to the page of a symbol."""
    return f"?{urlencode({OPEN: symbol})}"


def link_chain(underlying: str) -> str:
    """Return the link to the options on an underlying."""
    return f"?{urlencode({CHAIN: underlying})}"


class Address:
    """The query of a page: its own parameters, and what was chosen in its panels."""

    def __init__(
        self, parameters: Mapping[str, str] | None = None, choices: Mapping[str, str] | None = None
    ) -> None:
        self._parameters = dict(parameters or {})
        self._choices = dict(choices or {})

    def choice(self, panel: str, name: str) -> str:
        """Return what was chosen in a panel; empty when nothing was."""
        return self._choices.get(f"~{panel}.{name}", "")

    def link(self, panel: str, name: str, value: str) -> str:
        """Return the address with another choice; an empty one takes it out."""
        choices = {**self._choices, f"~{panel}.{name}": value}
        query = {**self._parameters, **{key: each for key, each in choices.items() if each}}
        return f"?{urlencode(query, safe=',*')}"
