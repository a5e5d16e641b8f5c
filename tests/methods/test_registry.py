"""Methods are found in their folders and as entry points; a package that is wrong leaves the others usable."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import pytest

from reenact.assets import collect_assets, require_asset
from reenact.cli import main
from reenact.errors import ReenactError
from reenact.methods import CropRule, Method, registry
from reenact.methods.registry import (
    check_packages,
    collect_crop_rules,
    collect_pair_plans,
    collect_recipes,
    collect_released_assets,
    find_default_crop,
    find_method,
    list_methods,
    load_object,
    scan_methods,
)
from reenact.runs import presets

OWN = (
    'METHOD = Method(name="{name}", summary="mine", paper="none", needs="images", class_path="{package}.module.Own",'
    " {more})\n"
)


def own(package: str, name: str = "own", more: str = "") -> str:
    return OWN.format(package=package, name=name, more=more)


def zoo() -> list[str]:
    return [method.name for method in list_methods()]


ZOO = [
    "pwm",
    "fomm",
    "face_vid2vid",
    "mmfa",
    "mmfa_vae",
    "liveportrait",
    "pirenderer",
    "probe",
    "bfm_flow",
    "export3d",
    "export3d_clebs",
    "magicportrait",
]


def test_every_folder_is_a_method_of_its_name():
    methods = scan_methods().methods
    assert zoo() == ZOO
    assert set(methods) == {path.parent.name for path in Path(registry.__file__).parents[1].glob("models/*/method.py")}
    assert not scan_methods().problems


@pytest.mark.parametrize("method", scan_methods().methods.values(), ids=lambda method: method.name)
def test_what_a_method_names_exists(method):
    for rule in method.crops.values():
        assert callable(load_object(rule.function))
    for recipe in method.recipes.values():
        assert recipe.crop in collect_crop_rules()
    if method.converter is not None:
        assert callable(import_module(method.converter).recognises)
    if method.class_path is not None:
        module, _, name = method.class_path.rpartition(".")
        assert getattr(import_module(module), name).method == method.name


def test_names_of_papers_are_those_of_before():
    assert set(collect_recipes()) == {
        "pwm",
        "mmfa",
        "bfm_flow",
        "export3d",
        "magicportrait",
        "pwm_demo",
        "liveportrait",
        "pirenderer",
    }
    assert set(collect_crop_rules()) == {"pwm", "fomm", "export3d", "magicportrait", "liveportrait"}
    plans = {"pwm", "mmfa", "bfm_flow", "bfm_flow_celebv", "export3d", "export3d_talkinghead", "magicportrait"}
    assert set(collect_pair_plans()) == plans
    assert (find_default_crop("videos"), find_default_crop("synthetic")) == ("fomm", "pwm")
    assert collect_recipes()["mmfa"].fps == Fraction(25)
    assert [rule.room for rule in collect_crop_rules().values()] == [1.2, 1.2, 1.0, 1.0, 1.0]


def test_the_scan_imports_no_torch():
    code = (
        "import sys; from reenact.methods.registry import list_methods; list_methods(); print('torch' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert process.stdout == "False\n", process.stderr


def test_a_package_adds_a_method_with_all_that_it_names(install):
    more = (
        'presets={"mine": "as it is"}, recipes={"mine": Recipe(crop="square", size=64)},'
        ' crops={"square": CropRule(function="a:b")}, pair_plans={"mine": PairPlan(clips=3)}'
    )
    folder = install("own_good", own("own_good", more=more), preset="mine")
    assert zoo() == [*ZOO, "own"]
    assert "mine" in presets.preset_names("model")
    assert presets.find_preset("model", "mine") == folder / "configs" / "model" / "mine.yaml"
    assert presets.method_of("own_good.module.Own") == presets.method_of("own_good.Own") == "own"
    assert presets.method_of("own_good.module.Other") is None
    assert collect_recipes()["mine"].size == 64
    assert collect_pair_plans()["mine"].clips == 3
    assert "square" in collect_crop_rules()


FILES = "assets=(Asset(name='{name}', purpose='', files=(File('own/net.pth'),), licence='MIT', source='ask'),)"


def test_a_package_adds_the_files_that_its_authors_released(install, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REENACT_HOME", str(tmp_path))
    assert main(["weights", "path", "own_net"]) == 2
    assert "no such file" in capsys.readouterr().err
    install("own_files", own("own_files", more=FILES.format(name="own_net")))
    with pytest.raises(ReenactError, match=r"put own/net\.pth under .* \(MIT; ask\)"):
        require_asset("own_net")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "net.pth").touch()
    assert require_asset("own_net") == tmp_path / "own" / "net.pth"
    assert main(["weights", "list"]) == 0
    assert "own_net" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(["hopenet", *collect_released_assets()]))
def test_files_of_another_owner_are_not_taken_over(install, name):
    owner = collect_assets()[name]
    install("own_files", own("own_files", more=FILES.format(name=name)))
    assert f"several assets of the name {name}" in scan_methods().problems["own_files = own_files.method:METHOD"]
    assert collect_assets()[name] is owner


def test_overlays_of_a_package_lie_in_its_own_folder(install):
    folder = install("own_scaled", own("own_scaled", more='presets={"mine": ""}'), preset="mine")
    (folder / "configs" / "scale" / "tiny").mkdir(parents=True)
    for name in ("own", "mine"):
        (folder / "configs" / "scale" / "tiny" / f"{name}.yaml").write_text("trainer: {max_steps: 3}\n")
    names = [path.name for path in presets.scale_files("tiny", "own", "mine")]
    assert names == ["tiny.yaml", "own.yaml", "mine.yaml"]


@pytest.mark.parametrize(
    ("text", "value", "part"),
    [
        ("import absent_module", "", "can't be loaded (ModuleNotFoundError: No module named 'absent_module'"),
        ("1 / 0", "", "can't be loaded (ZeroDivisionError"),
        ("", "", "can't be loaded (AttributeError"),
        ("class Own: pass\nMETHOD = Own", "", "names a value of type type, not a reenact.methods.Method"),
        ("METHOD = 3", "", "names a value of type int, not a reenact.methods.Method"),
        ("", "own_wrong.method", "names a value of type module, not a reenact.methods.Method"),
        (own("own_wrong", name="../x"), "", "The method name '../x' is refused"),
        (own("own_wrong", name="fomm"), "", "reenact has a method fomm"),
        (own("own_wrong", more='presets={"absent": ""}'), "", "names the preset absent: add"),
        (own("own_wrong", more='recipes={"pwm": Recipe(crop="pwm", size=8)}'), "", "share the name pwm"),
    ],
)
def test_a_wrong_package_is_left_out_with_one_sentence(install, capsys, text, value, part):
    install("own_wrong", text, value)
    (problem,) = scan_methods().problems.values()
    assert part in problem
    assert "own_wrong = own_wrong.method" in problem
    assert zoo() == ZOO
    assert main(["list"]) == 0
    assert part.split("(")[0][:40] in " ".join(capsys.readouterr().out.split())
    assert main(["fit", "--model", "own"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert part in lines[0]


def test_a_preset_of_another_method_is_not_taken_over(install):
    install("own_preset", own("own_preset", more='presets={"fomm": ""}'), preset="fomm")
    assert "share the name fomm" in scan_methods().problems["own_preset = own_preset.method:METHOD"]
    assert presets.find_preset("model", "fomm").parent == presets.presets_folder() / "model"


def test_of_two_methods_of_one_name_none_is_taken(install):
    for package in ("own_first", "own_second"):
        install(package, own(package))
    assert len(scan_methods().problems) == 2
    assert all("another package has a method own" in text for text in scan_methods().problems.values())
    assert find_method("own") is None
    assert zoo() == ZOO


def test_a_method_whose_package_is_absent_says_how_to_get_it(install, capsys):
    more = 'packages=("absent_package",), install="pip install absent-package", presets={"mine": ""}'
    install("own_needy", own("own_needy", more=more), preset="mine")
    sentence = "The method own needs the package absent_package, which is not installed: pip install absent-package"
    assert main(["fit", "--model", "mine"]) == 2
    assert capsys.readouterr().err == f"reenact: error: {sentence}\n"
    assert main(["list"]) == 0
    assert sentence in " ".join(capsys.readouterr().out.split())
    method = find_method("own")
    assert method is not None
    with pytest.raises(ReenactError, match="absent_package"):
        check_packages(method)
    assert "not installed: pip install absent-package" in sentence


def test_a_method_of_present_packages_is_complete():
    check_packages(Method(name="own", summary="", paper="", needs="", packages=("numpy",)))


@pytest.mark.parametrize("fields", [{"name": "a/b"}, {"name": ""}, {"name": "a", "class_path": "Own"}])
def test_names_of_another_form_are_refused(fields):
    with pytest.raises(ReenactError, match="method"):
        Method(summary="", paper="", needs="", **fields)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"presets": ["x"]}, "no mapping"),
        ({"configs": "/configs"}, "configs '/configs' of a wrong type"),
        ({"order": "1"}, "order '1' of a wrong type"),
        ({"assets": ("net",)}, "assets that are no tuple of reenact.assets.Asset"),
        ({"crops": {"none": CropRule(function="lab.crops:cut")}}, "crop rule none, a reserved name"),
    ],
)
def test_values_of_other_forms_are_refused(settings, sentence):
    with pytest.raises(ReenactError, match=sentence):
        Method(name="mine", summary="", paper="", needs="", **settings)
