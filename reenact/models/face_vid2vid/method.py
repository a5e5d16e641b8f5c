"""Face-vid2vid for the registry."""

from __future__ import annotations

from reenact.methods import Method

METHOD = Method(
    name="face_vid2vid",
    order=3,
    title="Face-vid2vid",
    summary="canonical 3D keypoints, moved by head pose and expression",
    motion="unsupervised 3D keypoints, head pose and expression apart",
    needs="images alone",
    paper="CVPR 2021, arXiv 2011.15126",
    status="here; reproduces the public code's tensors",
    page="face_vid2vid.md",
    class_path="reenact.models.face_vid2vid.FaceVid2VidModule",
    presets={
        "face_vid2vid": "the paper's decoder",
        "face_vid2vid_spade": "the wider decoder of the released weights",
    },
    converter="reenact.models.face_vid2vid.convert",
    toys="reenact.models.face_vid2vid.toys:list_toys",
)
