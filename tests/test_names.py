from __future__ import annotations

import pytest

from reenact.errors import ReenactError
from reenact.names import MAX_LENGTH, check_name


@pytest.mark.parametrize("name", ["a", "id10001", "M.2-ZDRFCcwxA_0", "0", "_x", "-y", "a..b", "x" * MAX_LENGTH])
def test_names_pass_unchanged(name):
    assert check_name(name, "a clip's name") == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "../x",
        "/abs",
        "a\\b",
        "C:x",
        "a b",
        "a\n",
        "\0",
        "ä",
        None,
        3,
        ["a"],
        "x" * 201,
    ],
)
def test_other_texts_are_refused_with_their_place(text):
    with pytest.raises(ReenactError, match=r"^rows of table\.yaml is .* not a name: use letters"):
        check_name(text, "rows of table.yaml")
