"""Official PWM files, made from the parity fixture in their exact format."""

import pytest
import torch
from safetensors.torch import load_file

from reenact.errors import ReenactError
from reenact.faces.params import FaceParams
from reenact.models.common.checkpoint import load_method
from reenact.models.common.convert import convert


class Mesh(torch.nn.Module):
    """The vertex and face counts of FLAME, without FLAME."""

    name = "flame2020"

    def __init__(self, faces, vertices):
        super().__init__()
        self.faces = faces
        self.mean_vertices = torch.linspace(-0.9, 0.9, 3 * vertices).view(-1, 3).roll(1, 1)

    def neutral(self):
        return FaceParams(*(torch.zeros(1, 3) for _ in range(7)))

    def posed(self, params):
        return self.mean_vertices[None]


@pytest.fixture
def config(tmp_path):
    """The settings of the fixture's network, which is smaller than the released ones."""
    path = tmp_path / "pwm.yaml"
    path.write_text("MODEL: {USE_ALPHA_BLEND: false, NUM_LEVELS: 5, GUIDANCE: both}\nTRAIN: {IMG_SIZE: [64, 64]}\n")
    return path


@pytest.fixture
def official(parity, tmp_path, monkeypatch):
    """A file as `torch.save` of the released trainer writes it, and the tensors it is made of."""
    tensors = load_file(parity / "pwm.safetensors")
    generator = {k.removeprefix("both/state/"): v for k, v in tensors.items() if k.startswith("both/state/")}
    faces = torch.randint(0, 64, (9976, 3))
    generator["mesh_renderer.tri"] = faces.int()
    for stride in (1, 2, 4, 8, 16):
        generator[f"downsamples.x{stride}.weight"] = torch.full((18, 1, 1, 1), torch.nan)
    prefix = "discriminator/state/"
    discriminator = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    discriminator["downs.x1.weight"] = torch.full((3, 1, 1, 1), torch.nan)
    path = tmp_path / "PWM_both.pth"
    torch.save({"generator": generator, "discriminator": discriminator, "global_step": 270000}, path)
    monkeypatch.setattr("reenact.models.pwm.module.load_face_model", lambda spec: Mesh(faces, 64))
    return path, tensors


@torch.no_grad()
def test_converted_file_gives_the_official_output(official, config, tmp_path):
    path, tensors = official
    ours = convert(path, tmp_path / "both.ckpt", config=config)
    module = load_method(ours)
    assert module.image_size == 64
    image, codes_s, codes_d, flow = (
        tensors[f"both/input/{name}"].float() for name in ("img_s", "codes_s", "codes_d", "flow_map")
    )
    generator = module.network.generator
    decoded = generator.decode(generator.encode(image, codes_s), torch.cat((codes_d, flow), dim=1))
    torch.testing.assert_close(decoded.image, tensors["both/output/out_img"], atol=1e-4, rtol=0)
    assert torch.equal(module.network.embeds, tensors["both/state/embeds"])
    assert torch.load(ours, weights_only=True)["global_step"] == 270000


def test_other_files_are_refused_with_one_sentence(official, config, tmp_path, monkeypatch):
    path, _ = official
    out = tmp_path / "out.ckpt"
    text = tmp_path / "text.pth"
    text.write_text("not a checkpoint")
    other = tmp_path / "other.pth"
    torch.save({"generator": {"fc.weight": torch.zeros(1)}, "discriminator": {}}, other)
    part = tmp_path / "part.pth"
    torch.save({"generator": {"up_layers.x1_out.weight": torch.zeros(1)}, "discriminator": {}}, part)
    pickled = tmp_path / "pickled.pth"
    torch.save({"generator": Mesh}, pickled)
    for bad in (text, other, part, pickled, tmp_path / "absent.pth"):
        with pytest.raises(ReenactError, match=bad.name):
            convert(bad, out)
    with pytest.raises(ReenactError, match="exists"):
        convert(path, text)
    with pytest.raises(ReenactError, match="can't be written"):
        convert(path, text / "out.ckpt", config=config)
    monkeypatch.setattr("reenact.models.pwm.module.load_face_model", lambda spec: Mesh(torch.zeros(9, 3).long(), 64))
    with pytest.raises(ReenactError, match="another mesh"):
        convert(path, out, config=config)
    assert not out.exists()


def test_settings_that_weights_do_not_tell_are_asked_for(official, config, tmp_path):
    path, _ = official
    with pytest.raises(ReenactError, match=r"don't tell MODEL\.USE_ALPHA_BLEND .*give --config"):
        convert(path, tmp_path / "out.ckpt")
    for text, message in (
        ("MODEL: {USE_ALPHA_BLEND: true}", "USE_ALPHA_BLEND True, which is not supported"),
        ("MODEL: {USE_ALPHA_BLEND: 0}", "USE_ALPHA_BLEND 0, which is not supported"),
        ("MODEL: {USE_ALPHA_BLEND: false, GUIDANCE: neural_codes}", "GUIDANCE is neural_codes there and both in"),
    ):
        config.write_text(text)
        with pytest.raises(ReenactError, match=message):
            convert(path, tmp_path / "out.ckpt", config=config)
    assert not (tmp_path / "out.ckpt").exists()


def test_a_converted_file_is_run_once_on_the_face_model(official, config, tmp_path):
    path, _ = official
    content = torch.load(path, weights_only=True)
    content["generator"]["up_layers.x1_out.bias"][0] = torch.nan
    torch.save(content, path)
    with pytest.raises(ReenactError, match="does not run as pwm: its result is not finite"):
        convert(path, tmp_path / "out.ckpt", config=config)
    assert not (tmp_path / "out.ckpt").exists()
