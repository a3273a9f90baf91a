"""Host names as a Host header and GATEWAY_ALLOWED_HOSTS write them; pure."""

import re
from urllib.parse import urlsplit

from gateway.addresses import parse_address

WILDCARD_HOSTS = frozenset({"0.0.0.0", "::", ""})
"""What HOST is when the gateway listens on every address of the machine."""


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


def parse_host(text: str) -> str:
    """Return the name or address in a host as people write it: a scheme and a port are left out.

    Raises:
        ValueError: when no request can ever have it.
    """
    if "*" in text or text.startswith("."):
        raise ValueError("has a wildcard; write each name in full, separated by commas")
    name = text.strip()
    name = name.partition("://")[2] if "://" in name else name
    try:
        return str(parse_address(name)).lower()
    except ValueError:
        pass
    try:
        host = (urlsplit(f"//{name}").hostname or "").rstrip(".")
        host = host.encode("idna").decode().lower() if not host.isascii() else host
        return str(parse_address(host)) if ":" in host else _check_host(host)
    except (ValueError, UnicodeError):
        raise ValueError("must be host names such as gw.example.com, separated by commas") from None


def _check_host(host: str) -> str:
    if not re.fullmatch(
        r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", host
    ):
        raise ValueError("is no host")
    return host
