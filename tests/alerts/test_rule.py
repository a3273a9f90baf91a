"""Rules: what can be asked for, and how a mistake is named."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.alerts.rule import FIELDS, RuleError, parse_rule
from gateway.streams import account_records, records

WHEN = {"key": "quote_update:SPY", "field": "last", "op": "crosses_above", "value": 610}


def parse(when: dict[str, Any] | None = None, **more: Any) -> Any:
    return parse_rule(json.dumps({"when": {**WHEN, **(when or {})}, **more}))


def test_a_rule_is_read() -> None:
    rule = parse(
        {"key": "quote_update:/ESZ26:XCME", "op": "below", "value": "6100.25"},
        for_s=30,
        rearm="daily",
        channels=["page", "webhook:desk"],
        note="Look at it",
        expires_at="2026-12-18T21:00:00Z",
    )
    assert (rule.when.kind, rule.when.subject) == ("quote_update", "/ESZ26:XCME")
    assert rule.when.value == Decimal("6100.25")
    assert rule.expires_at == datetime(2026, 12, 18, 21, tzinfo=UTC)
    assert (rule.is_over(1_797_627_599_999), rule.is_over(1_797_627_600_000)) == (False, True)


def test_what_is_left_out_has_defaults() -> None:
    rule = parse()
    assert (rule.for_s, rule.rearm, rule.channels, rule.note) == (0, "once", ("page",), "")
    assert not rule.is_over(10**15)


@pytest.mark.parametrize(
    ("value", "band", "op", "point"),
    [
        (610, None, "above", "609.39"),
        (610, None, "crosses_below", "610.61"),
        (1, None, "above", "0.98"),
        (-1000, None, "above", "-1001"),
        (0, None, "below", "0.02"),
        (610, 0, "above", "610"),
        (610, 5, "below", "615"),
    ],
)
def test_the_band(value: int, band: int | None, op: str, point: str) -> None:
    assert parse({"value": value, "op": op}, band=band).return_point == Decimal(point)


@pytest.mark.parametrize(
    ("when", "more", "parameter"),
    [
        ({"key": "SPY"}, {}, "when.key"),
        ({"key": "quote_update:"}, {}, "when.key"),
        ({"key": "order_update:1"}, {}, "when.key"),
        ({"field": "price"}, {}, "when.field"),
        ({"op": "equals"}, {}, "when.op"),
        ({"value": "NaN"}, {}, "when.value"),
        ({"value": None}, {}, "when.value"),
        ({"more": 1}, {}, "when"),
        ({}, {"for_s": 5}, "for_s"),
        ({"op": "above"}, {"for_s": -1}, "for_s"),
        ({"op": "above"}, {"for_s": 86_401}, "for_s"),
        ({}, {"rearm": "always"}, "rearm"),
        ({}, {"channels": []}, "channels"),
        ({}, {"channels": [""]}, "channels"),
        ({}, {"note": "x" * 501}, "note"),
        ({}, {"band": -1}, "band"),
        ({}, {"expires_at": "2026-12-18T21:00:00"}, "expires_at"),
        ({}, {"more": 1}, "rule"),
    ],
)
def test_what_is_wrong_is_named(when: dict[str, Any], more: dict[str, Any], parameter: str) -> None:
    with pytest.raises(RuleError) as raised:
        parse(when, **more)
    assert raised.value.parameter == parameter


@pytest.mark.parametrize("content", [b"", b"[", b"\xff", "null"])
def test_what_is_no_document_is_refused(content: bytes | str) -> None:
    with pytest.raises(RuleError):
        parse_rule(content)


def test_every_field_is_one_of_its_record() -> None:
    known = {
        str(each.__struct_config__.tag): set(each.__struct_fields__)
        for module in (records, account_records)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    }
    for kind, fields in FIELDS.items():
        assert fields <= known[kind], kind
