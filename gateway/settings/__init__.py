"""The settings: what can be set, where it comes from, and the section each part is given.

The README lists each variable with its meaning.
"""

from gateway.settings.loading import describe_suspicions, load_settings
from gateway.settings.model import Settings, variables
from gateway.settings.sections import (
    AccessSettings,
    BrokerSettings,
    FeedSettings,
    ServerSettings,
    SiteSettings,
    StoreSettings,
    StreamSettings,
)

__all__ = [
    "AccessSettings",
    "BrokerSettings",
    "FeedSettings",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "StoreSettings",
    "StreamSettings",
    "describe_suspicions",
    "load_settings",
    "variables",
]
