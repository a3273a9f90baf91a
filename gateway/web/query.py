"""The query of `/events` and `/api/snapshot`: parsed, checked, and every refusal named.

Clients, caches and proxies add parameters of their own to an address. Those are ignored, and what
EventSource replacements call the last event's id is understood under all its names. Only a name
that looks like one of ours, misspelt, is refused: without it the stream would carry something else
than was asked for.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from gateway.streams.hub.subscription import Subscription, subscription_for
from gateway.streams.records import DATA_TYPES, DEFAULT_TYPES, MARKET_TYPES
from gateway.streams.symbols import parse_symbol, split_symbols
from gateway.streams.topics import Owner, narrow_grant
from gateway.web.problem import Problem

Snapshot = Literal["true", "false", "only"]
SNAPSHOTS: dict[str, Snapshot] = {"true": "true", "false": "false", "only": "only"}

FILTERS = frozenset({"symbols", "symbol", "types", "accounts"})
STREAM_PARAMETERS = FILTERS | {"rate", "snapshot", "last_event_id"}

ID_NAMES = frozenset({"lasteventid", "evslasteventid"})
"""What carries the id, without case and signs: `lastEventId` of Yaffle's polyfill,
`evs_last_event_id` of amvtek's, and the header's name written as a parameter."""

OTHER_WORDS = {"ticker": "symbol", "tickers": "symbols"}
"""What other programs call a parameter of ours."""

MIN_PREFIX = 5
"""So many letters of a name of ours are taken for it, cut off: `accou`, `last_event`."""

MAX_ACCOUNTS = 100
MIN_RATE, MAX_RATE = 0.01, 100.0

_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?\Z")
_SIGNS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for, checked."""

    subscription: Subscription
    symbols: frozenset[str] | None
    symbols_parameter: str
    rate: float | None
    snapshot: Snapshot
    last_event_id: str | None


def parse_query(
    items: Iterable[tuple[str, str]],
    *,
    known: frozenset[str] = STREAM_PARAMETERS,
    max_symbols: int,
    last_event_id: str | None = None,
    granted: frozenset[Owner],
    today: date | None = None,
) -> Query:
    """Return the checked query; `last_event_id` is the header's, which wins over the parameter.

    `today` completes the year of a future such as `/ESZ6`.

    Of the accounts only those that are `granted` are left, without a word: an account of somebody
    else is like one that does not exist. Of several ids the last one counts, because
    that is the one a reconnecting client has added.

    Raises:
        Problem: 400, naming the parameter.
    """
    given: dict[str, str] = {}
    single_symbols: list[str] = []
    given_id = ""
    for name, value in items:
        if name == "symbol" and name in known:
            single_symbols.append(value)
        elif is_id_name(name):
            given_id = value or given_id
        elif name not in known:
            _refuse_misspelling(name, known)
        elif name in given:
            raise bad_parameter(name, "it is given more than once")
        else:
            given[name] = value
    types = _parse_types(given["types"]) if "types" in given else DEFAULT_TYPES
    symbols, symbols_parameter = _parse_symbols(given.get("symbols"), single_symbols, today)
    if symbols is not None and len(symbols) > max_symbols:
        raise bad_parameter(symbols_parameter, f"one stream follows at most {max_symbols} symbols")
    accounts = _parse_accounts(given["accounts"]) if "accounts" in given else None
    owners = granted if accounts is None else narrow_grant(granted, accounts)
    return Query(
        subscription=subscription_for(types=types, symbols=symbols, owners=owners),
        symbols=symbols if types & MARKET_TYPES else None,
        symbols_parameter=symbols_parameter,
        rate=_parse_rate(given["rate"]) if "rate" in given else None,
        snapshot=_parse_snapshot(given.get("snapshot", "true")),
        last_event_id=last_event_id or given_id or None,
    )


def bad_parameter(name: str, detail: str) -> Problem:
    """Return the refusal of a parameter; what somebody invented as a name is not repeated."""
    shown = name if re.fullmatch(r"[a-z_]{1,32}", name) else "a parameter"
    return Problem(400, f"{shown}: {detail}", parameter=shown)


