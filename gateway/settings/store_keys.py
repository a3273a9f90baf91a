"""The keys that seal what is kept, as they are written; pure."""

import re


def split_keys(text: str) -> tuple[str, ...]:
    """Return the keys in a text, with commas between them, newest first.

    Raises:
        ValueError: when there is none, or one is no key.
    """
    keys = tuple(each.strip() for each in text.split(","))
    # 32 bytes as URL-safe Base64, as Fernet wants them.
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", each) for each in keys):
        raise ValueError(
            "must be keys of 44 characters, separated by commas; `gateway db new-key` makes one"
        )
    return keys
