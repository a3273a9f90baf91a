"""Each part of the gateway is given its section of the settings, and no more."""

from dataclasses import fields

import pytest

from gateway.settings import load_settings

SECTIONS = ["feed", "streams", "access", "site", "server"]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_the_values_of_the_settings(section: str) -> None:
    settings = load_settings(stale_s=7, max_streams=5, login_idle_s=99, host="::1", port=1)
    part = getattr(settings, section)
    names = [each.name for each in fields(part)]
    assert names
    assert {name: getattr(part, name) for name in names} == {
        name: getattr(settings, name) for name in names
    }


def test_the_broker_gets_its_secrets_and_nobody_else() -> None:
    settings = load_settings(tt_secret="s" * 9, tt_refresh="r" * 9, tt_accounts="5WX00001")
    broker = settings.broker
    assert (broker.secret, broker.refresh) == (settings.tt_secret, settings.tt_refresh)
    assert broker.accounts == ("5WX00001",)
    for section in SECTIONS:
        assert "refresh" not in {each.name for each in fields(getattr(settings, section))}
