"""What goes wrong on purpose, what was counted, and what was sent. `control/` turns the switches.

Every switch is a POST of a JSON object (`{}` or nothing for the defaults) to `{control}/{name}`;
the answer is the state as `GET {control}` gives it, with `"done"`, how many things were hit.

| POST             | body (defaults)                           | what happens                      |
|------------------|-------------------------------------------|-----------------------------------|
| `/mute`          | `keepalive` false, `scope` "all" or       | sockets stay open, no frames (of  |
|                  | "current", `types` null                   | those types only, if given)       |
| `/unmute`        |                                           | frames flow again                 |
| `/stall`         | `rest`, `feed`, `account`: true or false  | REST never answers, sockets are   |
|                  |                                           | neither read nor written          |
| `/cut`           | `target` "all", "feed" or "account",      | TCP reset, or a websocket close   |
|                  | `code` null, `reason` ""                  | with that code                    |
| `/down`          | `seconds` 5                               | connections reset, new ones       |
|                  |                                           | refused; then up again            |
| `/up`            |                                           | up again at once                  |
| `/close_channel` | `type` null, `channel` null               | CHANNEL_CLOSED unasked            |
| `/drop_adds`     | `every` 7 (0 ends it)                     | each n-th subscription is lost    |
| `/inject`        | `kind` (`bad_frames.py`), `text`, `type`  | a bad frame on every feed socket  |
|                  | "Quote", `symbol` "SPY", `error`, `rows`, | or account socket                 |
|                  | `target` "feed"                           |                                   |
| `/deauth`        | `expire` true                             | AUTH_STATE UNAUTHORIZED, and      |
|                  |                                           | quote tokens are no longer good   |
| `/dxlink`        | `full` true, `withheld` []                | no FULL format (COMPACT instead); |
|                  |                                           | types accepted but never sent     |
| `/quote_tokens`  | `refuse` null, "close" or "silent",       | quote tokens refused (silent: no  |
|                  | `life_s` (of new ones), `expire` false,   | ERROR, no close), short, or bad;  |
|                  | `level` "api"                             | "demo": a `/delayed` address      |
| `/tokens`        | `told_s`, `honoured_s`, `expire` false    | the life of access tokens         |
| `/oauth`         | `status` null, `count` null, `revoke`,    | OAuth fails; all grants revoked;  |
|                  | `rotate`, `wrong_state`, `redirect_uris`  | refresh tokens good once; forged  |
|                  |                                           | `state`; only these addresses     |
| `/upgrade`       | `status` 502 (null ends it), `count` null,| websocket upgrades get that       |
|                  | `target` "all"                            | status instead                    |
| `/rest`          | `status` 500 (null ends it), `count` null,| REST fails below that path (OAuth |
|                  | `path` "/", `delay_s` 0, `retry_after_s`  | has its own switch) or is late;   |
|                  | null, `kind` "status", "html", "bare",    | or it gives 200 (or 302) with a   |
|                  | "empty", "truncated", "oversized" or      | body that is no answer            |
|                  | "redirect"                                |                                   |
| `/limits`        | `sessions` 0 (none), `subscriptions`      | caps and idle limits; REST calls  |
|                  | 25000, `keepalive_s` 60, `heartbeat_s` 60,| a second (429 with Retry-After);  |
|                  | `rates` false, `versions` […], `agent`    | versions accepted (else 406); a   |
|                  | true                                      | User-Agent needed (else 401)      |
| `/address`       | `feed` null (its own again)               | quote tokens name this address    |
|                  |                                           | of the feed: a proxy's            |
| `/balance`       | `account`, `cash_delta` "0", `pending`,   | money moves; fields are left out; |
|                  | `omit` null, `customer`                   | pushed at once                    |
| `/order`         | `do` "place": `account`, `legs` (`action`,| an order is placed, and goes      |
|                  | `symbol`, `quantity`), `price` (credit    | through its stages up to `until`; |
|                  | positive), `type` "Limit", `tif` "Day",   | "Contingent" with a `rule`;       |
|                  | `until` "Live", `stop_trigger`, `rule`;   | moved, filled (in part), ended,   |
|                  | "fill": `id`, `quantity`, `price`;        | replaced, tied to others, or told |
|                  | "advance": `id`, `status`; "cancel";      | with unknown values; each push    |
|                  | "reject": `reason`; "replace": `price`;   | that follows is sent at once;     |
|                  | "tie": `ids`, `kind` "OCO", `trigger`;    | `done` is the id                  |
|                  | "odd": `id`, `set`, `omit`                |                                   |
| `/position`      | `account`, `odd` (rows), `symbol` (the    | odd rows beside the positions; a  |
|                  | streamer's), `frozen` true                | position frozen, which is pushed  |
| `/spoil`         | `kind` (`control/bad_rows.py`), or `at`   | rows are made bad: of a path, or  |
|                  | (part of a path, or type of a push),      | of a push; fields laid over them, |
|                  | `set` {}, `omit` [], `add` (rows);        | left out, whole rows added; `{}`  |
|                  | `match` {} (all)                          | makes them good again             |
| `/transfer`      | `account`, `amount`; or `id`, `customer`  | money is pending, or has come     |
| `/quote_alert`   | `threshold`, `symbol` "SPY", `operator`   | an alert of the broker's; pushed  |
|                  | ">", `field` "Last", `customer`           | once when the market meets it     |
| `/trading_status`| `account`, `set` {}                       | what the account may do; pushed   |
| `/customer`      | `customer`, `set` {}, `revoke`            | facts (`has-delayed-quotes`); the |
|                  |                                           | grants of this one alone revoked  |
| `/account`       | `push_s` 1, `push_marks` false, `batch`   | pushes: prices too and how often, |
|                  | false, `bare_errors` false, `lose` 0      | `{"results": […]}`, the next ones |
|                  |                                           | lost; errors without request-id   |
| `/market`        | `open`, `mode` ("open", "closed", "auto", | state and pace of the market;     |
|                  | "pre-market", "extended"), `rate`,        | "auto" follows calendar and clock |
|                  | `flood` 0 (moves a second of every        |                                   |
|                  | symbol; 0 ends it)                        |                                   |
| `/clock`         | `at` null (the machine's), an instant as  | the one clock goes on from there; |
|                  | text with an offset or epoch seconds      | back or over 4 days: begins again |
| `/quote`         | `symbol`, `bid`, `ask` (null: "NaN"),     | a quote by hand; then frozen      |
|                  | `bid_size`, `ask_size` 100, `last` null   |                                   |
| `/freeze`        | `symbols`, `frozen` true                  | these symbols stop moving         |
| `/reset`         |                                           | all faults off, quotes by hand    |
|                  |                                           | too; rate, mode, clock, orders    |
|                  |                                           | and cash stay                     |

Reading: `GET {control}` (faults, market, connections, counters, of which `feed_clean_closes` and
`account_clean_closes` are the sockets that the client closed in order), `GET {control}/logins`
(customers with their first refresh token and accounts), `GET {control}/subscriptions` (held
upstream, by type), `GET {control}/sent?type=Quote&symbol=SPY&limit=100` (the last rows sent,
oldest first, each with `sent_ns`, the `time.monotonic_ns()` just before its frame was written).
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.simulator.broker.dxlink.rows import FIELDS, Row, Value
from gateway.simulator.broker.spoiling import Spoil

MOST_SUBSCRIPTIONS = 25_000
# Of the order interface; an unknown one gets 406.
VERSIONS = ("20250715", "20250813", "20251026", "20251101", "20260629", "20261012")
KEPT_FRAMES = 4_000


@dataclass(slots=True)
class Faults:
    """The switches. A count of None means until cleared."""

    is_muted: bool = False
    mute_keeps_keepalive: bool = False
    mute_types: tuple[str, ...] = ()
    stall_rest: bool = False
    stall_feed: bool = False
    stall_account: bool = False
    drop_every: int = 0
    refuse_quote_tokens: str = ""
    feed_address: str = ""
    oauth_status: int = 0
    oauth_count: int | None = None
    upgrade_status: int = 0
    upgrade_count: int | None = None
    upgrade_target: str = "all"
    rest_status: int = 0
    rest_count: int | None = None
    rest_path: str = "/"
    session_limit: int = 0
    subscription_limit: int = MOST_SUBSCRIPTIONS
    keepalive_s: float = 60.0
    heartbeat_s: float = 60.0
    push_s: float = 1.0
    push_marks: bool = False
    lost_pushes: int = 0
    batch_pushes: bool = False
    bare_errors: bool = False
    rest_kind: str = "status"
    rest_delay_s: float = 0.0
    retry_after_s: float | None = None
    has_rates: bool = False
    versions: tuple[str, ...] = VERSIONS
    needs_agent: bool = True
    quote_level: str = "api"
    has_full_format: bool = True
    withheld_types: tuple[str, ...] = ()
    sends_wrong_state: bool = False
    spoils: tuple[Spoil, ...] = ()
    adds_seen: int = field(default=0, compare=False)

    def drops_add(self) -> bool:
        """Count a subscription and return whether it is one of those to be lost."""
        self.adds_seen += 1
        return self.drop_every > 0 and self.adds_seen % self.drop_every == 0

    def take_push(self) -> bool:
        """Return whether this push is to be lost; counts it."""
        self.lost_pushes, lost = max(self.lost_pushes - 1, 0), self.lost_pushes > 0
        return lost

    def take_oauth(self) -> int:
        """Return the status with which OAuth fails this time, or 0."""
        self.oauth_count, spent = _spend(self.oauth_status, self.oauth_count)
        return self.oauth_status if spent else 0

    def take_upgrade(self, target: str) -> int:
        """Return the status that answers this websocket upgrade, or 0."""
        if self.upgrade_target not in ("all", target):
            return 0
        self.upgrade_count, spent = _spend(self.upgrade_status, self.upgrade_count)
        return self.upgrade_status if spent else 0

    def take_rest(self, path: str) -> int:
        """Return the status with which this REST call fails, or 0; 200 for a bad body."""
        if not path.startswith(self.rest_path):
            return 0
        self.rest_count, spent = _spend(self.rest_status, self.rest_count)
        return self.rest_status if spent else 0


def _spend(status: int, count: int | None) -> tuple[int | None, bool]:
    if not status or count == 0:
        return count, False
    return (None if count is None else count - 1), True


class Sent(NamedTuple):
    """The rows of one frame and when it was written."""

    at_ns: int
    event_type: str
    rows: tuple[Row, ...]


class Journal:
    """Counters since the start, and the last frames sent: bounded, newest last, lost on restart."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.unauthorized: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self._sent: deque[Sent] = deque(maxlen=KEPT_FRAMES)

    def note(self, at_ns: int, event_type: str, rows: tuple[Row, ...]) -> None:
        """Remember a frame of rows."""
        self._sent.append(Sent(at_ns, event_type, rows))
        self.counts["rows_sent"] += len(rows)

    def list_sent(
        self, event_type: str | None, symbol: str | None, limit: int
    ) -> list[dict[str, Value]]:
        """Return the last rows sent, oldest first, as objects with `sent_ns`."""
        found: list[dict[str, Value]] = []
        for sent in reversed(self._sent):
            if event_type not in (None, sent.event_type):
                continue
            names = FIELDS[sent.event_type]
            for row in reversed(sent.rows):
                if symbol in (None, row[0]):
                    named: dict[str, Value] = dict(zip(names, row, strict=True))
                    stamp: dict[str, Value] = {"sent_ns": sent.at_ns, "eventType": sent.event_type}
                    found.append(stamp | named)
                    if len(found) >= limit:
                        return found[::-1]
        return found[::-1]
