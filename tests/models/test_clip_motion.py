"""Motion of clips: retargeting (B, T) gives the values that retargeting frame by frame gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from zoo import FIRST, Case, portrait

from reenact.faces.contents import Contents
from reenact.faces.params import FaceParams
from reenact.faces.portrait import Portrait, PortraitPair
from reenact.models.common.base import Reenactment, Reenactor, SourceState, Transfer
from reenact.models.common.module import ReenactmentModule
from reenact.models.common.retarget import FIELDS_OF_PART, retarget

CLIPS, FRAMES = 2, 3
CLIP_OF_FRAME = torch.arange(CLIPS).repeat_interleave(FRAMES)


def list_tensors(motion) -> list[torch.Tensor]:
    values: list[torch.Tensor] = []
    motion.map(lambda value: values.append(value) or value)
    return values


def assert_frames_equal(clips, frames) -> None:
    assert clips.first_tensor().shape[:2] == (CLIPS, FRAMES)
    for ours, expected in zip(list_tensors(clips.merged()), list_tensors(frames), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_clips_are_retargeted_as_their_frames(case: Case):
    network = case.make().network.eval()
    with torch.no_grad():
        state = network.encode(portrait(CLIPS, 0, "a"))
        frames = network.read(portrait(CLIPS * FRAMES, 1, "b"))
        clips, first = frames.split(FRAMES), frames[CLIP_OF_FRAME * FRAMES]
        for transfer in (Transfer(mode=mode, strength=strength) for mode in network.modes for strength in (1.0, 0.6)):
            expected = network.retarget(state[CLIP_OF_FRAME], frames, transfer, first)
            assert_frames_equal(network.retarget(state, clips, transfer), expected)


@pytest.mark.parametrize("entries", [3, 7])
@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_one_source_or_one_each_serves_clips_with_any_camera(mode, entries):
    source, driving = portrait(CLIPS, 0, "a").params, portrait(CLIPS * FRAMES, 1, "b").params
    source, driving = (replace(p, camera=torch.rand(len(p.camera), entries) + 0.5) for p in (source, driving))
    first = driving[CLIP_OF_FRAME * FRAMES]
    clips = retarget(source, driving.split(FRAMES), mode)
    assert_frames_equal(clips, retarget(source[CLIP_OF_FRAME], driving, mode, first))
    alone = retarget(source[:1], driving.split(FRAMES), mode, driving.split(FRAMES)[:, :1])
    assert_frames_equal(alone, retarget(source[:1], driving, mode, first))


class Posing(Reenactor[SourceState, FaceParams]):
    """A method of clips: its result is the driving camera, held over an image."""

    needs = Contents(params=True, clip_length=FRAMES)
    parts = FIELDS_OF_PART

    def encode(self, source: Portrait) -> SourceState:
        return SourceState(source.params)

    def read(self, driving: Portrait) -> FaceParams:
        return driving.params

    def retarget(self, state, driving, transfer, reference=None) -> FaceParams:
        return retarget(state.motion, driving, transfer.mode, reference)

    def perform(self, state: SourceState, motion: FaceParams, random: None = None) -> Reenactment:
        return Reenactment((motion.shape[..., :3] + motion.camera)[..., None, None].expand(*motion.leading, 3, 4, 4))


def test_the_cross_loader_of_a_clip_method_validates():
    source, driving = portrait(CLIPS, 0, "a"), portrait(CLIPS * FRAMES, 1, "b").split(FRAMES)
    module = ReenactmentModule(Posing(), {})
    image = module.validation_step(PortraitPair(source, driving), 0, 1).image
    assert image.shape == (CLIPS, FRAMES, 3, 4, 4)
    expected = source.params.shape[:, None, :3] + driving.params.camera
    torch.testing.assert_close(image[..., 0, 0], expected)
