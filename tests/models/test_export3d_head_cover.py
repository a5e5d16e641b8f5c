"""The space that a head takes in its picture, and the picture without it."""

import pytest
import torch

from reenact.data.synthetic.clips import SyntheticClips
from reenact.faces.contents import Contents
from reenact.faces.registry import load_face_model
from reenact.models.export3d.head_cover import draw_cover, fill_pixels, measure_margins, remove_head
from reenact.models.export3d.head_space import draw_ray_depth

SIZE = 64


@pytest.fixture(scope="module")
def head():
    return load_face_model("head")


def test_margins_are_wide_where_hair_is(head):
    margins = measure_margins(head)
    assert margins[head.region("scalp")].min() > 0.015
    assert margins[head.region("forehead")].min() == pytest.approx(0.035)
    assert margins[head.region("neck")].max() < 0.025


def test_the_cover_hides_turned_heads_with_their_hair(head):
    """Of the person above the chin nearly all is covered, of the background most is not."""
    contents = Contents(params=True, mask=True, landmarks=True)
    clips = SyntheticClips(0, range(1004, 1010), 1, 100, SIZE, contents)
    for number in range(6):
        clip = clips.read(number, (0, 50, 90))
        cover = draw_cover(head, clip.params, SIZE)
        assert set(cover.unique().tolist()) == {0.0, 1.0}
        rows = torch.arange(SIZE)[None, None, :, None] + 0.5
        person = (clip.mask > 127) & (rows < clip.landmarks[:, 8, 1, None, None, None] - 4)
        assert cover[person].mean() > 0.97
        assert cover[clip.mask == 0].mean() < 0.6


def test_the_background_between_head_and_margin_stays(head):
    """Means over six people: what is filled in there errs by more, and hair that stays is seen."""
    contents = Contents(params=True, mask=True)
    clips = SyntheticClips(0, range(1002, 1008), 1, 1, SIZE, contents)
    numbers = []
    for number in range(6):
        clip = clips.read(number, (0,))
        _, mask = draw_ray_depth(head, clip.params, SIZE)
        cover = draw_cover(head, clip.params, SIZE)
        changed, filled = remove_head(clip.image, mask.float(), cover), fill_pixels(clip.image, 1 - cover)
        kept, hair = (clip.mask == 0) & (cover == 1), (clip.mask == 255) & (cover == 1) & ~mask
        assert torch.equal(changed * (1 - cover), clip.image * (1 - cover))
        change, whole = ((picture - clip.image).abs().mean(1, keepdim=True) for picture in (changed, filled))
        rest = (changed - filled).abs().mean(1, keepdim=True)
        numbers.append([change[kept].mean(), whole[kept].mean(), rest[hair].mean(), whole[hair].mean()])
    change, whole, rest, hair = torch.tensor(numbers).mean(0).tolist()
    assert change < 0.5 * whole
    assert rest < 0.25 * hair


def test_unknown_pixels_are_filled_from_around():
    ramp = torch.linspace(-1, 1, 48)
    image = torch.stack([*torch.meshgrid(ramp, ramp, indexing="ij")])[None]
    known = torch.ones(1, 1, 48, 48)
    known[..., 12:36, 16:40] = 0
    filled = fill_pixels(torch.where(known == 1, image, 7.0), known)
    assert torch.equal(filled[..., 40:, :], image[..., 40:, :])
    assert (filled - image).abs().max() < 0.35
    assert filled.abs().max() <= 1
    plain = fill_pixels(torch.where(known == 1, 0.3, -1.0), known)
    torch.testing.assert_close(plain, torch.full_like(plain, 0.3))
