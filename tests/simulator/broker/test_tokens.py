import pytest

from gateway.simulator.broker.tokens import GrantRefused, Tokens


def make_form(**fields: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_secret": "s", "refresh_token": "r"} | fields


def test_tokens_are_distinct_and_end() -> None:
    tokens = Tokens("s", "r", honoured_s=20)
    one, two = (tokens.grant(make_form(), now=100) for _ in range(2))
    assert one != two
    assert tokens.is_access(f"Bearer {one}", 119)
    assert tokens.is_access(two, 119)
    assert not tokens.is_access(one, 120)
    assert not tokens.is_access(None, 100)
    tokens.grant(make_form(), now=200)
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
    with pytest.raises(GrantRefused) as caught:
        Tokens("s", "r").grant(make_form(**fields), now=0)
    assert (caught.value.code, caught.value.text) == (code, text)


def test_a_revoked_grant_is_refused_until_cleared() -> None:
    tokens = Tokens("s", "r", is_revoked=True, told_s=1)
    with pytest.raises(GrantRefused, match="Grant revoked"):
        tokens.grant(make_form(), now=0)
    tokens.clear_faults()
    assert tokens.grant(make_form(), now=0)
    assert tokens.told_s == 900


def test_a_code_is_good_once() -> None:
    tokens = Tokens("s", "r")
    form = make_form(grant_type="authorization_code", code=tokens.make_code(0))
    assert tokens.grant(form, now=1)
    with pytest.raises(GrantRefused):
        tokens.grant(form, now=1)


def test_quote_tokens() -> None:
    tokens = Tokens("s", "r", quote_life_s=10)
    token = tokens.make_quote_token(0)
    assert tokens.is_quote(token, 9)
    assert not tokens.is_quote(token, 10)
    assert not tokens.is_quote("", 0)
    assert tokens.expire_quote() == 1