def is_id_name(name: str) -> bool:
    """Return whether a parameter of this name carries the last event's id."""
    return _normalize(name) in ID_NAMES


def find_meant(name: str, known: frozenset[str] = STREAM_PARAMETERS) -> str | None:
    """Return the parameter of ours that an unknown name is a misspelling of, or None."""
    written = _normalize(name)
    if len(written) < 3 or len(written) > 2 * max(map(len, known)):
        return None
    if written in OTHER_WORDS and OTHER_WORDS[written] in known:
        return OTHER_WORDS[written]
    found: list[tuple[int, str]] = []
    for ours in sorted(known):
        right = _normalize(ours)
        if written == right or (len(written) >= MIN_PREFIX and right.startswith(written)):
            found.append((0, ours))
            continue
        # The first letter is rarely wrong, and `date` or `state` are nobody's `rate` or `types`.
        mistakes = 1 if len(right) < 6 else 2
        count = _count_mistakes(written, right)
        if written[0] == right[0] and count <= mistakes:
            found.append((count, ours))
    return min(found)[1] if found else None


def refuse_unknown(names: Iterable[str], known: frozenset[str]) -> None:
    """Refuse what looks like one of the known parameters, misspelt; ignore all other names.

    Raises:
        Problem: 400, naming the parameter.
    """
    for name in names:
        if name not in known and not is_id_name(name):
            _refuse_misspelling(name, known)


def _refuse_misspelling(name: str, known: frozenset[str]) -> None:
    if name in STREAM_PARAMETERS:
        raise bad_parameter(name, f"it does not exist here; known are {', '.join(sorted(known))}")
    if (meant := find_meant(name, known)) is not None:
        raise bad_parameter(name, f"there is no such parameter; did you mean {meant}?")


def _normalize(name: str) -> str:
    return _SIGNS.sub("", name.lower())


def _count_mistakes(written: str, right: str) -> int:
    """Return the letters to add, drop, change or swap with their neighbour (optimal alignment)."""
    if abs(len(written) - len(right)) > 2:
        return 3
    rows = [list(range(len(right) + 1))]
    for i, letter in enumerate(written, 1):
        row = [i]
        for j, other in enumerate(right, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != other)))
            is_swapped = i > 1 and j > 1 and letter == right[j - 2] and written[i - 2] == other
            if is_swapped:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def _parse_types(text: str) -> frozenset[str]:
    types = frozenset(part.strip() for part in text.split(","))
    if not types <= DATA_TYPES:
        raise bad_parameter("types", f"must be some of {', '.join(sorted(DATA_TYPES))}")
    return types


def _parse_symbols(
    listed: str | None, single: list[str], today: date | None
) -> tuple[frozenset[str] | None, str]:
    """Return the symbols of both parameters, None for neither, and the name to complain about."""
    symbols: set[str] = set()
    parameter = "symbols"
    try:
        if listed is not None:
            found = split_symbols(listed, today)
            if not found:
                raise ValueError("it names no symbol")
            symbols.update(found)
        if single:
            parameter = "symbol"
            symbols.update(parse_symbol(each, today) for each in single)
    except ValueError as error:
        raise bad_parameter(parameter, str(error)) from None
    return frozenset(symbols) or None, parameter


def _parse_accounts(text: str) -> frozenset[str]:
    accounts = frozenset(part.strip() for part in text.split(","))
    if not all(map(_ACCOUNT.match, accounts)):
        raise bad_parameter("accounts", "must be account numbers, separated by commas")
    if len(accounts) > MAX_ACCOUNTS:
        raise bad_parameter("accounts", f"one stream follows at most {MAX_ACCOUNTS} accounts")
    return accounts


def _parse_rate(text: str) -> float:
    rate = float(text) if _RATE.match(text) else 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise bad_parameter("rate", f"must be updates a second, {MIN_RATE:g} to {MAX_RATE:g}")
    return rate


def _parse_snapshot(text: str) -> Snapshot:
    found = SNAPSHOTS.get(text)
    if found is None:
        raise bad_parameter("snapshot", "must be true, false or only")
    return found
