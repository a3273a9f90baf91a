"""What the page's benchmark compares: one view for all its viewers, or one for each."""

from bench.page import VIEWERS, list_paths


def test_different_views_are_different_and_equal_ones_equal() -> None:
    assert len(set(list_paths("desk", True))) == 1
    assert len(set(list_paths("desk", False))) == VIEWERS
