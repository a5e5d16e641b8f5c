"""The decoder for inference beside the one that is trained."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reenact.nn.conv import SpectralConv2d
from reenact.nn.folded_spade import EnlargedConv, FoldedSpadeDecoder
from reenact.nn.spade import SpadeDecoder
from reenact.nn.winograd import WinogradConv, use_winograd


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@torch.no_grad()
def test_a_style_is_convolved_as_if_it_were_enlarged(factor):
    torch.manual_seed(0)
    conv, style = nn.Conv2d(5, 3, 3, padding=1), torch.randn(2, 5, 6, 4)
    enlarged = F.interpolate(style, scale_factor=float(factor), mode="nearest")
    torch.testing.assert_close(EnlargedConv(conv, factor)(style), F.relu(conv(enlarged)), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@torch.no_grad()
def test_the_folded_decoder_draws_the_same_pictures(precision, tolerance):
    torch.manual_seed(0)
    decoder = SpadeDecoder(64, 64, 128, 2)
    for part in decoder.modules():
        if isinstance(part, SpectralConv2d):
            for _ in range(15):
                part.weight()
    style = torch.randn(2, 64, 8, 8)
    plain = decoder.eval()(style)
    folded = FoldedSpadeDecoder(decoder).eval()
    use_winograd(folded)
    assert any(isinstance(part, WinogradConv) for part in folded.modules())
    with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        picture = folded(style)
    assert plain.std() > 0.03
    torch.testing.assert_close(picture.float(), plain, atol=tolerance, rtol=0)
