"""Records of many fields are built by keyword, so that no two of their values can change places unseen."""

import ast
from collections.abc import Iterator
from pathlib import Path

import reenact

MOST = 4
TREES = {path: ast.parse(path.read_text()) for path in sorted(Path(reenact.__file__).parent.rglob("*.py"))}


def list_records() -> Iterator[tuple[Path, ast.ClassDef, ast.expr]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for decorator in node.decorator_list:
                    if "dataclass" in ast.unparse(decorator).partition("(")[0]:
                        yield path, node, decorator


RECORDS = {node.name: node for _, node, _ in list_records()}


def count_fields(node: ast.ClassDef) -> int:
    """Fields that may be given by position, of a record whose decorator does not forbid it."""
    parts = [part for part in node.body if isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part)]
    types = [ast.unparse(part.annotation) for part in parts]
    own = types[: types.index("KW_ONLY")] if "KW_ONLY" in types else types
    return len(own) + sum(count_fields(RECORDS[base]) for base in base_names(node) if base in RECORDS)


def base_names(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).partition("[")[0] for base in node.bases]


def holds_tensors(node: ast.ClassDef) -> bool:
    """Records of tensors, which a batch is of: their first field, the image, may be given by position."""
    names = base_names(node)
    return "TensorFields" in names or any(holds_tensors(RECORDS[name]) for name in names if name in RECORDS)


def test_records_of_many_fields_take_keywords_alone():
    loose = [
        f"{path.name}:{node.lineno} {node.name}"
        for path, node, decorator in list_records()
        if count_fields(node) > MOST and not holds_tensors(node) and "kw_only=True" not in ast.unparse(decorator)
    ]
    assert not loose


def find_record(call: ast.Call, foreign: set[str]) -> ast.ClassDef | None:
    """The record that a call builds, by its name, unless that name is another package's."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return None if name in foreign else RECORDS.get(name)


def foreign_names(tree: ast.Module) -> set[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports if not str(node.module).startswith("reenact") for alias in node.names}


def test_no_record_is_built_of_many_values_by_position():
    loose = []
    for path, tree in TREES.items():
        foreign = foreign_names(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args):
            many = len(call.args) > MOST or any(isinstance(value, ast.Starred) for value in call.args)
            record = find_record(call, foreign) if many else None
            if record is not None and count_fields(record) > MOST:
                loose.append(f"{path.name}:{call.lineno} {record.name}")
    assert not loose
