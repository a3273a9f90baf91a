"""How brokers, statements and other platforms write an instrument, brought to dxFeed's form; pure.

Known are OCC symbols with and without blanks (OSI, 21 characters), option descriptions of
statements, Tastytrade's own symbols of futures and their options, TradingView, thinkorswim, Yahoo,
Bloomberg and Reuters. What is written in none of these ways is left alone.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from gateway.streams.products import (
    ALIASES,
    COIN_VENUE,
    COINS,
    INDICES,
    MONTH_LETTERS,
    PRODUCTS,
    SHARE_CLASSES,
    Product,
    complete_year,
    find_lead,
    find_product,
    format_future,
)

MAX_STEPS = 4  # a spelling inside another, such as `CME_MINI:ESZ2026`, takes two

YEARS_BACK, YEARS_AHEAD = 2, 7
"""Which ten years the last digit of a year may mean: contracts are listed years ahead."""

DEFAULT_EXAMPLE = "/ESZ26:XCME"

_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
_MONTH = f"(?:{'|'.join(_MONTHS)})"
_LETTER = f"[{MONTH_LETTERS}]"
_STRIKE = r"(?:\d+(?:\.\d*)?|\.\d+)"
_ROOT = r"\d?[A-Z]{1,5}(?:[./][A-Z])?\d?"


def _set_of(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NOT_IN_ROOTS = dict.fromkeys(map(ord, "$./"))
"""Options on `BRK/B` have the root `BRKB` (OSI)."""

_STOCK_VENUES = _set_of(
    "NASDAQ NYSE NYSEARCA NYSEAMERICAN NYSEMKT AMEX ARCA BATS CBOE IEX OTC OTCMKTS OTCBB PINK "
    "XNAS XNYS XASE ARCX BATS SMART ISLAND US USA UN UW UQ UR OPRA O I S TVC SP DJ INDEX INDEXSP "
    "INDEXCBOE INDEXNASDAQ INDEXDJX INDEXRUSSELL NDX RUSSELL CBOEBZX CBOEOPTIONS"
)
_FUTURE_VENUES = _set_of(
    "CME CME_MINI CBOT CBOT_MINI NYMEX NYMEX_MINI COMEX COMEX_MINI CFE GLOBEX ECBOT CBF"
)
_COIN_VENUES = _set_of(
    "COINBASE BINANCE BINANCEUS BITSTAMP KRAKEN GEMINI BITFINEX CRYPTO CRYPTOCAP PAXOS X"
)
_MICS = frozenset({each.exchange for each in PRODUCTS.values()})

_OPTION = re.compile(
    rf"[.\-+]?(?P<root>\d?[A-Z]{{1,6}}(?:[./][A-Z])?\d?) *(?P<gap>_?)(?P<date>\d{{8}}|\d{{6}}) *"
    rf"(?P<side>[CP]) *(?P<strike>{_STRIKE})\Z"
)
_DATED_FUTURE_OPTION = re.compile(
    rf"\.?/(?P<future>[A-Z0-9]{{1,4}}?){_LETTER}\d{{1,2}} *(?P<root>[A-Z0-9]{{1,4}}?)"
    rf"(?P<month>{_LETTER})(?P<year>\d{{1,2}}) *(?P<date>\d{{6}}) *(?P<side>[CP]) *"
    rf"(?P<strike>{_STRIKE})\Z"
)
_FUTURE_OPTION = re.compile(
    rf"\.?/(?P<root>[A-Z0-9]{{1,4}}?)(?P<month>{_LETTER})(?P<year>\d{{1,2}})"
    rf"(?P<side>[CP])(?P<strike>{_STRIKE})(?::(?P<exchange>[A-Z]+))?\Z"
)
_FUTURE = re.compile(
    rf"(?P<slash>[/@]?)(?P<root>[A-Z0-9]{{1,4}}?)(?P<month>{_LETTER})"
    r"(?P<year>\d{4}|\d{1,2})(?:[:.](?P<exchange>[A-Z]+))?\Z"
)
_PRODUCT = re.compile(
    r"(?P<slash>[/@]?)(?P<root>[A-Z0-9]{1,4}?)(?P<end>=F|[12]!|_F|#?)(?::(?P<exchange>[A-Z]+))?\Z"
)
_COIN = re.compile(
    rf"(?P<coin>{'|'.join(sorted(COINS))})[/_-]?(?P<money>USDT|USDC|USD|EUR|GBP)"
    r"(?P<venue>:[A-Z]+)?\Z"
)
_PREFERRED = re.compile(r"(?P<root>[A-Z]{1,5})(?:[./-]P(?:R[.-]?|-)?|\^)(?P<series>[A-Z])\Z")
_SUFFIXES = {"WS": "WS", "WT": "WS", "WTS": "WS", "U": "U", "UN": "U", "RT": "RT", "PR": "PR"}
_SHARES = re.compile(r"(?P<root>[A-Z]{1,5})[./_-](?P<suffix>[A-Z]|WS|WTS?|UN?|RT|PR)\Z")
_RIC = re.compile(r"(?P<root>[A-Z]{1,5})\.(?:US|OQ|NQ|O|N)\Z")
_INDEX = re.compile(r"(?:\$(?P<dollar>[A-Z0-9]+)|[\^.](?P<sign>[A-Z]+)|\$?(?P<x>[A-Z0-9]+)\.XO?)\Z")

_DATE = (
    r"(?:(?P<ymd>(?:20)?\d\d-\d\d-\d\d|20\d{6})"
    r"|(?P<mdy>\d{1,2}/\d{1,2}/(?:20)?\d\d)"
    rf"|(?P<dmy>\d{{1,2}}[ -]?{_MONTH}[ -]?'?(?:20)?\d\d)"
    rf"|(?P<named>{_MONTH}[A-Z]* ?\d{{1,2}},? ?'?(?:20)?\d\d))"
)
_SIDE = r"(?:CALLS?|PUTS?|C|P)"
_DESCRIPTION = re.compile(
    rf"(?P<root>\$?{_ROOT})(?: 100)?(?: \([A-Z]+\))? (?:"
    rf"{_DATE} ?(?:\$?(?P<k1>{_STRIKE}) ?(?P<s1>{_SIDE})|(?P<s2>{_SIDE}) ?\$?(?P<k2>{_STRIKE}))"
    r")\Z"
)
_REVERSED = re.compile(
    rf"(?P<root>\$?{_ROOT}) (?:"
    rf"(?:\$?(?P<k1>{_STRIKE}) ?(?P<s1>{_SIDE})|(?P<s2>{_SIDE}) ?\$?(?P<k2>{_STRIKE})) ?{_DATE}"
    r")\Z"
)
_FUTURE_WORDS = re.compile(
    rf"/?(?P<root>{'|'.join(sorted(PRODUCTS))}) (?:(?P<number>\d{{1,2}})-(?P<y1>(?:20)?\d\d)"
    rf"|(?P<name>{_MONTH}) ?'?(?P<y2>(?:20)?\d\d)|(?P<letter>{_LETTER})(?P<y3>\d{{1,2}}))\Z"
)
_BLOOMBERG = re.compile(r"(?P<name>[^ ]+)(?: US)?(?: (?:EQUITY|INDEX|COMDTY)| US)\Z")


def respell(text: str, today: date | None = None) -> str:
    """Return dxFeed's form of one instrument in capitals, with single blanks, if it has any.

    `today` says which year the last digit of one means.

    Raises:
        ValueError: with a sentence that says how the instrument is written, where it can be told.
    """
    for _ in range(MAX_STEPS):
        found = _respell_once(text, today)
        if found == text:
            break
        text = found
    return text


def _respell_once(text: str, today: date | None) -> str:
    for convert in _CONVERSIONS:
        found = convert(text, today)
        if found is not None:
            return found
    return text


def _convert_option(text: str, today: date | None) -> str | None:
    found = _OPTION.match(text)
    if found is None:
        return None
    digits, strike = found["date"], found["strike"]
    years_first = [(digits[:-4], digits[-4:-2], digits[-2:])]
    american = [(digits[4:], digits[:2], digits[2:4])]
    # thinkorswim's and Schwab's programs write SPY_121826C600, with the month in front.
    orders = american + years_first if found["gap"] and text[0] != "." else years_first + american
    if not found["gap"]:
        orders = years_first
    days = [day for each in orders if (day := _find_day(*each)) is not None]
    if not days:
        raise ValueError("an option has a date that does not exist; it is written .SPY261218C600")
    is_padded = len(strike) == 8 and strike.isdigit()
    price = Decimal(strike) / 1000 if is_padded else Decimal(strike)
    return _format_option(found["root"], days[0], found["side"], price)


def _convert_description(text: str, today: date | None) -> str | None:
    found = _DESCRIPTION.match(text) or _REVERSED.match(text)
    if found is None:
        return None
    day = _read_date(found)
    if day is None:
        raise ValueError("an option has a date that does not exist; it is written .SPY261218C600")
    side = (found["s1"] or found["s2"])[0]
    return _format_option(found["root"], day, side, Decimal(found["k1"] or found["k2"]))


def _read_date(found: re.Match[str]) -> date | None:
    if text := found["ymd"]:
        digits = text.replace("-", "")
        return _find_day(digits[:-4], digits[-4:-2], digits[-2:])
    if text := found["mdy"]:
        month, day, year = text.split("/")
        return _find_day(year, month, day)
    text = (found["dmy"] or found["named"]).replace("'", "")
    name = re.search(r"[A-Z]+", text)
    numbers = re.findall(r"\d+", text)
    assert name is not None
    if len(numbers) == 1:  # `DEC1826`: the day and the year are one number
        joined = numbers[0]
        numbers = [joined[:-4], joined[-4:]] if len(joined) > 4 else [joined[:-2], joined[-2:]]
    return _find_day(numbers[1], str(_MONTHS[name[0][:3]]), numbers[0])


def _find_day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year) if len(year) == 4 else 2000 + int(year), int(month), int(day))
    except ValueError:
        return None


def _format_option(root: str, day: date, side: str, strike: Decimal) -> str:
    if strike <= 0:
        raise ValueError("an option has a strike of 0; it is written .SPY261218C600")
    root = root.translate(_NOT_IN_ROOTS)
    return f".{root}{day:%y%m%d}{side}{_format_strike(strike)}"


def _format_strike(strike: Decimal) -> str:
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _convert_dated_future_option(text: str, today: date | None) -> str | None:
    found = _DATED_FUTURE_OPTION.match(text)
    if found is None:
        return None
    product = PRODUCTS.get(found["future"]) or find_product(found["root"])
    if product is None:
        raise ValueError("an option on a future needs its exchange, as in ./EW4X26C6000:XCME")
    year = found["year"]
    if len(year) == 1:
        # An option may expire in the month before its own: next year's January, in December.
        first = 2000 + int(found["date"][:2])
        year = f"{complete_year(int(year), range(first, first + 10)) % 100:02d}"
    strike = _format_strike(Decimal(found["strike"]))
    series = f"{found['root']}{found['month']}{year}"
    return f"./{series}{found['side']}{strike}:{product.exchange}"


def _convert_future_option(text: str, today: date | None) -> str | None:
    found = _FUTURE_OPTION.match(text)
    if found is None:
        return None
    exchange, strike = found["exchange"], found["strike"]
    if exchange not in _MICS:
        product = find_product(found["root"])
        if product is None and exchange is None:
            raise ValueError("an option on a future needs its exchange, as in ./EW4X26C6000:XCME")
        exchange = product.exchange if product else exchange
        strike = _format_strike(Decimal(strike))
    year = _write_year(found["year"], today)
    return f"./{found['root']}{found['month']}{year}{found['side']}{strike}:{exchange}"


def _convert_future(text: str, today: date | None) -> str | None:
    found = _FUTURE.match(text)
    if found is None:
        return None
    root, exchange = found["root"], found["exchange"]
    product = PRODUCTS.get(root)
    if product is None:
        if not found["slash"]:
            return None
        if exchange is None:
            raise ValueError(
                f"a future needs its exchange, as in {_example(None, today)}, because no product "
                f"{root} is known here"
            )
        return f"/{root}{found['month']}{_write_year(found['year'], today)}:{exchange}"
    if found["slash"] == "/" and len(found["year"]) == 2 and exchange in _MICS:
        return text  # dxFeed's own form, whatever our table says
    if not found["slash"] and exchange in _STOCK_VENUES:
        return None
    year = _write_year(found["year"], today)
    return format_future(product, found["month"], int(year))


def _convert_future_words(text: str, today: date | None) -> str | None:
    found = _FUTURE_WORDS.match(text)
    if found is None:
        return None
    if found["letter"]:
        letter = found["letter"]
    else:
        month = _MONTHS[found["name"]] if found["name"] else int(found["number"])
        if not 1 <= month <= 12:
            raise ValueError("a future has a month that does not exist")
        letter = MONTH_LETTERS[month - 1]
    year = _write_year(found["y1"] or found["y2"] or found["y3"], today)
    return format_future(PRODUCTS[found["root"]], letter, int(year))


def _convert_product(text: str, today: date | None) -> str | None:
    """Refuse a product without a month, which is no contract; dxFeed's own form passes."""
    found = _PRODUCT.match(text)
    if found is None:
        return None
    product, exchange = PRODUCTS.get(found["root"]), found["exchange"]
    if exchange is not None and (found["slash"] or exchange in _MICS):
        return f"/{found['root']}:{exchange}" if not found["end"] else None
    if not found["slash"] and (not found["end"] or product is None):
        return None
    raise ValueError(
        f"a future is written with its month, year and exchange, as in {_example(product, today)}"
    )


