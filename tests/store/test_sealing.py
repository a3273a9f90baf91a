"""Sealed secrets: opened by any key, sealed by the newest, and by nobody in another's row."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.keys import make_key
from gateway.store.sealing import Keyring

OLD, NEW, OTHER = make_key(), make_key(), make_key()
WORDS = st.text(max_size=30)


@settings(max_examples=40)
@given(WORDS, WORDS, WORDS)
def test_what_was_sealed_is_opened_where_it_belongs(owner: str, purpose: str, secret: str) -> None:
    ring = Keyring([NEW])
    sealed = ring.seal(owner, purpose, secret)
    assert sealed.isascii()
    assert ring.unseal(owner, purpose, sealed) == secret
    assert ring.seal(owner, purpose, secret) != sealed, "equal secrets do not look equal"


@settings(max_examples=40)
@given(st.tuples(WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_a_row_that_was_moved_stays_closed(one: tuple[str, str], other: tuple[str, str]) -> None:
    ring = Keyring([NEW])
    sealed = ring.seal(*one, "word")
    assert ring.unseal(*other, sealed) == ("word" if one == other else None)


@given(st.text(max_size=60))
def test_what_nobody_sealed_opens_to_nothing(text: str) -> None:
    ring = Keyring([NEW, OLD])
    assert ring.unseal("ann", "login", text) is None
    assert ring.reseal(text) is None
    assert not ring.is_newest(text)


@given(st.integers(0, 200), st.integers(1, 255))
def test_one_changed_byte_closes_it(place: int, change: int) -> None:
    ring = Keyring([NEW])
    raw = bytearray(urlsafe_b64decode(ring.seal("ann", "login", "word")))
    raw[place % len(raw)] ^= change
    assert ring.unseal("ann", "login", urlsafe_b64encode(raw).decode()) is None


def test_keys_change_and_old_secrets_follow() -> None:
    old, both, new = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    sealed = old.seal("ann", "login", "word")
    assert both.unseal("ann", "login", sealed) == "word"
    assert not both.is_newest(sealed)
    assert new.unseal("ann", "login", sealed) is None
    again = both.reseal(sealed)
    assert again is not None
    assert both.is_newest(again)
    assert new.unseal("ann", "login", again) == "word"
    assert old.unseal("ann", "login", again) is None
    assert Keyring([OTHER]).reseal(sealed) is None
