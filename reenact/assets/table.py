"""The files that parts of the package share and that users provide; files of a method stand in its `Method.assets`.

Digests: `face_landmarker.task` was measured; torch's and face-alignment's file names carry the first digits; the others
are those that several independent projects pin.
"""

from __future__ import annotations

from reenact.assets.model import Asset, File

TORCH_HUB = "{torch}/hub/checkpoints"
_RESEARCH = "non-commercial research"
_IMAGENET = "BSD-3-Clause (torchvision); trained on ImageNet"
_INSIGHTFACE = f"{_RESEARCH} (InsightFace)"
_BASEL = "non-commercial research (University of Basel), signed agreement"


def _torchvision_asset(name: str, purpose: str, file: str, sha256: str, first: str) -> Asset:
    return Asset(
        name=name,
        purpose=purpose,
        files=(File(file, sha256, holds=(first,)),),
        licence=_IMAGENET,
        source=f"reenact weights get {name}",
        free=True,
        url=f"https://download.pytorch.org/models/{file}",
        elsewhere=TORCH_HUB,
    )


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
        licence=_INSIGHTFACE,
        source=f"reenact weights get {name} --accept-licence",
        url=f"https://github.com/deepinsight/insightface/releases/download/v0.7/{name}.zip",
        elsewhere=f"~/.insightface/models/{name}",
        pack=True,
    )


_FACE_MODELS = (
    Asset(
        name="flame",
        purpose="FLAME head model (generic_model.pkl or .npz of 2017, 2019, 2020 or 2023)",
        files=tuple(
            File(f"flame/{name}", holds=("v_template", "shapedirs", "weights"))
            for name in ("generic_model.pkl", "generic_model.npz", "flame2023.pkl", "FLAME2023.pkl")
        ),
        licence="non-commercial research (2017-2020), CC BY 4.0 (2023 Open)",
        source="register at flame.is.tue.mpg.de and download the model",
    ),
    Asset(
        name="flame_landmarks",
        purpose="FLAME landmark embedding (landmark_embedding.npy of DECA)",
        files=(File("flame/landmark_embedding.npy", holds=("full_lmk_faces_idx", "full_lmk_bary_coords")),),
        licence="as FLAME",
        source="part of the DECA repository's data folder",
    ),
    Asset(
        name="flame_texture",
        purpose="FLAME texture space (FLAME_texture.npz): colours of the face model flame",
        files=(File("flame/FLAME_texture.npz", holds=("mean", "tex_dir")),),
        licence="CC BY-NC-SA 4.0 (FLAME texture space)",
        source="register at flame.is.tue.mpg.de and download the texture space",
    ),
    Asset(
        name="flame_uv",
        purpose="UV coordinates of FLAME's mesh (head_template_mesh.obj)",
        files=(File("flame/head_template_mesh.obj"),),
        licence="as FLAME",
        source="part of the FLAME texture space's download, and of the DECA repository's data folder as "
        "head_template.obj",
    ),
    Asset(
        name="bfm",
        purpose="Basel Face Model as Deep3D uses it (BFM_model_front.mat)",
        files=(
            File("bfm/BFM_model_front.mat", holds=("meanshape", "idBase", "exBase", "texBase", "tri", "point_buf")),
        ),
        licence=_BASEL,
        source="built by the Deep3DFaceRecon_pytorch scripts; or add what it is made of, bfm_2009, in its place",
    ),
    Asset(
        name="bfm_2009",
        purpose="Basel Face Model 2009 and an expression basis, of which Deep3D's face model is made",
        files=(
            File("bfm_2009/01_MorphableModel.mat", holds=("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV")),
            File("bfm_2009/Exp_Pca.bin", size=51_086_404),
            File("bfm_2009/std_exp.txt"),
            File("bfm_2009/BFM_front_idx.mat", holds=("idx",)),
            File("bfm_2009/BFM_exp_idx.mat", holds=("trimIndex",)),
            File("bfm_2009/facemodel_info.mat", holds=("tri", "point_buf", "keypoints", "skinmask")),
        ),
        licence=f"{_BASEL}; expression basis for research (Guo et al., CoarseData)",
        source="fill the folder BFM of the Deep3DFaceRecon_pytorch repository as its README says "
        "(01_MorphableModel.mat from faces.dmi.unibas.ch, Exp_Pca.bin from CoarseData of the 3DFace repository), "
        "then add that folder",
        pack=True,
    ),
)

