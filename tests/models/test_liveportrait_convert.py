"""Official LivePortrait folders: the fixture's weights in the released format."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import load_file, save_file

from reenact.apps import animate, edit
from reenact.cli import main
from reenact.errors import ReenactError
from reenact.estimators.registry import load_face_finder
from reenact.faces.crop import Crop
from reenact.faces.portrait import Portrait
from reenact.media.pictures import write_image
from reenact.media.video import VideoReader
from reenact.media.video_writer import VideoWriter
from reenact.models.common.base import Transfer
from reenact.models.common.checkpoint import load_method, load_weights
from reenact.models.common.convert import convert
from reenact.models.liveportrait.config import LivePortraitConfig
from reenact.models.liveportrait.convert import FILES, PARTS, STITCHING, build
from reenact.models.liveportrait.module import LivePortraitModule
from reenact.tracking import target
from reenact.tracking.face_clip import FaceClip
from reenact.world import World

FRAME = 96


@pytest.fixture(scope="module")
def tensors(parity):
    return load_file(parity / "liveportrait.safetensors")


@pytest.fixture
def config(parity, tmp_path):
    """The official configuration of the fixture's network, with the size of its pictures."""
    content = json.loads((parity / "liveportrait.json").read_text())["config"]
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"model_params": content, "input_shape": [64, 64]}))
    return path


def state_of(tensors, part):
    prefix = f"state/{part}/"
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def nest(state):
    entries = {name.partition("/")[0] for name in state}
    return {
        entry: {name.partition("/")[2]: value for name, value in state.items() if name.startswith(f"{entry}/")}
        for entry in entries
    }


