"""Expressions of methods driven by keypoints, in `reenact edit`: a picture's, on the way to it, drawn from the VAE."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from reenact.apps.animate import animate
from reenact.apps.animator import Animator
from reenact.apps.edit import build_motions, edit
from reenact.apps.edit_request import parse_request
from reenact.apps.edit_start import make_neutral, take_pose
from reenact.errors import ReenactError
from reenact.faces.portrait import Portrait, to_image, to_tensor
from reenact.media.pictures import read_image, write_image
from reenact.media.video import VideoReader
from reenact.methods.registry import find_method, load_object
from reenact.models.common.base import SourceState, Transfer
from reenact.models.face_vid2vid.network import HeadMotion
from reenact.models.mmfa import MMFAModule
from reenact.models.mmfa.estimators import MMFAConfig
from reenact.models.mmfa.network import MMFA, PARTS, FaceMotion
from reenact.models.mmfa_vae import MMFAVAEModule
from reenact.models.mmfa_vae.frozen import hash_encoder
from reenact.models.mmfa_vae.network import ExpressionVAE, VAEConfig
from reenact.tracking.target import Target

from .conftest import FRAME, SIZE, known_clip

TOY = MMFAConfig(
    pose="probe", keypoints=5, reduction=2, detector_width=4, detector_blocks=2, motion_width=4,
    motion_blocks=1, compress=2, width=8, channels=4, depth=2, blocks=1, stem=4, affine_widths=[8, 8, 16, 16],
    expression=8, encoder_widths=[8, 16], encoder_side=2, decoder_widths=[16],
)  # fmt: skip


def saved(module, path):
    module.image_size = SIZE
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, world):
    """`mmfa.ckpt`, untrained but for its norms' statistics and with expressions that show, and its `vae.ckpt`."""
    folder = tmp_path_factory.mktemp("mmfa")
    torch.manual_seed(0)
    module = MMFAModule(TOY)
    torch.nn.init.normal_(module.network.decoder.layers[-1].weight, std=0.5)
    for head in (module.network.affine.scale, module.network.affine.translation):
        torch.nn.init.normal_(head.weight)  # they start at the same values for every face
    portrait = Portrait(to_tensor(world.sequence(0, 0, range(0, 80, 20), SIZE)[0]))
    with torch.no_grad():
        for _ in range(30):
            module.network(portrait, portrait.map(lambda values: values.roll(1, 0)))
    saved(module, folder / "mmfa.ckpt")
    vae = MMFAVAEModule(network=VAEConfig(expression=8, latent=4, hidden=16))
    vae.network.digest.copy_(hash_encoder(module.state_dict()))
    saved(vae, folder / "vae.ckpt")
    vae.network.digest.fill_(1)
    saved(vae, folder / "other.ckpt")
    return folder


@pytest.fixture
def smile(clips, world, known_faces):
    """Another picture of another person."""
    path = clips / "3.png"
    write_image(path, world.sequence(3, 0, [0], FRAME)[0][0])
    return path


