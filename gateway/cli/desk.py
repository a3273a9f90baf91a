"""`gateway positions`, `orders`, `chain` and `alerts`: documents of a running gateway, as tables.

`--json` and `--csv` print what the gateway answers, as it is.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, TextIO
from urllib.parse import quote

import click

from gateway.cli.start import one_line_errors
from gateway.errors import GatewayError

TIMEOUT_S = 30.0
"""A chain may wait for its turn at the broker."""
UNKNOWN = "–"
MAX_TEXT = 48

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], Any], int | None]
"""Heading, value, and digits behind the point; None for a text."""

POSITIONS: tuple[Column, ...] = (
    ("account", lambda row: row["account"], None),
    ("position", lambda row: row["description"], None),
    ("qty", lambda row: row["quantity"], -1),
    ("trade", lambda row: row["average_open_price"], 2),
    ("mark", lambda row: row["mark"], 2),
    ("P/L day", lambda row: row["pnl_day"], 2),
    ("P/L open", lambda row: row["pnl_open"], 2),
    ("%", lambda row: row["pnl_open_pct"], 1),
    ("βΔ", lambda row: row["beta_delta"], 1),
    ("Θ", lambda row: row["theta"], 1),
    ("DTE", lambda row: row["days_to_expiration"], -1),
    ("value", lambda row: row["value"], 2),
    ("", lambda row: "stale" if row["stale"] else "", None),
)
ORDERS: tuple[Column, ...] = (
    ("account", lambda row: row["account"], None),
    ("received", lambda row: (row["received_at"] or "")[:16].replace("T", " "), None),
    ("order", lambda row: row["description"], None),
    ("status", lambda row: row["status"], None),
    ("type", lambda row: row["order_type"], None),
    ("in force", lambda row: row["time_in_force"], None),
    ("price", lambda row: row["price"], 2),
    ("filled", lambda row: row["filled"], -1),
    ("of", lambda row: row["size"], -1),
    ("at", lambda row: row["fill_price"], 2),
    ("", lambda row: row["reject_reason"] or ("stale" if row["stale"] else ""), None),
)


def _side(side: str, field: str) -> Callable[[Row], Any]:
    return lambda row: (row[side] or {}).get(field)


CHAIN: tuple[Column, ...] = (
    ("OI", _side("call", "open_interest"), -1),
    ("Δ", _side("call", "delta"), 2),
    ("bid", _side("call", "bid"), 2),
    ("ask", _side("call", "ask"), 2),
    ("strike", lambda row: row["strike"], -1),
    ("bid", _side("put", "bid"), 2),
    ("ask", _side("put", "ask"), 2),
    ("Δ", _side("put", "delta"), 2),
    ("OI", _side("put", "open_interest"), -1),
)


class DeskError(GatewayError):
    """The gateway does not answer, or refuses; the message says which."""


def common(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all of these have."""
    command = click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")(command)
    command = click.option("--json", "as_json", is_flag=True, help="The document as it is.")(
        command
    )
    return click.option(
        "--url", help="Of the gateway [default: this machine, at PORT, else 8000]."
    )(command)


@click.command()
@click.option("--account", multiple=True, help="Of this account only; may be repeated.")
@common
def positions(account: tuple[str, ...], url: str | None, as_json: bool, as_csv: bool) -> None:
    """Print what is held and what it is worth."""
    with one_line_errors():
        client = Client(url)
        query = [("account", each) for each in account]
        if as_json or as_csv:
            client.copy("/api/positions", query, as_csv=as_csv)
            return
        write_table(POSITIONS, client.read("/api/positions", query)["positions"], sys.stdout)
        sys.stdout.write(f"{describe_total(client.read('/api/portfolio', query)['total'])}\n")


@click.command()
@click.option("--account", multiple=True, help="Of this account only; may be repeated.")
@click.option("--working", is_flag=True, help="Only those that may still be filled.")
@common
def orders(
    account: tuple[str, ...], working: bool, url: str | None, as_json: bool, as_csv: bool
) -> None:
    """Print the working orders and those of today."""
    with one_line_errors():
        client = Client(url)
        query = [("account", each) for each in account]
        query += [("working", "true")] if working else []
        if as_json or as_csv:
            client.copy("/api/orders", query, as_csv=as_csv)
            return
        write_table(ORDERS, client.read("/api/orders", query)["orders"], sys.stdout)


