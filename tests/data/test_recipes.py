"""Recipes as the documentation tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reenact.methods.registry import collect_recipes

DATA_PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.mark.parametrize("name", collect_recipes())
def test_a_recipe_is_documented_as_it_is(name):
    recipe = collect_recipes()[name]
    rate = "the video's" if recipe.fps is None else recipe.fps
    assert f"\n| `{name}` | `{recipe.crop}` | {recipe.size} | {rate} | " in DATA_PAGE.read_text(encoding="utf-8")
