"""Who the simulated customers are and what their accounts may do, as REST says it; pure."""

from dataclasses import dataclass, field
from typing import Any

TRADING_STATUS: dict[str, Any] = {
    "are-deep-itm-carry-options-enabled": False,
    "are-far-otm-net-options-restricted": True,
    "are-options-values-restricted-to-nlv": False,
    "are-single-tick-expiring-hedges-ignored": False,
    "day-trade-count": 0,
    "equities-margin-calculation-type": "Reg T",
    "fee-schedule-name": "default",
    "futures-margin-rate-multiplier": "1.0",
    "has-intraday-equities-margin": False,
    "id": 100001,
    "is-aggregated-at-clearing": False,
    "is-closed": False,
    "is-closing-only": False,
    "is-cryptocurrency-closing-only": False,
    "is-cryptocurrency-enabled": True,
    "is-equity-offering-closing-only": False,
    "is-equity-offering-enabled": True,
    "is-frozen": False,
    "is-full-equity-margin-required": False,
    "is-futures-closing-only": False,
    "is-futures-enabled": True,
    "is-futures-intra-day-enabled": False,
    "is-in-day-trade-equity-maintenance-call": False,
    "is-in-margin-call": False,
    "is-pattern-day-trader": False,
    "is-portfolio-margin-enabled": False,
    "is-risk-reducing-only": False,
    "is-roll-the-day-forward-enabled": True,
    "is-small-notional-futures-intra-day-enabled": False,
    "options-level": "No Restrictions",
    "short-calls-enabled": True,
    "small-notional-futures-margin-rate-multiplier": "1.0",
}
ADDRESS: dict[str, Any] = {
    "city": "Chicago",
    "country": "USA",
    "is-domestic": True,
    "is-foreign": False,
    "postal-code": "60607",
    "state-region": "IL",
    "street-one": "1 Simulated Street",
}
CUSTOMER: dict[str, Any] = {
    "id": "me",
    "first-name": "Sam",
    "last-name": "Ulator",
    "address": ADDRESS,
    "mailing-address": ADDRESS,
    "is-foreign": False,
    "usa-citizenship-type": "Citizen",
    "mobile-phone-number": "+15555550100",
    "birth-date": "1980-01-01",
    "email": "sam@example.com",
    "tax-number-type": "SSN",
    "subject-to-tax-withholding": False,
    "has-industry-affiliation": False,
    "has-listed-affiliation": False,
    "has-political-affiliation": False,
    "has-delayed-quotes": False,
    "has-pending-or-approved-application": True,
    "is-professional": False,
    "permitted-account-types": [],
    "created-at": "2023-03-14T15:21:07.482+00:00",
    "external-id": "U0000000001",
}


@dataclass(slots=True)
class Customer:
    """One login: `key` names it in the control, `facts` are laid over the usual ones."""

    key: str
    external_id: str
    facts: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return the customer object."""
        return CUSTOMER | {"external-id": self.external_id} | self.facts


SAM = "sam"
PAT = "pat"


def list_customers() -> list[Customer]:
    """Return the customers of a new simulator, the first one first."""
    pat = {"first-name": "Pat", "last-name": "Tern", "email": "pat@example.com"}
    return [Customer(SAM, "U0000000001"), Customer(PAT, "U0000000002", pat)]
