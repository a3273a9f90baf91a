"""Reports between processes of different versions."""

from typing import Any

import msgspec
import pytest

from gateway.streams.reports import AccountsReport, SessionReport, UpstreamReport, read_report

REPORT = UpstreamReport(
    session=SessionReport(token_expires_in_s=None, refreshes=1),
    accounts=AccountsReport(connects=1, polls=2, pushes=3, readings=0, holes=0),
)
DOCUMENT: dict[str, Any] = msgspec.to_builtins(REPORT)


def test_a_report_is_read_as_it_was_written() -> None:
    assert DOCUMENT.keys() == {"session", "accounts"}, "what nobody reports is not there"
    assert read_report(DOCUMENT) == REPORT
    assert read_report({}) == UpstreamReport()


@pytest.mark.parametrize("other", [None, 7, "fine", [], {"connects": 1}, {"refreshes": "many"}])
def test_a_part_of_another_version_is_left_out_and_no_other(other: object) -> None:
    found = read_report({**DOCUMENT, "session": other, "yet unknown": {"a": 1}})
    assert found == msgspec.structs.replace(REPORT, session=msgspec.UNSET)


def test_what_a_newer_version_adds_to_a_part_does_no_harm() -> None:
    newer = {**DOCUMENT, "accounts": {**DOCUMENT["accounts"], "errors": 9}}
    assert read_report(newer) == REPORT
