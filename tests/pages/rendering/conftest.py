"""A hub with live pages for each test."""

import pytest

from tests.pages.rendering.world import World, make_world


@pytest.fixture
def world() -> World:
    return make_world()
