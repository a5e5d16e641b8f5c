"""Tables of methods and the site's navigation say what the methods say of themselves."""

from __future__ import annotations

import pytest
from method_tables import FILES, REPOSITORY, list_titled_methods, rewrite_file


@pytest.mark.parametrize("name", FILES)
def test_generated_parts_are_those_of_the_registry(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    assert text == rewrite_file(name), "write it anew with: python tests/method_tables.py"


def test_every_page_of_a_method_exists_and_every_method_with_a_network_has_one():
    for methods in list_titled_methods():
        assert methods[0].page or not any(method.class_path for method in methods), methods[0].name
        if methods[0].page:
            assert (REPOSITORY / "docs" / "methods" / methods[0].page).is_file()
