"""One login, one process: a second one is found out, and one that has ended is not."""

from gateway.streams.upstream.login_lock import hold_login
from tests.web.running import make_settings


def test_a_second_process_is_found_out() -> None:
    settings = make_settings(tt_refresh="a-refresh-token-of-this-test")
    other = make_settings(tt_refresh="another-refresh-token")
    with hold_login(settings.broker) as is_alone:
        assert is_alone
        with hold_login(settings.broker) as is_alone_too:
            assert not is_alone_too
        with hold_login(other.broker) as is_alone_as_well:
            assert is_alone_as_well
    with hold_login(settings.broker) as is_alone:
        assert is_alone


def test_without_a_login_there_is_nothing_to_share() -> None:
    settings = make_settings(tt_refresh=None)
    with hold_login(settings.broker) as one, hold_login(settings.broker) as other:
        assert (one, other) == (True, True)
