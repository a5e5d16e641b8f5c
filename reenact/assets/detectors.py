"""Files of detectors, landmark networks and face recognition packs."""

from __future__ import annotations

from reenact.assets.model import TORCH_HUB, Asset, File


def _face_alignment(name: str, purpose: str, file: str, sha256: str, holds: str, data: str = "300W-LP") -> Asset:
    return Asset(
        name=name,
        purpose=purpose,
        files=(File(file, sha256, holds=(holds,)),),
        licence=f"BSD-3-Clause (face-alignment); trained on {data}, which is for research",
        source=f"reenact weights get {name} --accept-licence",
        url=f"https://www.adrianbulat.com/downloads/python-fan/{file}",
        elsewhere=TORCH_HUB,
    )


def _insightface_pack(name: str, purpose: str, detector: str, recogniser: File) -> Asset:
    folder = f"insightface/{name}"
    return Asset(
        name=name,
        purpose=purpose,
        files=(
            File(
                f"{folder}/{detector}", "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91", 16_923_827
            ),
            recogniser,
            File(f"{folder}/2d106det.onnx", "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf"),
            File(f"{folder}/1k3d68.onnx", "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc"),
        ),
        licence="non-commercial research (InsightFace)",
        source=f"reenact weights get {name} --accept-licence",
        url=f"https://github.com/deepinsight/insightface/releases/download/v0.7/{name}.zip",
        elsewhere=f"~/.insightface/models/{name}",
        pack=True,
    )


DETECTORS = (
    Asset(
        name="mediapipe",
        purpose="MediaPipe Face Landmarker: 478 landmarks with irises",
        files=(
            File(
                "face_landmarker.task",
                "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
                3_758_596,
                ("face_detector.tflite", "face_landmarks_detector.tflite"),
            ),
        ),
        licence="Apache-2.0",
        source="reenact weights get mediapipe",
        free=True,
        url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    ),
    Asset(
        name="selfie",
        purpose="MediaPipe's selfie segmentation: the mask of the person",
        files=(
            File("selfie_segmenter.tflite"),
            File(
                "selfie_segmentation.tflite",
                "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
                249_024,
            ),
        ),
        licence="Apache-2.0",
        source="reenact weights get selfie, or the file selfie_segmentation.tflite of the npm package"
        " @mediapipe/selfie_segmentation",
        free=True,
        url="https://storage.googleapis.com/mediapipe-models/image_segmenter/selfie_segmenter/float16/latest/selfie_segmenter.tflite",
    ),
    _face_alignment(
        "s3fd",
        "face-alignment's face detector",
        "s3fd-619a316812.pth",
        "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
        "conv1_1.weight",
        "WIDER FACE",
    ),
    _face_alignment(
        "fan2d",
        "face-alignment's 2D landmark network",
        "2DFAN4-11f355bf06.pth.tar",
        "11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
        "conv1.weight",
    ),
    _face_alignment(
        "fan3d", "face-alignment's 3D landmark network", "3DFAN4-7835d9f11d.pth.tar", "7835d9f11d", "conv1.weight"
    ),
    _face_alignment(
        "fan_depth", "face-alignment's depth of 3D landmarks", "depth-2a464da4ea.pth.tar", "2a464da4ea", "state_dict"
    ),
    _insightface_pack(
        "buffalo_l",
        "InsightFace pack buffalo_l: SCRFD detector, 68 and 106 landmarks, ArcFace ResNet-50 (WebFace600K)",
        "det_10g.onnx",
        File(
            "insightface/buffalo_l/w600k_r50.onnx",
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
            174_383_860,
        ),
    ),
    _insightface_pack(
        "antelopev2",
        "InsightFace pack antelopev2: SCRFD detector, 68 and 106 landmarks, ArcFace ResNet-100 (Glint360K)",
        "scrfd_10g_bnkps.onnx",
        File(
            "insightface/antelopev2/glintr100.onnx",
            "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf",
        ),
    ),
)
