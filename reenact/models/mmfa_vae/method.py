"""The expression VAE of MMFA for the registry."""

from __future__ import annotations

from reenact.methods import Foundation, Method

METHOD = Method(
    name="mmfa_vae",
    order=5,
    title="MMFA",
    summary="expressions of a trained MMFA to sample and to go between",
    needs="images alone, a trained mmfa",
    paper="arXiv 2603.04302, section 3.3",
    class_path="reenact.models.mmfa_vae.MMFAVAEModule",
    presets={"mmfa_vae": "trained on the features of an mmfa, which --model.mmfa names or fit trains first"},
    stands_on={"mmfa_vae": Foundation(preset="mmfa", option="model.mmfa")},
    makes_pictures=False,
)
