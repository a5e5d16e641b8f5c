"""Every preset that ships parses and builds; every command in the documents parses."""

from __future__ import annotations

import re
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from jsonargparse import Namespace

from reenact.cli import main
from reenact.cli.commands import COMMANDS, TRAINER_COMMANDS
from reenact.cli.functions import build_parser, dash_option
from reenact.cli.help_pages import COMMON_OPTIONS
from reenact.cli.lightning import ReenactCLI
from reenact.cli.signatures import read_signature
from reenact.methods.registry import list_methods
from reenact.metrics import catalogue
from reenact.models.common.portrait_module import PortraitModule
from reenact.models.pwm.module import DiscriminatorConfig, PWMModule
from reenact.models.pwm.network import PWMConfig
from reenact.runs import presets
from reenact.runs.arguments import expand_request
from reenact.runs.class_limits import limited_classes
from reenact.runs.request import parse_request

from .conftest import save

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
VALUES = {"N": "2", "P": "32-true", "PATH": "somewhere"}
PLACEHOLDERS = {
    "copy_source": "fomm",
    "mymethods.Mine": "fomm",
    "--data NAME": "--data vfhq",
    "--dataset NAME": "--dataset vfhq",
    "--ckpt_path CKPT": "--ckpt_path last",
}
"""What documents leave to the reader, and what a reader may choose."""


class Parsed(ReenactCLI):
    """Stops before anything is built."""

    def instantiate_classes(self) -> None:
        """Keep the settings alone."""


class Built(ReenactCLI):
    """Builds data, method and trainer, and does not run them."""

    def start(self) -> None:
        """Nothing."""


PARSED: dict[tuple[str, ...], Namespace] = {}
"""Settings by the words for the parser without the run folder; a parse takes a third of a second."""


def build(words: str) -> ReenactCLI:
    """Parse a command line and build its run."""
    return _parse(words, Built)[1]


def settings(words: str) -> Namespace:
    """Parse a command line, unless the same words for the parser came before."""
    return _parse(words, Parsed)[0]


def _parse(words: str, cli: type[ReenactCLI]) -> tuple[Namespace, ReenactCLI | None]:
    command, *rest = shlex.split(words)
    request = parse_request(command, rest)
    arguments = expand_request(request)
    key = (command, *(word for word in arguments if word != str(request.out)))
    if cli is Parsed and key in PARSED:
        return PARSED[key], None
    with ExitStack() as claims, limited_classes(request.classes, request.packages):
        run = cli(request, arguments, claims)
    PARSED[key] = run.config
    return run.config, run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "last.ckpt"
    save(path, PWMModule(network=PWMConfig(widths=[4, 4, 4]), discriminator=DiscriminatorConfig([4])))
    return path


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_run(tmp_path, monkeypatch, checkpoint):
    """An empty folder but for a run that `--ckpt_path last` finds."""
    monkeypatch.chdir(tmp_path)
    for folder in (Path("runs/pwm_flame/DATE"), Path("raw")):
        folder.mkdir(parents=True)
    run = Path("runs/pwm_flame/DATE")
    (run / "checkpoints").mkdir()
    shutil.copyfile(checkpoint, run / "checkpoints" / "last.ckpt")
    (run / "config.yaml").write_text(presets.find_preset("data", "synthetic").read_text())


def fit_settings(model: str, scale: str):
    """Settings of a training; tests do not change them."""
    data = "" if scale == "tiny" else f"--data clips --data.root STORE --scale {scale}"
    return settings(f"fit --model {model} {data}").fit


def check_preset(config, model: str, scale: str) -> None:
    """Compare the class and the size of images with those of the preset and of its scale."""
    assert config.model.class_path == presets.load_preset(presets.find_preset("model", model))["model"]["class_path"]
    files = presets.scale_files(scale, presets.method_of(config.model.class_path), model)
    sizes = [presets.load_preset(path).get("data", {}).get("init_args", {}).get("size") for path in files]
    assert config.data.init_args.size == [size for size in sizes if size][-1]