@pytest.fixture
def folder(tensors, tmp_path):
    """The folder of the release."""
    folder = tmp_path / "liveportrait"
    for name in FILES:
        path = folder / FILES[name][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        state = state_of(tensors, name)
        torch.save({**nest(state), "epoch": 3} if name == STITCHING else state, path)
    (folder / "landmark.onnx").write_bytes(b"not read")
    return folder


def flatten(folder, tensors, target):
    """The copies in `safetensors` that people pass on: one flat folder, the fifth file in flat names."""
    target.mkdir()
    for name in PARTS:
        save_file(state_of(tensors, name), target / f"{name}.safetensors")
    flat = {}
    for key, value in state_of(tensors, STITCHING).items():
        entry, _, weight = key.partition("/")
        flat[f"{entry}_module.{weight.removeprefix('module.')}"] = value
    save_file(flat, target / f"{STITCHING}.safetensors")
    return target


@torch.no_grad()
@pytest.mark.parametrize("form", ["pth", "safetensors"])
def test_a_converted_folder_gives_the_official_output(tensors, folder, config, tmp_path, form, caplog):
    files = folder if form == "pth" else flatten(folder, tensors, tmp_path / "copies")
    module = load_method(convert(files, tmp_path / "ours.ckpt", config=config))
    assert module.image_size == 128
    assert module.recipe == {"crop": "liveportrait"}
    network = module.network

    def portrait(which):
        image = F.interpolate(tensors[f"input/{which}"], scale_factor=2.0, mode="nearest")
        return Portrait(2 * image - 1, landmarks=tensors[f"input/landmarks/{which}"].view(-1, 203, 2))

    source = portrait("source")
    state = network.encode(Portrait(source.image[:1], landmarks=source.landmarks))
    motion = network.retarget(state, network.read(portrait("driving")), Transfer(mode="relative"))
    image = (network.perform(state, motion[2:3]).image + 1) / 2
    # 2e-4: folded norms, whose rounding the decoder's instance norms enlarge
    torch.testing.assert_close(image, tensors["output/pipeline/relative_stitched/image_frame2"], atol=2e-4, rtol=0)


def open_known(world, path):
    """The face of a file of the synthetic world, whose landmarks are known without looking."""
    count = 1 if path.suffix == ".png" else sum(1 for _ in VideoReader(path))
    landmarks = world.sequence(int(path.stem), 0, range(count), FRAME)[2].astype(np.float32)
    return FaceClip(
        path=path,
        fps=None if path.suffix == ".png" else VideoReader(path).fps,
        crops=[Crop(0, 0, FRAME, 128)] * count,
        found=np.ones(count, np.bool_),
        params=None,
        landmarks=landmarks,
    )


def test_from_official_files_to_an_animated_portrait(folder, config, tmp_path, monkeypatch, capsys):
    """The way of the README, but for the download and the search for faces."""
    world, home = World(0), tmp_path / "home"
    monkeypatch.setenv("REENACT_HOME", str(home))
    monkeypatch.setattr(animate, "open_clip", lambda path, *_, **__: open_known(world, path))
    monkeypatch.setattr(target, "load_face_finder", lambda device: None)
    write_image(tmp_path / "0.png", world.sequence(0, 0, [0], FRAME)[0][0])
    with VideoWriter(tmp_path / "1.mp4", Fraction(25), (FRAME, FRAME)) as writer:
        for image in world.sequence(1, 0, range(3), FRAME)[0]:
            writer.write(image)

    def run(*words):
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err

    run("weights", "add", "liveportrait", folder)
    run("weights", "check", "liveportrait")
    run("convert", home / "liveportrait", "--out", tmp_path / "ours.ckpt", "--config", config)
    inputs = ("--source", tmp_path / "0.png", "--driving", tmp_path / "1.mp4")
    run("animate", "--checkpoint", tmp_path / "ours.ckpt", *inputs, "--paste-back", "-o", tmp_path / "out.mp4")
    frames = list(VideoReader(tmp_path / "out.mp4"))
    assert [frame.shape for frame in frames] == [(FRAME, FRAME, 3)] * 3


def test_training_goes_on_from_converted_weights(folder, config, tmp_path):
    converted = convert(folder, tmp_path / "ours.ckpt", config=config)
    header = torch.load(converted, weights_only=True)["reenact"]
    module = LivePortraitModule(LivePortraitConfig(**header["arguments"]["network"]))
    load_weights(converted, module, any_class=True)
    state = load_method(converted, fold=False).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert not any(parameter.requires_grad for parameter in module.network.stitching.parameters())
    with pytest.raises(ReenactError, match=r"makes pictures of 128 pixels, and the data has 256: .* --data\.size 128"):
        module.check_image_size(256)


def test_sizes_without_a_configuration_are_refused(folder, tmp_path):
    with pytest.raises(ReenactError, match=r"don't tell input_shape \(\[256, 256\] in released files\)"):
        convert(folder, tmp_path / "ours.ckpt")
    assert not (tmp_path / "ours.ckpt").exists()


def test_a_missing_file_is_named(folder, tmp_path, config):
    (folder / "base_models" / "motion_extractor.pth").unlink()
    with pytest.raises(ReenactError, match=r"lacks base_models/motion_extractor\.pth or .* of LivePortrait"):
        convert(folder, tmp_path / "ours.ckpt", config=config)


def test_a_file_of_another_version_is_refused(folder, tmp_path, config, tensors):
    path = folder / "base_models" / "warping_module.pth"
    state = state_of(tensors, "warping_module")
    torch.save({name: value for name, value in state.items() if not name.startswith("fourth")}, path)
    with pytest.raises(ReenactError, match=r"does not fit liveportrait: .*network\.warping\.fourth"):
        convert(folder, tmp_path / "ours.ckpt", config=config)
    torch.save(state_of(tensors, "spade_generator"), path)
    with pytest.raises(ReenactError, match=r"has the files of LivePortrait .* with other content"):
        convert(folder, tmp_path / "ours.ckpt", config=config)
    assert not (tmp_path / "ours.ckpt").exists()


@pytest.mark.parametrize("name", ["liveportrait_animals", "Animal"])
def test_weights_of_animals_are_refused(folder, tmp_path, config, name):
    animals = folder.rename(tmp_path / name)
    with pytest.raises(ReenactError, match="LivePortrait's weights for animals"):
        convert(animals, tmp_path / "ours.ckpt", config=config)


def test_weights_for_people_are_read_in_a_folder_of_animals(folder, tmp_path, config):
    (tmp_path / "animals").mkdir()
    people = folder.rename(tmp_path / "animals" / "liveportrait")
    assert convert(people, tmp_path / "ours.ckpt", config=config).is_file()


def spoil_missing(folder, tensors):
    (folder / "base_models" / "motion_extractor.pth").unlink()
    return folder


def spoil_version(folder, tensors):
    state = state_of(tensors, "warping_module")
    older = {name: value for name, value in state.items() if not name.startswith("fourth")}
    torch.save(older, folder / "base_models" / "warping_module.pth")
    return folder


def spoil_species(folder, tensors):
    return folder.rename(folder.parent / "liveportrait_animals")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_missing, r"lacks base_models/motion_extractor\.pth"),
        (spoil_version, r"does not fit liveportrait"),
        (spoil_species, r"weights for animals"),
    ],
)
def test_bad_folders_get_one_sentence_on_the_command_line(
    spoil, sentence, folder, tensors, config, tmp_path, read_refusal
):
    out = tmp_path / "ours.ckpt"
    read_refusal(sentence, "convert", spoil(folder, tensors), "--out", out, "--config", config)
    assert not out.exists()


