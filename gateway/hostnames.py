"""Host names as a Host header and GATEWAY_ALLOWED_HOSTS write them; pure."""

import re
from urllib.parse import urlsplit

from gateway.addresses import parse_address

WILDCARD_HOSTS = frozenset({"0.0.0.0", "::", ""})
"""What HOST is when the gateway listens on every address of the machine."""

_LABELS = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z")


def normalize_host(name: str) -> str:
    """Return a host name or address in its one spelling: lower case, no dot at the end."""
    name = name.strip().lower()
    try:
        return str(parse_address(name))
    except ValueError:
        return name.removesuffix(".")


def split_host(text: str) -> tuple[str, int | None]:
    """Return name and port of a Host header; an empty name when it is malformed."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.netloc != text or parts.username is not None or not parts.hostname:
            return "", None
        return normalize_host(parts.hostname), parts.port
    except ValueError:
        return "", None


def check_allowed_host(text: str) -> str:
    """Return an entry of GATEWAY_ALLOWED_HOSTS in its one spelling.

    Raises:
        ValueError: with a sentence for people, when no Host header could ever match it.
    """
    name = text.strip()
    if "://" in name or "/" in name:
        raise ValueError("must be host names such as gw.example.com, without https:// and path")
    if "*" in name or name.startswith("."):
        raise ValueError("must be whole host names: wildcards are not supported")
    try:
        return str(parse_address(name))
    except ValueError:
        pass
    if ":" in name:
        raise ValueError("must be host names without a port: every port is accepted")
    try:
        host = name.removesuffix(".").encode("idna").decode().lower()
    except UnicodeError:
        host = ""
    if not _LABELS.match(host):
        raise ValueError("must be host names such as gw.example.com, separated by commas")
    return host