def _write_year(digits: str, today: date | None) -> str:
    if len(digits) != 1:
        return digits[-2:]
    if today is None:
        raise ValueError(
            f"a future is written with two digits of its year, as in {DEFAULT_EXAMPLE}"
        )
    years = range(today.year - YEARS_BACK, today.year + YEARS_AHEAD + 1)
    return f"{complete_year(int(digits), years) % 100:02d}"


def _example(product: Product | None, today: date | None) -> str:
    if today is None or product is None:
        return DEFAULT_EXAMPLE if product is None else f"/{product.root}Z26:{product.exchange}"
    return find_lead(product, today)


def _convert_coin(text: str, today: date | None) -> str | None:
    found = _COIN.match(text)
    if found is None:
        return None
    ours = f"{found['coin']}/USD:{COIN_VENUE}"
    if found["money"] != "USD":
        raise ValueError(f"coins are quoted in dollars here, as in {ours}")
    return f"{found['coin']}/USD{found['venue']}" if found["venue"] else ours


def _convert_index(text: str, today: date | None) -> str | None:
    found = _INDEX.match(text)
    if found is None:
        return None
    if name := found["dollar"]:
        return ALIASES.get(name, name) if name in INDICES or name == "GSPC" else text
    name = found["sign"] or found["x"]
    if text[0] == "." and name not in INDICES and name not in ALIASES:
        return None
    return ALIASES.get(name, name)


