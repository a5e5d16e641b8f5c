"""The installed methods: those of `reenact.models`, and those that other packages offer as entry points.

A method is found, never listed: a folder of `reenact.models` with a `method.py`, or an entry point of the group
`reenact.methods` whose value is a `Method`. Nothing here imports torch, and a broken package leaves the others usable.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reenact.assets.model import Asset
from reenact.assets.table import ASSETS
from reenact.errors import ReenactError
from reenact.methods.method import ControlFile, CropRule, Default, Foundation, Method, PairPlan, Recipe

GROUP = "reenact.methods"
"""Group of entry points by which an installed package offers its methods."""
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The result of a scan."""

    methods: Mapping[str, Method]
    """Methods by name, in the order of lists; planned papers among them."""
    problems: Mapping[str, str]
    """Entry point as it stands in its package -> a sentence that says why it is left out."""


@cache
def scan_methods() -> Registry:
    """Find the methods of this package and of entry points, once in a process."""
    zoo = [_load_own(path) for path in sorted(PACKAGE.glob("models/*/method.py"))]
    offered: list[tuple[str, Method]] = []
    problems: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        label = f"{point.name} = {point.value}"
        try:
            offered.append((label, _load_offered(point)))
        except ReenactError as error:
            problems[label] = str(error)
    methods = {method.name: method for method in zoo}
    counts = Counter(method.name for _, method in offered)
    for label, method in offered:
        problem = _find_clash(method, methods, counts[method.name])
        if problem is None:
            methods[method.name] = method
        else:
            problems[label] = f"the entry point {label} is left out: {problem}"
    ordered = sorted(methods.values(), key=lambda method: (method.order, method.name))
    return Registry(methods={method.name: method for method in ordered}, problems=problems)


def list_methods() -> tuple[Method, ...]:
    """Return the methods that can be trained, in the order of lists."""
    return tuple(method for method in scan_methods().methods.values() if method.class_path is not None)


def list_offered_methods() -> tuple[Method, ...]:
    """Return the methods of other packages."""
    return tuple(method for method in list_methods() if method.configs is not None)


def list_offered_packages() -> tuple[str, ...]:
    """Return the packages of the offered methods' classes: whoever installed them lets their types be imported."""
    return tuple(dict.fromkeys(str(method.class_path).partition(".")[0] for method in list_offered_methods()))


def find_method(name: str) -> Method | None:
    """Return the method of a name that can be trained, None where there is none."""
    return next((method for method in list_methods() if method.name == name), None)


def find_method_of_class(class_path: str) -> Method | None:
    """Return the offered method of a class, by the path that it names or the path of the class itself."""
    package, name = class_path.partition(".")[0], class_path.rpartition(".")[2]
    offered = {str(method.class_path): method for method in list_offered_methods()}
    if class_path in offered:
        return offered[class_path]
    alike = [path for path in offered if (path.partition(".")[0], path.rpartition(".")[2]) == (package, name)]
    return offered[alike[0]] if len(alike) == 1 else None


def find_method_of_preset(preset: str) -> Method | None:
    """Return the method that a preset is of, None where no method has it."""
    return next((method for method in list_methods() if preset in method.presets), None)


def find_foundation(preset: str) -> Foundation | None:
    """Return what a preset stands on, None where it stands on nothing.

    Raises:
        ReenactError: if the foundation stands on the preset in turn.
    """
    chain = [preset]
    while (foundation := _get_foundation(chain[-1])) is not None:
        if foundation.preset in chain:
            raise ReenactError(
                f"the presets {', '.join(chain)} stand on each other: correct stands_on of their methods"
            )
        chain.append(foundation.preset)
    return _get_foundation(preset)


def find_problem(package: str) -> str | None:
    """Return why the methods of a package are left out, None where they are not."""
    problems = scan_methods().problems
    return next((text for label, text in problems.items() if _package_of(label) == package), None)


def check_packages(method: Method) -> None:
    """Check that the packages of a method are installed.

    Raises:
        ReenactError: names the first that is missing, and the command that installs it.
    """
    sentence = describe_absence(method)
    if sentence:
        raise ReenactError(sentence)


