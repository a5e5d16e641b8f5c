"""Tables of methods in README and docs, and the pages of methods in the site's navigation, made from the registry.

python tests/method_tables.py    # writes them
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from reenact.methods import Method
from reenact.methods.registry import scan_methods

REPOSITORY = Path(__file__).resolve().parents[1]


def list_titled_methods() -> list[list[Method]]:
    """Return the package's own methods that tables show, those of one title together."""
    rows: dict[str, list[Method]] = {}
    for method in scan_methods().methods.values():
        if method.title and method.configs is None:
            rows.setdefault(method.title, []).append(method)
    return list(rows.values())


def format_table(folder: str) -> str:
    """Return the table of methods whose pages lie in a folder."""
    lines = ["| method | presets | motion given by | paper | status |", "| --- | --- | --- | --- | --- |"]
    for methods in list_titled_methods():
        first = methods[0]
        title = f"[{first.title}]({folder}{first.page})" if first.page else first.title
        presets = ", ".join(f"`{preset}`" for method in methods for preset in method.presets)
        lines.append(f"| {title} | {presets} | {first.motion} | {first.paper} | {first.status} |")
    return "\n".join(lines) + "\n"


def format_navigation(indent: str) -> str:
    """Return the pages of methods as entries of the site's navigation."""
    pages = [(methods[0].title, methods[0].page) for methods in list_titled_methods() if methods[0].page]
    return "".join(f"{indent}- {title}: methods/{page}\n" for title, page in pages)


TABLE = re.compile(r"^\| method \| .*\n(?:\|.*\n)+", re.MULTILINE)
NAVIGATION = re.compile(r"(?<=methods/index\.md\n)(?: +- [^\n]*: methods/[^\n]*\n)+")
FILES: dict[str, tuple[re.Pattern[str], Callable[[], str]]] = {
    "README.md": (TABLE, lambda: format_table("docs/methods/")),
    "docs/methods/index.md": (TABLE, lambda: format_table("")),
    "mkdocs.yml": (NAVIGATION, lambda: format_navigation(" " * 6)),
}
"""File -> where the generated part stands, and the part."""


def rewrite_file(name: str) -> str:
    """Return the text of a file with its generated part made anew."""
    pattern, make_part = FILES[name]
    text, count = pattern.subn(lambda _: make_part(), (REPOSITORY / name).read_text(encoding="utf-8"))
    assert count == 1, f"{name} has no place for its generated part"
    return text


if __name__ == "__main__":
    for name in FILES:
        (REPOSITORY / name).write_text(rewrite_file(name), encoding="utf-8")
