"""Keys as people write them."""

import pytest

from gateway.settings.store_keys import split_keys

FIRST, SECOND = f"{'k' * 43}=", f"{'-_' * 21}l="


def test_keys_are_split() -> None:
    assert split_keys(FIRST) == (FIRST,)
    assert split_keys(f"{FIRST}, {SECOND}") == (FIRST, SECOND)


@pytest.mark.parametrize("text", ["", ",", f"{FIRST},", FIRST[:-1], f"{FIRST}{SECOND}", "k" * 44])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be keys of 44 characters"):
        split_keys(text)