def describe_absence(method: Method) -> str:
    """Return a sentence about the first package that a method needs and that is not installed; empty if all are."""
    absent = next((name for name in method.packages if find_spec(name.partition(".")[0]) is None), None)
    if absent is None:
        return ""
    remedy = method.install or f"pip install {absent}"
    return f"The method {method.name} needs the package {absent}, which is not installed: {remedy}"


def collect_crop_rules() -> dict[str, CropRule]:
    """Return the crop rules of all methods by name."""
    return {name: rule for method in scan_methods().methods.values() for name, rule in method.crops.items()}


def collect_recipes() -> dict[str, Recipe]:
    """Return the recipes of all papers by name."""
    return {name: recipe for method in scan_methods().methods.values() for name, recipe in method.recipes.items()}


def collect_pair_plans() -> dict[str, PairPlan]:
    """Return the plans of test pairs of all papers by name."""
    return {name: plan for method in scan_methods().methods.values() for name, plan in method.pair_plans.items()}


def collect_released_assets() -> dict[str, Asset]:
    """Return the files that authors of methods released, by name."""
    return {asset.name: asset for method in scan_methods().methods.values() for asset in method.assets}


def list_control_files() -> dict[str, ControlFile]:
    """Return the files that controls of methods read, by the names of their options."""
    return {name: file for method in list_methods() for name, file in method.control_files.items()}


def find_default_crop(use: Default) -> str:
    """Return the name of the crop rule where nobody names one."""
    return next(name for name, rule in collect_crop_rules().items() if use in rule.default_for)


def load_object(path: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Import `module:name`, as a method names its functions."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def describe_error(error: BaseException) -> str:
    """Return the last line of a traceback and where it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if len(frames) > 1 else ""
    return f"{type(error).__name__}: {error}{place}"


def _load_own(path: Path) -> Method:
    method: Method = import_module(f"{PACKAGE.name}.models.{path.parent.name}.method").METHOD
    return method


def _load_offered(point: EntryPoint) -> Method:
    """Load the method of an entry point and complete its folder of presets; raises `ReenactError` for all that fails.

    What a package of the user's raises is reported, because one package must not stop the others.
    """
    label = f"{point.name} = {point.value}"
    try:
        method = point.load()
    except (Exception, SystemExit) as error:
        raise ReenactError(
            f"the entry point {label} can't be loaded ({describe_error(error)}): repair or uninstall its package"
        ) from error
    if not isinstance(method, Method):
        raise ReenactError(
            f"the entry point {label} names a value of type {type(method).__name__}, not a reenact.methods.Method: let"
            " it name the METHOD of a module"
        )
    folder = method.configs or Path(str(sys.modules[point.module].__file__)).parent / "configs"
    for preset in method.presets:
        file = folder / "model" / f"{preset}.yaml"
        if not file.is_file():
            raise ReenactError(f"the entry point {label} names the preset {preset}: add {file} to its package")
    return replace(method, configs=folder)


def _find_clash(method: Method, methods: Mapping[str, Method], count: int) -> str | None:
    """Return why a method can't stand beside others, None where it can."""
    if method.name in methods or count > 1:
        owner = "reenact" if count == 1 else "another package"
        return f"{owner} has a method {method.name}; rename it or uninstall its package"
    if any(rule.default_for for rule in method.crops.values()):
        return f"the crop rules of {method.name} claim to be defaults, which are reenact's own; remove default_for"
    for kind in ("presets", "crops", "recipes", "pair_plans"):
        for other in methods.values():
            shared = sorted(getattr(method, kind).keys() & getattr(other, kind).keys())
            if shared:
                return f"the {kind} of {method.name} and {other.name} share the name {shared[0]}; rename it"
    return _find_asset_clash(method, methods)


def _find_asset_clash(method: Method, methods: Mapping[str, Method]) -> str | None:
    """Return why the files of a method can't stand beside those of the package and of others, None where they can."""
    assets = [asset.name for asset in method.assets]
    others = [*ASSETS, *(asset.name for other in methods.values() for asset in other.assets)]
    shared = next((name for name, count in Counter(assets).items() if count > 1 or name in others), None)
    return None if shared is None else f"there are several assets of the name {shared}; rename that of {method.name}"


def _get_foundation(preset: str) -> Foundation | None:
    method = find_method_of_preset(preset)
    return None if method is None else method.stands_on.get(preset)


def _package_of(label: str) -> str:
    return label.partition(" = ")[2].partition(":")[0].partition(".")[0]
