"""Files of the networks that losses and metrics read."""

from __future__ import annotations

from reenact.assets.model import TORCH_HUB, Asset, File


def _torchvision_asset(name: str, purpose: str, file: str, sha256: str, first: str) -> Asset:
    return Asset(
        name=name,
        purpose=purpose,
        files=(File(file, sha256, holds=(first,)),),
        licence="BSD-3-Clause (torchvision); trained on ImageNet",
        source=f"reenact weights get {name}",
        free=True,
        url=f"https://download.pytorch.org/models/{file}",
        elsewhere=TORCH_HUB,
    )


LOSSES_AND_METRICS = (
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
