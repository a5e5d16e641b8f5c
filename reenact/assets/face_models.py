"""Files of face models, and of the networks that estimate their parameters."""

from __future__ import annotations

from reenact.assets.model import Asset, File

_BASEL = "non-commercial research (University of Basel), signed agreement"

FACE_MODELS = (
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

REGRESSORS = (
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
