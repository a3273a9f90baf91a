import pytest

from gateway.simulator.broker.tokens import GrantRefused, Tokens


def make_tokens() -> tuple[Tokens, str]:
    tokens = Tokens("s")
    return tokens, tokens.add_grant("sam")


def make_form(refresh: str, **fields: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_secret": "s", "refresh_token": refresh} | fields


def make_code(tokens: Tokens, now: float = 0, scope: str = "read") -> dict[str, str]:
    code = tokens.make_code(
        now, customer="pat", client_id="c", redirect_uri="http://127.0.0.1/x", scope=scope
    )
    return {
        "grant_type": "authorization_code",
        "client_secret": "s",
        "code": code,
        "client_id": "c",
        "redirect_uri": "http://127.0.0.1/x",
    }


def test_tokens_are_distinct_and_end() -> None:
    tokens, refresh = make_tokens()
    tokens.honoured_s = 20
    one, two = (tokens.grant(make_form(refresh), now=100).access for _ in range(2))
    assert one != two
    assert tokens.is_access(f"Bearer {one}", 119)
    assert tokens.is_access(two, 119)
    assert not tokens.is_access(one, 120)
    assert not tokens.is_access(None, 100)
    tokens.grant(make_form(refresh), now=200)
    assert tokens.expire_access() == 1


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"client_secret": "x"}, "invalid_grant", "Client secret mismatch"),
        ({"client_secret": "ß"}, "invalid_grant", "Client secret mismatch"),
        ({"refresh_token": "x"}, "invalid_grant", "Invalid JWT"),
        ({"grant_type": "password"}, "unsupported_grant_type", "Unsupported grant type"),
        ({"grant_type": "authorization_code"}, "invalid_grant", "Invalid code"),
    ],
)
def test_a_wrong_grant_is_refused(fields: dict[str, str], code: str, text: str) -> None:
    tokens, refresh = make_tokens()
    with pytest.raises(GrantRefused) as caught:
        tokens.grant(make_form(refresh, **fields), now=0)
    assert (caught.value.code, caught.value.text) == (code, text)


def test_a_revoked_grant_is_refused_until_cleared() -> None:
    tokens, refresh = make_tokens()
    tokens.is_revoked, tokens.told_s = True, 1
    with pytest.raises(GrantRefused, match="Grant revoked"):
        tokens.grant(make_form(refresh), now=0)
    tokens.clear_faults()
    assert tokens.grant(make_form(refresh), now=0).access
    assert tokens.told_s == 900


def test_one_customer_is_revoked_alone() -> None:
    tokens, refresh = make_tokens()
    other = tokens.add_grant("pat")
    tokens.revoked.add("pat")
    with pytest.raises(GrantRefused, match="Grant revoked"):
        tokens.grant(make_form(other), now=0)
    assert tokens.grant(make_form(refresh), now=0).customer == "sam"


def test_a_rotated_refresh_token_ends_the_old_one() -> None:
    tokens, refresh = make_tokens()
    tokens.rotates = True
    issued = tokens.grant(make_form(refresh), now=0)
    assert issued.refresh
    with pytest.raises(GrantRefused, match="Invalid JWT"):
        tokens.grant(make_form(refresh), now=0)
    tokens.clear_faults()
    again = tokens.grant(make_form(issued.refresh), now=0)
    assert (again.customer, again.refresh) == ("sam", "")


def test_a_code_is_good_once_and_for_its_client_and_address() -> None:
    tokens, _ = make_tokens()
    form = make_code(tokens)
    issued = tokens.grant(form, now=1)
    assert (issued.customer, set(issued.scopes)) == ("pat", {"read"})
    assert tokens.grant(make_form(issued.refresh), now=1).scopes == {"read"}
    with pytest.raises(GrantRefused):
        tokens.grant(form, now=1)
    for change in ({"client_id": "d"}, {"redirect_uri": "http://127.0.0.1/"}):
        with pytest.raises(GrantRefused, match="mismatch"):
            tokens.grant(make_code(tokens) | change, now=1)
    with pytest.raises(GrantRefused, match="Invalid code"):
        tokens.grant(make_code(tokens), now=60)


def test_which_address_a_browser_may_be_sent_back_to() -> None:
    tokens, _ = make_tokens()
    assert tokens.is_client("simulated-client", "http://127.0.0.1:9/back")
    assert not tokens.is_client("simulated-client", "https://example.com/back")
    assert not tokens.is_client("other", "http://127.0.0.1:9/back")
    tokens.redirect_uris = ("https://example.com/back",)
    assert tokens.is_client("simulated-client", "https://example.com/back")
    assert not tokens.is_client("simulated-client", "https://example.com/back/")


def test_quote_tokens() -> None:
    tokens, _ = make_tokens()
    tokens.quote_life_s = 10
    token = tokens.make_quote_token(0)
    assert tokens.is_quote(token, 9)
    assert not tokens.is_quote(token, 10)
    assert not tokens.is_quote("", 0)
    assert tokens.expire_quote() == 1
