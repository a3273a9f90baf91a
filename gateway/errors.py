"""The error tree, and which errors are worth another try; pure."""


class GatewayError(Exception):
    """The root of everything that the gateway raises on purpose."""


class ConfigurationError(GatewayError):
    """A setting is missing or wrong; the message names it and never shows its value."""


class UpstreamError(GatewayError):
    """Tastytrade answered wrongly, or not at all; worth another try."""


class Unauthorized(UpstreamError):
    """An access or quote token was refused; a new one may help."""


class GrantRevoked(UpstreamError):
    """The refresh token or the client secret was refused; only a person can mend it."""


class QuoteTokenRefused(Unauthorized):
    """The market data feed refused its quote token; each connection asks for a new one."""


class Refused(UpstreamError):
    """Tastytrade refused a request for a reason that time alone rarely mends; ask again rarely."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, where there was one."""


class AccountRefused(UpstreamError):
    """The account stream refused an account that it was asked to follow."""


class RateLimited(UpstreamError):
    """Tastytrade asked for a pause."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """How long a pause, where it was said."""


class SessionLimit(UpstreamError):
    """Too many sessions or subscriptions for this user; trying at once makes it worse."""


class FeedSilent(UpstreamError):
    """The socket is open and nothing comes out of it."""


class PartSilent(FeedSilent):
    """Nothing comes of a part of what is followed, while the rest moves."""


class ChannelUnavailable(UpstreamError):
    """The market data feed does not open the channel of an event type."""


class BackplaneError(GatewayError):
    """What joins the processes cannot be reached or refuses; worth another try."""


class LeaseLost(BackplaneError):
    """This process may publish no more: its lease ran out, or what it continued is gone."""


class StoreUnavailable(GatewayError):
    """What people keep can be neither read nor kept at the moment; the message is a clause."""


def is_retryable(error: BaseException) -> bool:
    """False when trying again without a person's help is pointless."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_retryable(each) for each in error.exceptions)
    return not isinstance(error, GrantRevoked | ConfigurationError)