def test_the_expression_of_a_picture_alone_moves(trained, clips, smile, world, tmp_path):
    def picture(**settings):
        options = {"overwrite": True, "watermark": False, "device": "cpu"}
        edit(trained / "mmfa.ckpt", clips / "0.png", tmp_path / "out.png", set=settings, **options)
        return read_image(tmp_path / "out.png")

    method = Animator(trained / "mmfa.ckpt", Transfer(parts=("expression",)), device="cpu")
    source, driving = (
        known_clip(world, path).portraits(np.zeros(1, np.int64), [read_image(path)])
        for path in (clips / "0.png", smile)
    )
    wanted = method.prepare(source).step(driving)[0]
    np.testing.assert_array_equal(picture(example=smile), wanted)
    still = picture()
    assert np.abs(wanted.astype(int) - still).max() > 0
    np.testing.assert_array_equal(picture(**{"example": smile, "expression.from": 0.0}), still)
    vae = {"expression_vae": trained / "vae.ckpt"}
    draws = [picture(**{"expression.sample": number}, **vae) for number in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.abs(draws[0].astype(int) - draws[2]).max() > 0
    assert np.abs(picture(example=smile, **vae).astype(int) - wanted).max() > 0


def test_animate_moves_the_parts_that_are_asked_for(trained, clips, world, known_faces, tmp_path):
    def video(*parts):
        options = {"overwrite": True, "watermark": False, "device": "cpu"}
        animate(trained / "mmfa.ckpt", clips / "0.png", clips / "2.mp4", tmp_path / "out.mp4", parts=parts, **options)
        return np.stack(list(VideoReader(tmp_path / "out.mp4"))).astype(int)

    alone = {part: video(part) for part in PARTS}
    assert np.abs(video(*PARTS) - video()).max() == 0
    for part, result in alone.items():
        others = [other for other in PARTS if other != part]
        assert np.abs(result - video()).max() > 0, part
        assert np.abs(video(*others) - video()).max() > 0, part
    with pytest.raises(ReenactError, match="MMFA has no part 'jaw': choose from pose, scale, translation, expression"):
        video("jaw")


def test_sweeps_and_scripts_go_from_one_expression_to_another(trained, clips, smile, tmp_path):
    common = {"set": {"example": smile, "expression_vae": trained / "vae.ckpt"}, "device": "cpu"}
    for sweep in ("expression:0:1:4", "exp.sample:0:3:4"):
        made = edit(trained / "mmfa.ckpt", clips / "0.png", tmp_path / f"{sweep[:5]}.png", sweep=sweep, **common)
        assert made.frames == 4
    script = tmp_path / "script.txt"
    script.write_text("exp from 0 global_pose yaw 5\nframes 2\nexp from 1\nframes 3\nexp sample 2\nframes 2\n")
    assert edit(trained / "mmfa.ckpt", clips / "0.png", tmp_path / "out.mp4", script=script, **common).frames == 7


def test_the_head_pose_of_a_picture_and_a_neutral_face(trained, clips, smile, world):
    method, source, other = (
        Animator(trained / "mmfa.ckpt", device="cpu"),
        *(known_clip(world, path) for path in (clips / "0.png", smile)),
    )
    portraits = [clip.portraits(np.zeros(1, np.int64), [read_image(clip.path)]) for clip in (source, other)]
    own = method.prepare(portraits[0]).motion
    method.faces._target = Target(finder=None, face_model=None, size=SIZE)  # its crop rule alone is asked for
    neutral = make_neutral(method, "expression")
    moved, read = take_pose(method, neutral, source, other), method.read(portraits[1])
    for name in ("rotation", "scale", "translation"):
        assert torch.equal(getattr(neutral, name), getattr(own, name))
        assert torch.equal(getattr(moved, name), getattr(read, name))
        assert not torch.equal(getattr(moved, name), getattr(own, name))
    assert not moved.expression.any()
    assert own.expression.any()
    posed = take_pose(method, own, source, other)
    assert torch.equal(posed.expression, own.expression)
    state = replace(method.state, motion=posed, example=read)
    ways = FaceMotion.cat(build_motions(method, state, parse_request((), None, "expression:0:1:3")))
    torch.testing.assert_close(ways.rotation, read.rotation.expand(3, 3, 3))
    torch.testing.assert_close(ways.expression[[0, 2]], torch.cat((own.expression, read.expression)))


def test_the_canonical_face_has_the_canonical_keypoints(trained, clips, world, known_faces, tmp_path):
    method = Animator(trained / "mmfa.ckpt", device="cpu")
    source = known_clip(world, clips / "0.png").portraits(np.zeros(1, np.int64), [read_image(clips / "0.png")])
    method.prepare(source)
    canonical = make_neutral(method, "canonical")
    with torch.inference_mode():
        state = method.network.encode(source)
        drawn = method.network.perform(state, canonical)
        expressionless = method.network.perform(state, make_neutral(method, "expression"))
    assert torch.equal(drawn.keypoints, state.canonical)
    assert not drawn.deformation.any()
    assert expressionless.deformation.any()
    common = {"watermark": False, "device": "cpu"}
    canonical_face = {"neutral": "canonical"}
    edit(trained / "mmfa.ckpt", clips / "0.png", tmp_path / "out.png", set=canonical_face, **common)
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), to_image(drawn.image)[0])
    sweep = edit(
        trained / "mmfa.ckpt", clips / "0.png", tmp_path / "grid.png", set=canonical_face, sweep="yaw:-20:20:3"
    )
    assert sweep.frames == 3


