"""The faults that must not hurt, worst for a trader first: what `make faults` tries and tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what happens, and what must hold while it does."""

    number: int
    fault: str
    must_hold: str


_ROWS = (
    (
        "the upstream socket is open but silent",
        (
            "no price shown as live beyond 5 s of age; `stale` within 5 s; reconnecting within "
            "35 s without a frame, 10 s without a quote; no false alarm while the market is closed"
        ),
    ),
    (
        "a viewer asks for another's account",
        (
            "no frame without a grant, live, snapshot or resumed; a revoked grant ends the stream "
            "within 1 s"
        ),
    ),
    (
        "secrets leak",
        "no canary in logs at DEBUG, bodies, streams, metrics, Valkey or command lines",
    ),
    (
        "an old price overtakes a new one",
        "ids rise strictly; the last value of each key is the last published; nothing twice",
    ),
    (
        "two leaders: a paused one wakes up",
        (
            "nothing accepted from the old epoch; no value goes backwards; the old leader leaves "
            "upstream within 1 s of waking"
        ),
    ),
    (
        "a channel closed by upstream, or subscriptions silently lost",
        "what is held upstream is what is wanted within 5 s; 500 symbols within 2 s",
    ),
    (
        "the upstream socket is cut again and again",
        "every reconnect succeeds; right within 2 s of it; no id twice; leak-free",
    ),
    (
        "a client sleeps, then wakes",
        (
            "nothing older than 5 s painted as live; current within 1 s of waking; at most 256 KiB "
            "buffered for it"
        ),
    ),
    (
        "bad data: NaN, Infinity, null, crossed, negative, truncated, wrong arity, empty",
        "never a wrong number, never 0 for a missing one; the feed survives; a counter rises",
    ),
    (
        "a forged or stale Last-Event-ID",
        "a full snapshot or an exact resume; never a partial answer, never 5xx",
    ),
    (
        "balances change during a gap",
        "read again over REST within 5 s of every reconnect of the account stream",
    ),
    (
        "Valkey fails over and loses its tail, or restarts empty",
        "ids never reused; last values served, marked stale; everybody current within 5 s",
    ),
    (
        "the leader is killed",
        "taken over within 13 s; viewers told `stale` within 5 s; nobody has to act",
    ),
    (
        "upstream is down for 30 minutes",
        (
            "full jitter, at most 60 s apart, bounded attempts; back within 62 s; `/healthz` "
            "stays 200; pages served with the last values, marked"
        ),
    ),
    (
        "the refresh token is revoked",
        (
            "no more than 3 attempts, then at most one in 5 minutes; `sign in again` on the "
            "page within 5 s; after any other failure it keeps trying"
        ),
    ),
    (
        "the access token expires under load",
        "one refresh for 100 waiting tasks; no call fails; the loop holds over more than 2 lives",
    ),
    (
        "quote token expired, session cap, 502 on upgrade, ERROR, 1012, AUTH refused in silence",
        "a new token at each entry; backoff kept until data flows; never a loop of AUTH",
    ),
    ("the clock steps by an hour", "no false stale, no lost lease, nobody signed out"),
    (
        "a poison event, or a bug in one stage",
        (
            "that stage restarts within 1 s, all else stays; 5 restarts in 60 s end the process "
            "with the reason"
        ),
    ),
    (
        "one slow viewer among 100",
        (
            "the others' p99 within 10 ms; the slow one gets the newest only and is evicted when "
            "its window stays shut"
        ),
    ),
    (
        "SIGTERM with 300 streams, one of them stalled",
        (
            "all get `bye` with a spread `retry_ms`; exit within 6 s, status 0; upstream closed "
            "cleanly"
        ),
    ),
    (
        "the gateway is killed",
        "ready within 5 s of the restart; no lock file; logins survive; streams back within 5 s",
    ),
    ("a reconnect storm", "500 clients hold a snapshot within 10 s, no 5xx"),
    (
        "passwords or tokens are guessed",
        (
            "429 from the 6th try in 5 minutes; a forged X-Forwarded-For changes nothing; others "
            "unaffected"
        ),
    ),
    (
        "DNS rebinding, cross-site POST or EventSource",
        "every route refuses a foreign Host; no state changes; no CORS header",
    ),
    ("a route without a rule", "the start fails; every route is public by name or answers 401"),
    (
        "script or frames injected through symbols or names",
        "never unescaped in HTML; no second field in a frame; a strict CSP",
    ),
    (
        "a login expires in mid-stream",
        "the stream closed within 1 s; a replayed cookie gets 401; the id changes at login",
    ),
    (
        "a flood of connections or symbols; huge or slow requests",
        (
            "limits answer at once; existing streams' p99 within 20 ms; upstream never sees more "
            "than its cap"
        ),
    ),
    ("the event loop is blocked", "no blocking call; lag below 50 ms in the soak"),
    ("bad configuration", "exit within 1 s, one line that names the variable, never its value"),
    (
        "a long run with viewers coming and going and faults 1, 7 and 20 mixed",
        "RSS rises by less than 1 MiB an hour; what rows 1 to 4 say holds throughout",
    ),
)

FAULTS = (
    *(Fault(number, *row) for number, row in enumerate(_ROWS, 1)),
    Fault(
        49,
        "one market halts, or its calendar is wrong",
        "that market stale; one reconnect as a try, then the others undisturbed",
    ),
    Fault(
        50,
        "half day, holiday, DST week, index options from 16:00 to 16:15, futures' Sunday open",
        "no false stale, no missed silence, sparkline and chart of the right session",
    ),
    Fault(
        51,
        "a feed that flaps: up for three seconds, down for three, for five minutes",
        "no storm of attempts; right within 2 s of the last return; leak-free",
    ),
    Fault(
        52,
        "a panel of one's own that blocks, raises, loops or returns a megabyte",
        "the others' p99 within 20 ms; the panel is named on its page and stopped",
    ),
    Fault(
        53,
        "100,000 distinct subscriptions, pages, parameters and cookies",
        "memory bounded, the oldest forgotten, nothing slows",
    ),
    Fault(
        54,
        "any browser: Firefox, Chromium; a translated page, a sleeping tab, a phone's network",
        "the same page rules: every window live, nothing old painted as live, names untranslated",
    ),
    Fault(
        55,
        "another release of the gateway on the same Valkey or database",
        "told in one line what to do, and not joined while it publishes, or it works; never half",
    ),
    Fault(
        56,
        "middleware, a proxy or a server of somebody else around it",
        "every stream ends with `bye` at SIGTERM, in time; what does not start it says so",
    ),
)