@pytest.fixture
def read_refusal(capsys):
    """Runs a command that must end with exit code 2 and one line."""

    def run(sentence, *words):
        assert main([str(word) for word in words]) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert re.search(sentence, line), line
        assert "Traceback" not in line

    return run


def test_bad_use_gets_one_sentence_on_the_command_line(folder, config, tmp_path, monkeypatch, read_refusal):
    """Openings out of range, a source without a face, data of another size than the decoder's."""
    checkpoint, out = convert(folder, tmp_path / "ours.ckpt", config=config), tmp_path / "out.png"
    world, edited = World(0), ("edit", "--checkpoint", checkpoint, "--source", tmp_path / "0.png", "-o", out)
    write_image(tmp_path / "0.png", world.sequence(0, 0, [0], FRAME)[0][0])
    write_image(tmp_path / "grey.png", np.full((FRAME, FRAME, 3), 128, np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(edit, "open_clip", lambda path, *_, **__: open_known(world, path))
        patch.setattr(target, "load_face_finder", lambda device: None)
        for name in ("eyes.opening", "lips.opening"):
            for value in ("-0.1", "0.9"):
                read_refusal(rf"{name} {value} is out of range: give 0 to 0\.8", *edited, "--set", f"{name}={value}")
    pytest.importorskip("dlib")
    monkeypatch.setattr(target, "load_face_finder", lambda device: load_face_finder("dlib"))
    inputs = ("--source", tmp_path / "grey.png", "--driving", tmp_path / "0.png")
    read_refusal(r"grey\.png shows no face", "animate", "--checkpoint", checkpoint, *inputs, "-o", out)
    data = ("--data.size", 256, "--model.network.side", 512)
    read_refusal(
        r"makes pictures of 512 pixels, and the data has 256", "fit", "--model", "liveportrait", *data,
        "--out", tmp_path / "run", "--trainer.max_steps", 1,
    )  # fmt: skip
    assert not out.exists()


def test_full_size_layout_is_the_official_one(parity, tmp_path):
    """Names and shapes of the release, on tensors without memory."""
    layout = json.loads((parity / "liveportrait.json").read_text())["official_layout"]
    with torch.device("meta"):
        official = {part: build_zeros(shapes) for part, shapes in layout.items()}
        module, state = build(official, tmp_path, "", {"input_shape": [256, 256]})
    assert module.image_size == module.network.config.side == 512
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


def build_zeros(shapes):
    if isinstance(shapes, dict):
        return {name: build_zeros(inner) for name, inner in shapes.items()}
    return torch.zeros(shapes)