def test_what_cannot_be_used_is_refused(trained, checkpoint, clips, smile, tmp_path):
    mmfa, vae = trained / "mmfa.ckpt", trained / "vae.ckpt"
    cases = [
        (mmfa, {"example": smile, "expression.sample": 1}, "give one, a picture's expression or a random one"),
        (mmfa, {"example": smile, "neutral": "canonical"}, "a face without an expression: omit it"),
        (mmfa, {"sweep": "exp.sample:0:3:4", "neutral": "canonical"}, "a face without an expression: omit it"),
        (checkpoint, {"neutral": "canonical"}, "PWM has no canonical keypoints: give --neutral expression"),
        (mmfa, {"example": clips / "1.mp4"}, "--set example .* is a video"),
        (mmfa, {"example": smile, "expression.from": 1.5}, "--set expression.from 1.5 is out of range: give 0 to 1"),
        (mmfa, {"expression.sample": 1}, "--set expression.sample: no VAE is known to draw from"),
        (mmfa, {"expression.sample": -1, "expression_vae": vae}, "--set expression.sample -1: give a whole number"),
        (mmfa, {"expression_vae": trained / "other.ckpt"}, "trained on another MMFA than"),
        (mmfa, {"expression_vae": mmfa}, "is of another method: give a checkpoint of mmfa_vae"),
        (mmfa, {"expression.0": 1}, "--set expression.0: MMFA has no such control; .*expression.{from, sample}"),
        (mmfa, {"sweep": "exp.from:0:1:3"}, "--sweep exp.from: no other picture is known"),
        (checkpoint, {"example": smile}, "--set example: pwm has no control that goes towards another picture"),
        (checkpoint, {"expression.sample": 0}, "--set expression.sample: no coefficient 'sample'; use a number"),
        (vae, {}, "is of mmfa_vae, which makes no pictures"),
    ]
    for method, settings, message in cases:
        sweep = settings.pop("sweep", None)
        with pytest.raises(ReenactError, match=message):
            edit(method, clips / "0.png", tmp_path / "out.png", device="cpu", sweep=sweep, set=settings)
    assert not (tmp_path / "out.png").exists()


def test_halfway_in_a_straight_line_or_through_the_codes_of_the_vae():
    torch.manual_seed(0)
    own = FaceMotion(torch.eye(3)[None], torch.ones(1, 1), torch.zeros(1, 2), torch.zeros(1, 8))
    other = FaceMotion(torch.eye(3)[None], torch.ones(1, 1), torch.ones(1, 2), torch.ones(1, 8))
    network = MMFA(TOY)
    state = SourceState(own, example=other)
    moved = network.set_control(state, own, "expression.from", 0.25)
    assert torch.equal(moved.expression, torch.full((1, 8), 0.25))
    assert torch.equal(moved.translation, own.translation)
    vae = ExpressionVAE(VAEConfig(8, 4, 16)).eval().requires_grad_(False)
    network.control_files = {"expression_vae": vae}
    moved = network.set_control(state, own, "expression.from", 0.25)
    codes = [vae.code(motion.expression) for motion in (own, other)]
    torch.testing.assert_close(moved.expression, vae.feature(0.75 * codes[0] + 0.25 * codes[1]))


def test_the_deformation_is_the_expression_of_face_vid2vid():
    own = HeadMotion(torch.eye(3)[None], torch.zeros(1, 3), torch.zeros(1, 5, 3))
    other = HeadMotion(torch.eye(3)[None], torch.ones(1, 3), torch.ones(1, 5, 3))
    network = load_object(find_method("face_vid2vid").toys)()["face_vid2vid"]().network
    moved = network.set_control(SourceState(own, example=other), own, "expression.from", 0.5)
    assert torch.equal(moved.deformation, torch.full((1, 5, 3), 0.5))
    assert torch.equal(moved.translation, own.translation)