@click.command()
@click.argument("underlying")
@click.option("--expiration", help="Such as 2026-12-18 [default: the nearest].")
@click.option("--strikes", type=click.IntRange(1, 200), default=16, help="Around the price.")
@common
def chain(
    underlying: str,
    expiration: str | None,
    strikes: int,
    url: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print the options on an underlying, around its price."""
    with one_line_errors():
        client = Client(url)
        path = f"/api/chain/{quote(underlying, safe='')}"
        query = [("strikes", str(strikes))]
        query += [("expiration", expiration)] if expiration else []
        if as_json or as_csv:
            client.copy(path, query, as_csv=as_csv)
            return
        document = client.read(path, query)
        sys.stdout.write(f"{describe_chain(document)}\n")
        write_table(CHAIN, document["rows"], sys.stdout)


ALERTS: tuple[Column, ...] = (
    ("id", lambda row: row["id"], None),
    ("of", lambda row: row["rule"]["when"]["key"], None),
    ("field", lambda row: row["rule"]["when"]["field"], None),
    ("", lambda row: row["rule"]["when"]["op"].replace("_", " "), None),
    ("value", lambda row: row["rule"]["when"]["value"], -1),
    ("now", lambda row: row["now"], -1),
    ("state", lambda row: (row["alert"] or {}).get("state"), None),
    ("fired", lambda row: (row["alert"] or {}).get("at"), None),
    ("note", lambda row: row["rule"]["note"], None),
)


@click.command()
@click.option("--url", help="Of the gateway [default: this machine, at PORT, else 8000].")
@click.option("--json", "as_json", is_flag=True, help="The document as it is.")
def alerts(url: str | None, as_json: bool) -> None:
    """Print your alerts: what each waits for, its state, and when it fired last."""
    with one_line_errors():
        client = Client(url)
        if as_json:
            client.copy("/api/alerts", [], as_csv=False)
            return
        write_table(ALERTS, client.read("/api/alerts", [])["alerts"], sys.stdout)


class Client:
    """A running gateway, asked with the token that its server reads."""

    def __init__(self, url: str | None) -> None:
        from gateway.settings import load_settings

        settings = load_settings()
        self._url = (url or f"http://127.0.0.1:{settings.port}{settings.root_path}").rstrip("/")
        token = None if settings.token is None else settings.token.get_secret_value()
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def read(self, path: str, query: Sequence[tuple[str, str]]) -> Any:
        """Return a document; decimals keep their digits.

        Raises:
            DeskError: when there is none.
        """
        return json.loads(self._get(path, query, "application/json"), parse_float=Decimal)

    def copy(self, path: str, query: Sequence[tuple[str, str]], *, as_csv: bool) -> None:
        """Print what the gateway answers."""
        text = self._get(path, query, "text/csv" if as_csv else "application/json")
        with suppress(BrokenPipeError):
            sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
            sys.stdout.flush()
            return
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def _get(self, path: str, query: Sequence[tuple[str, str]], accept: str) -> str:
        import httpx

        from gateway.cli.tail import describe

        try:
            # No proxy of the environment: a gateway is on this machine or one's own network.
            with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
                headers = self._headers | {"Accept": accept}
                answer = client.get(f"{self._url}{path}", params=list(query), headers=headers)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise DeskError("--url: this is no address of a gateway") from None
        except httpx.HTTPError as error:
            raise DeskError(describe(error)) from None
        if answer.status_code == 200:
            return answer.text
        if answer.status_code == 401:
            raise DeskError("the gateway wants its token: set GATEWAY_TOKEN, or GATEWAY_TOKEN_FILE")
        detail = f"the gateway answered {answer.status_code}"
        with suppress(ValueError, KeyError, TypeError):
            detail = _clean(answer.json()["detail"])
        raise DeskError(detail)


def write_table(columns: Sequence[Column], rows: Sequence[Row], out: TextIO) -> None:
    """Write rows under their headings, figures to the right."""
    cells = [[_format(find(row), digits) for _, find, digits in columns] for row in rows]
    headings = [heading for heading, _, _ in columns]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for line in [headings, *cells] if rows else [["nothing"]]:
        aligned = (
            f"{cell:<{width}}" if digits is None else f"{cell:>{width}}"
            for cell, width, (_, _, digits) in zip(line, widths, columns, strict=False)
        )
        out.write("  ".join(aligned).rstrip() + "\n")


def describe_total(total: Row) -> str:
    """Return the sums over all accounts in one line."""
    figures = (
        ("net liq", "net_liq"), ("P/L day", "pnl_day"), ("P/L open", "pnl_open"),
        ("βΔ", "beta_delta"), ("Θ", "theta"), ("value", "value"),
    )  # fmt: skip
    line = "  ".join(f"{name} {_format(total[field], 2)}" for name, field in figures)
    unknown = total["unknown"]
    return f"{line}  ({unknown} without a mark, in no sum)" if unknown else line


def describe_chain(document: Row) -> str:
    """Return what the strikes are of, in one line."""
    found = document["expiration"]
    line = f"{_clean(document['underlying'])} {_format(document['price'], 2)}"
    if found is None:
        return line
    volatility = found["implied_volatility"]
    shown = UNKNOWN if volatility is None else f"{volatility * 100:.1f} %"
    days = UNKNOWN if found["days"] is None else found["days"]
    return f"{line}  {_clean(found['root'])} {found['date']}  {days} days  IV {shown}"


def _format(value: Any, digits: int | None) -> str:
    if digits is None:
        text = _clean(value if value is not None else UNKNOWN)
        return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    if value is None:
        return UNKNOWN
    if digits < 0:  # as it is
        return f"{Decimal(value).normalize():f}"
    return f"{Decimal(value):,.{digits}f}"


def _clean(value: object) -> str:
    """Return a text without control characters: they must not reach the terminal."""
    return "".join(letter for letter in str(value) if letter.isprintable())
