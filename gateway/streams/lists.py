"""Lists of instruments as people paste them, from sheets, mail and other platforms; pure.

A list is cut at commas, semicolons and line ends, and at blanks where no instrument goes across
them: `SPY   261218C00600000` and `BRK B` are one each.
"""

import re
from collections.abc import Iterator

from gateway.streams.products import INDICES
from gateway.streams.spelling import find_words, respell

_BLANKS = "\t\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_LINE_ENDS = "\r\x0b\x0c\x85\u2028\u2029"
_INVISIBLE = [
    *(0xAD, 0x180E, 0xFEFF),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
]
_PLAIN = {
    **dict.fromkeys(_INVISIBLE),
    **dict.fromkeys(map(ord, _BLANKS), " "),
    **dict.fromkeys(map(ord, _LINE_ENDS), "\n"),
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63], "-"),
    **dict.fromkeys(map(ord, "“”„‟«»″〝〞"), '"'),
    **dict.fromkeys(map(ord, "‘’‚‛‹›′`´"), "'"),
    **dict.fromkeys(map(ord, "•●▪◦‣∙、"), ","),
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}
"""What people see as a blank, a dash, a quotation mark, or not at all."""

_QUOTES = re.compile(r"""(?<![^\s,;\[(])["']+|["']+(?![^\s,;\])])""")
"""At the ends of a word only: within one they are no form that we know."""

_BULLET = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+", re.MULTILINE)
_SECTION = re.compile(r"^\s*###[^,;\n]*", re.MULTILINE)
"""The head of a part of a list, as TradingView exports it: no instrument."""
_COMMA_IN_DATE = re.compile(r"\b([A-Za-z]{3,9} \d{1,2}), ?('?(?:20)?\d\d\b)")
_BARCHART = re.compile(r"\b([A-Z]{1,6}\d?)\|(20\d{6})\|([\d.]+)([CP])\b", re.IGNORECASE)
_PART = re.compile(r"(?:[^,;|\n{]+|\{[^}]*\}?)+")
"""What stands between two commas; linear, because a request line has room for 60,000 commas."""

_BRACKETS = {"[": "]", "(": ")"}

NOT_ONE = (
    "it is no instrument as it is written; write it like SPY, .SPY261218C600, /ESZ26:XCME or "
    "BTC/USD:CXTALP"
)


def split_names(text: str) -> Iterator[str]:
    """Yield the names in a list, in capitals outside braces and with single blanks.

    Raises:
        ValueError: when something in it is no instrument; the message names it and is for people.
    """
    for part in _PART.findall(_clean(text)):
        head, brace, tail = part.partition("{")
        words = " ".join(head.upper().split()) if head.isascii() else head.strip()
        if " " not in words or brace:
            if name := f"{words}{brace}{tail.rstrip()}":
                yield name
        else:
            yield from _split_words(words)


def _clean(text: str) -> str:
    text = text.translate(_PLAIN).strip()
    if text and text[-1] == _BRACKETS.get(text[0]):
        text = text[1:-1]
    text = _QUOTES.sub(" ", _SECTION.sub("", text))
    text = _BARCHART.sub(r"\1\2\4\3", _COMMA_IN_DATE.sub(r"\1 \2", text))
    return _BULLET.sub("", text)


def _split_words(words: str) -> Iterator[str]:
    begin = 0
    while begin < len(words):
        end = find_words(words, begin)
        if end < 0:
            end = words.find(" ", begin)
            end = len(words) if end < 0 else end
            if not _stands_alone(words[begin:end]):
                raise ValueError(f"{words[:40]}: {NOT_ONE}")
        yield words[begin:end]
        begin = end + 1


def _stands_alone(word: str) -> bool:
    """Whether a word among others is surely no part of an instrument, as a strike or a date is."""
    if not word.isascii() or not any(map(str.isdigit, word)) or word in INDICES:
        return True
    try:
        return word[0] in "./" or ":" in word or respell(word) != word
    except ValueError:
        return True  # it is an instrument, and the sentence says what is missing