def _convert_shares(text: str, today: date | None) -> str | None:
    if text in ALIASES and "/" in ALIASES[text]:
        return ALIASES[text]
    if found := _RIC.match(text):
        return found["root"]
    if found := _SHARES.match(text):
        return f"{found['root']}/{_SUFFIXES.get(found['suffix'], found['suffix'])}"
    if found := _PREFERRED.match(text):
        return f"{found['root']}/PR{found['series']}"
    return None


def _convert_class_words(text: str, today: date | None) -> str | None:
    root, blank, letter = text.partition(" ")
    if blank and (root, letter) in SHARE_CLASSES:
        return f"{root}/{letter}"
    return None


def _convert_venue(text: str, today: date | None) -> str | None:
    """Take off the exchange, which other platforms write in front or behind."""
    before, colon, rest = text.partition(":")
    if colon and before in _STOCK_VENUES | _FUTURE_VENUES | _COIN_VENUES:
        return rest
    name, sign, after = text.replace("@", ":").rpartition(":")
    if sign and name and after in _STOCK_VENUES and "/" not in name[:1]:
        return name
    return None


def _convert_bloomberg(text: str, today: date | None) -> str | None:
    found = _BLOOMBERG.match(text)
    return None if found is None else found["name"]


_CONVERSIONS: tuple[Callable[[str, date | None], str | None], ...] = (
    _convert_venue,
    _convert_dated_future_option,
    _convert_option,
    _convert_description,
    _convert_future_option,
    _convert_coin,
    _convert_future,
    _convert_future_words,
    _convert_product,
    _convert_index,
    _convert_shares,
    _convert_class_words,
    _convert_bloomberg,
)

_SEVERAL_WORDS = tuple(
    re.compile(each.pattern.removesuffix(r"\Z") + r"(?= |\Z)")
    for each in (
        _DATED_FUTURE_OPTION,
        _OPTION,
        _DESCRIPTION,
        _REVERSED,
        _FUTURE_WORDS,
        _BLOOMBERG,
        re.compile(rf"(?:{'|'.join(sorted(f'{root} {cls}' for root, cls in SHARE_CLASSES))})\Z"),
    )
)


def find_words(text: str, begin: int) -> int:
    """Return where the instrument ends that begins here and has blanks in it; -1 if none does."""
    ends = (found.end() for each in _SEVERAL_WORDS if (found := each.match(text, begin)))
    return max(ends, default=-1)