@pytest.mark.parametrize("model", presets.preset_names("model"))
def test_methods_build_at_tiny_scale(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli = build(f"fit --model {model}")
    check_preset(cli.config.fit, model, "tiny")
    assert isinstance(cli.model, PortraitModule)
    assert cli.datamodule.face_model == "head"
    assert cli.model.arguments.get("face_model", "head") == "head"  # image methods have none
    assert not [path for path in (tmp_path / cli.request.out).rglob("*") if path.is_file()]


@pytest.mark.parametrize("scale", sorted(set(presets.preset_names("scale")) - {"tiny"}))
@pytest.mark.parametrize("model", presets.preset_names("model"))
def test_methods_parse_at_every_scale(model, scale):
    """The tiny scale is parsed by the test that builds it."""
    check_preset(fit_settings(model, scale), model, scale)


@pytest.mark.parametrize("scale", presets.preset_names("scale"))
@pytest.mark.parametrize(
    ("model", "without"),
    [
        ("mmfa", set()),
        ("mmfa_exp_c", {"landmarks_face", "landmarks_mouth", "landmarks_pupils"}),
        ("mmfa_exp", {"landmarks_face", "landmarks_mouth", "landmarks_pupils", "canonical"}),
        ("mmfa_base", {"landmarks_face", "landmarks_mouth", "landmarks_pupils", "canonical", "expression"}),
    ],
)
def test_ablations_leave_the_same_terms_out_at_every_scale(model, without, scale):
    losses = fit_settings(model, scale).model.init_args.losses
    terms = ("expression", "canonical", "landmarks_face", "landmarks_mouth", "landmarks_pupils")
    if losses.landmarks == "probe" and model == "mmfa":
        without = {"landmarks_pupils"}  # the probe sees none
    assert {term for term in terms if not losses[term]} == without


@pytest.mark.parametrize("data", presets.preset_names("data"))
def test_data_sets_parse(data):
    config = settings(f"fit --model pwm_flame --data {data} --data.batch_size 2 {root(data)}").fit
    assert config.data.init_args.batch_size == 2


def root(data: str) -> str:
    return "" if data == "synthetic" else "--data.root raw"


def test_a_data_set_that_needs_a_root_asks_for_it():
    with pytest.raises(Exception, match="root"):
        settings("fit --model pwm_flame --data clips")
    assert main(["fit", "--model", "pwm_flame", "--data", "clips"]) == 2


def test_raw_videos_cannot_train_a_method_that_needs_parameters(capsys):
    for split in ("train", "test"):
        (Path("raw") / split).mkdir()
    assert main(["fit", "--model", "pwm_flame", "--data", "voxceleb", "--data.root", "raw", "--scale", "tiny"]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("reenact: error: the method needs face parameters of every portrait")
    assert "reenact prepare FOLDER --out STORE" in sentence


def test_a_folder_that_is_no_store_is_refused(capsys):
    assert main(["fit", "--model", "pwm_flame", "--data", "clips", "--data.root", "raw", "--scale", "tiny"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("kind", ["trainer", "logger"])
def test_other_presets_parse(kind):
    for name in presets.preset_names(kind):
        settings(f"fit --model pwm_flame --{kind} {name}")


def test_every_preset_says_what_it_is():
    for kind in presets.KINDS:
        for name in presets.preset_names(kind):
            assert presets.describe_preset(kind, name), f"{kind}/{name}.yaml needs a first comment line"


def test_the_zoo_and_the_presets_name_the_same():
    assert {name for method in list_methods() for name in method.presets} == set(presets.preset_names("model"))


def test_options_of_the_help_page_parse():
    """All in one command line: the parser names the option that it refuses."""
    words = [f"{name} {VALUES[placeholder]}" for name, placeholder in map(str.split, COMMON_OPTIONS)]
    settings(f"fit --model pwm_flame --data clips {' '.join(words)}")


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_of_ours_have_help_for_every_option(name):
    command = COMMANDS[name]
    page = build_parser(name, command, read_signature(command.function)).format_help()
    assert "usage: reenact" in page


RUNS_ANYWHERE = re.compile(r"(list|weights list( [a-z_0-9]+)?|benchmark --list)$")
"""Documented commands that read nothing but the package; `doctor` tells of this machine."""


def documented() -> list[str]:
    """Commands in code blocks of the documents and on our help pages, placeholders and all."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ") if path.is_file() else ""
        for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
            if language not in ("", "bash", "sh", "console"):
                continue
            found += re.findall(r"^\s*(?:\$ )?reenact (\S.*?)(?:\s+#.*)?$", block, re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("line", documented())
def test_documented_commands_parse(line):
    for placeholder, chosen in PLACEHOLDERS.items():
        line = line.replace(placeholder, chosen)
    name, *words = shlex.split(line)
    if "--help" in words or "--help-all" in words or name.startswith("-"):
        return
    if name in TRAINER_COMMANDS:
        settings(line)
        return
    command = COMMANDS[name]
    values = build_parser(name, command, read_signature(command.function)).parse_args(
        [dash_option(word) for word in words]
    )
    for metric in values.metrics if name == "evaluate" else ():
        catalogue.build_metric(metric)


@pytest.mark.parametrize("line", [line for line in documented() if RUNS_ANYWHERE.match(line)])
def test_documented_commands_that_need_no_input_run(line):
    assert main(shlex.split(line)) == 0