_REGRESSORS = (
    Asset(
        name="deep3d",
        purpose="Deep3D's trained network (epoch_20.pth of Deep3DFaceRecon_pytorch)",
        files=(File("deep3d/epoch_20.pth", holds=("net_recon",)),),
        licence="MIT (code); trained on the Basel Face Model, which is for non-commercial research",
        source="follow the Deep3DFaceRecon_pytorch repository: the pretrained model of its README",
    ),
    Asset(
        name="deca",
        purpose="DECA's trained model (deca_model.tar)",
        files=(File("deca/deca_model.tar", holds=("E_flame",)),),
        licence="non-commercial research (Max Planck Society)",
        source="follow the DECA repository's data instructions: the released model",
    ),
    Asset(
        name="emoca",
        purpose="EMOCA's trained model (a .ckpt named after the model)",
        files=tuple(
            File(f"emoca/{name}.ckpt", holds=("state_dict",))
            for name in ("EMOCA_v2_lr_mse_20", "EMOCA_v2_lr_cos_1.5", "EMOCA_v2_mp", "EMOCA")
        ),
        licence="non-commercial research (Max Planck Society)",
        source="register at emoca.is.tue.mpg.de, download a model, and name the .ckpt of its detail/checkpoints "
        "after it",
    ),
    Asset(
        name="smirk",
        purpose="SMIRK's trained model (SMIRK_em1.pt)",
        files=(File("smirk/SMIRK_em1.pt", holds=("smirk_encoder.",)),),
        licence="MIT (SMIRK); built on FLAME, which is for non-commercial research",
        source="follow the SMIRK repository's quick_install.sh",
    ),
)

_DETECTORS = (
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

_LOSSES_AND_METRICS = (
    _torchvision_asset("vgg19", "VGG-19, for perceptual losses", "vgg19-dcbb9e9d.pth", "dcbb9e9d", "features.0.weight"),
    Asset(
        name="vggface",
        purpose="VGG-Face (VGG-16 on 2,622 people), for the perceptual loss of Face-vid2vid's kin",
        files=(File("vgg_face_dag.pth", holds=("conv1_1.weight", "fc8.weight")),),
        licence="research (University of Oxford); no licence text with the file",
        source="reenact weights get vggface --accept-licence",
        url="https://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/vgg_face_dag.pth",
    ),
    _torchvision_asset("alexnet", "AlexNet, for LPIPS", "alexnet-owt-7be5be79.pth", "7be5be79", "features.0.weight"),
    _torchvision_asset(
        "vgg16",
        "VGG-16, for LPIPS",
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "features.0.weight",
    ),
    _torchvision_asset(
        "squeezenet", "SqueezeNet, for LPIPS", "squeezenet1_1-b8a52dc0.pth", "b8a52dc0", "features.0.weight"
    ),
    Asset(
        name="inception",
        purpose="Inception of 2015-12-05, for FID and KID",
        files=(
            File(
                "weights-inception-2015-12-05-6726825d.pth",
                "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
                95_628_359,
            ),
        ),
        licence="Apache-2.0 (TensorFlow models; torch-fidelity)",
        source="reenact weights get inception",
        free=True,
        url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        elsewhere=TORCH_HUB,
    ),
    Asset(
        name="i3d",
        purpose="I3D on Kinetics-400 as TorchScript, for FVD",
        files=(
            File("i3d_torchscript.pt", "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2", 51_235_320),
        ),
        licence="Apache-2.0 (DeepMind's network; file of StyleGAN-V)",
        source="download the file named in StyleGAN-V's frechet_video_distance.py",
        free=True,
    ),
    Asset(
        name="hopenet",
        purpose="Hopenet, head pose in 3 x 66 bins (hopenet_robust_alpha1.pkl)",
        files=(File("hopenet_robust_alpha1.pkl", holds=("fc_yaw.weight", "fc_pitch.weight", "fc_roll.weight")),),
        licence="Apache-2.0 (deep-head-pose); trained on 300W-LP, which is for research",
        source="follow the deep-head-pose repository: the model 300W-LP, alpha 1, robust to image quality",
    ),
    Asset(
        name="openface",
        purpose="OpenFace's nn4.small2.v1 as converted for PyTorch, identity embedding of FOMM's AED",
        files=(File("openface.pth", holds=("layer1.weight", "layer14.seq_list.0.1_conv.weight", "layer25.weight")),),
        licence="Apache-2.0 (OpenFace); trained on CASIA-WebFace and FaceScrub, which are for research",
        source="take openface.pth out of the OpenFacePytorch repository that pose-evaluation names",
    ),
    Asset(
        name="facenet",
        purpose="FaceNet (Inception-ResNet on VGGFace2), identity embedding of facenet-pytorch",
        files=(File("20180402-114759-vggface2.pt", holds=("conv2d_1a.conv.weight", "last_linear.weight")),),
        licence="MIT (facenet-pytorch); trained on VGGFace2, which is for research",
        source="reenact weights get facenet --accept-licence",
        url="https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        elsewhere="{torch}/checkpoints",
    ),
)

ASSETS = {asset.name: asset for asset in (*_FACE_MODELS, *_REGRESSORS, *_DETECTORS, *_LOSSES_AND_METRICS)}
