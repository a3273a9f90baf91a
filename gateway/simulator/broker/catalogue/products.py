"""Products: what all futures of a root, and all options on them, have in common; pure."""

from gateway.simulator.broker.catalogue.naming import Body
from gateway.simulator.market.futures import MONTH_CODES, PRODUCTS, Product, find_product
from gateway.simulator.market.market import Market

EXERCISE = "American"


def future_product(product: Product, *, with_options: bool = False) -> Body:
    """Return the body of a product, with the products of its options if asked."""
    months = [MONTH_CODES[month - 1] for month in product.months]
    body: Body = {
        "root-symbol": f"/{product.root}",
        "code": product.root,
        "description": product.name,
        "exchange": product.exchange,
        "product-type": "Financial" if product.sector == "Equity Index" else "Physical",
        "listed-months": months,
        "active-months": months,
        "notional-multiplier": str(float(product.size)),
        "tick-size": str(product.tick),
        "display-factor": "1.0",
        "streamer-exchange-code": product.venue,
        "small-notional": False,
        "back-month-first-calendar-symbol": False,
        "first-notice": not product.is_cash_settled,
        "cash-settled": product.is_cash_settled,
        "market-sector": product.sector,
        "clearing-code": product.root,
        "clearing-exchange-code": "16",
        "roll": {
            "name": "equity_index" if product.is_cash_settled else "commodity",
            "active-count": 3,
            "cash-settled": product.is_cash_settled,
            "business-days-offset": 4,
            "first-notice": not product.is_cash_settled,
        },
    }
    if with_options:
        body["option-products"] = [
            future_option_product(product, root, with_future=False)
            for root in _option_roots(product)
        ]
    return body


def future_option_product(product: Product, root: str, *, with_future: bool = True) -> Body:
    """Return the body of one root of options on a product."""
    body: Body = {
        "root-symbol": root,
        "code": root,
        "cash-settled": False,
        "display-factor": "0.01",
        "exchange": product.exchange,
        "product-type": "Physical",
        "expiration-type": "Regular" if root == product.root else "Weekly",
        "settlement-delay-days": 0,
        "market-sector": product.sector,
        "clearing-code": root,
        "clearing-exchange-code": "16",
        "clearing-price-multiplier": "1.0",
        "is-rollover": False,
    }
    return body | {"future-product": future_product(product)} if with_future else body


def list_future_products() -> list[Body]:
    """Return every product."""
    return [future_product(product, with_options=True) for product in PRODUCTS]


def find_future_product(exchange: str, code: str) -> Body | None:
    """Return one product by its exchange and code, or None."""
    product = find_product(code)
    if product is None or product.exchange != exchange:
        return None
    return future_product(product, with_options=True)


def list_future_option_products(market: Market) -> list[Body]:
    """Return every root of options on futures that is listed now."""
    return [
        future_option_product(product, root)
        for product in PRODUCTS
        for root in dict.fromkeys(
            chain.root for chain in market.universe.future_chains.get(f"/{product.root}", ())
        )
    ]


def find_future_option_product(root: str) -> Body | None:
    """Return one root of options on futures, or None."""
    for product in PRODUCTS:
        if root in _option_roots(product):
            return future_option_product(product, root)
    return None


def _option_roots(product: Product) -> list[str]:
    if not product.option_root:
        return []
    if product.sector != "Equity Index":
        return [product.option_root]
    return [product.root, *(f"{product.option_root}{n}" for n in range(1, 6))]
