"""Tiny data sets in the layouts in which their owners hand them out: grey videos, real metadata forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from media.made_videos import make_video

from reenact.media.pictures import write_image

WIDTH, HEIGHT = 64, 48
"""Of the made videos, in pixels."""


def _video(path: Path, frames: int = 20, fps: Fraction = Fraction(25)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_video(path, frames, fps)


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((48, 48, 3), 90, np.uint8))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def vox_annotation(first: int, last: int, box: str) -> str:
    """An official annotation file: six lines, then a table whose column names end with a blank."""
    head = "Identity  : \tid\nReference : \tref\nOffset    : \t-1\nFV Conf   : \t21.5 \t(1)\nASD Conf  : \t4.2\n\n"
    rows = "".join(f"{frame:06d} \t{box} \n" for frame in range(first, last + 1))
    return f"{head}FRAME \tX \tY \tW \tH \n{rows}"


def voxceleb1_txt(root: Path) -> None:
    _video(root / "videos" / "-abc_1.mp4", 40)
    _write(root / "txt" / "id10001" / "-abc_1" / "00001.txt", vox_annotation(5, 14, "120 \t90 \t240 \t180"))
    _write(root / "txt" / "id10270" / "gone" / "00002.txt", vox_annotation(0, 9, "120 \t90 \t240 \t180"))


def voxceleb1_table(root: Path) -> None:
    _video(root / "videos" / "v1.mp4", 40)
    rows = [
        "video_id,start,end,bbox,fps,width,height,partition,person_id",
        "v1,10,20,16-12-48-36,25,64,48,train,id10001",
        "v1,10,20,16-12-48-36,25,64,48,train,id10001",
        "v1,20,30,-4-0-40-48,25,64,48,train,id10282",
        "v2,0,9,0-0-64-48,25,64,48,test,id10283",
    ]
    _write(root / "vox-metadata.csv", "\n".join(rows) + "\n")


def voxceleb2_crops(root: Path) -> None:
    _video(root / "dev" / "mp4" / "id00012" / "vid" / "00001.mp4", 4)
    _video(root / "test" / "mp4" / "id00017" / "vid" / "00002.mp4", 4)


def voxceleb2_txt(root: Path) -> None:
    _video(root / "videos" / "v.mp4", 20)
    _write(root / "test" / "txt" / "id00017" / "v" / "00001.txt", vox_annotation(2, 6, "0.25 \t0.5 \t0.5 \t0.25"))


def fomm(root: Path) -> None:
    for split, person in (("train", "id10001"), ("test", "id10270"), ("test", "id10002")):
        _video(root / split / f"{person}#v#000000#000004.mp4", 4)


def celebvhq(root: Path) -> None:
    _video(root / "raw" / "_a_b.mp4", 50)
    entry = {
        "duration": {"start_sec": 0.4, "end_sec": 1.2},
        "bbox": {"top": 0.25, "bottom": 0.75, "left": 0.2, "right": 0.8},
    }
    clips = {"_a_b_0": {"ytb_id": "_a_b", **entry}, "gone_3": {"ytb_id": "gone", **entry}}
    _write(root / "celebvhq_info.json", json.dumps({"meta_info": {}, "clips": clips}))


def vfhq_meta(root: Path) -> None:
    _video(root / "videos" / "-x-y.mp4", 40, Fraction(30))
    text = "Height_note ... 1\nH ... 48\nW ... 64\nFPS ... 30.0\nCROP ... 8 6 40 38\n"
    _write(root / "meta_info" / "Clip+-x-y+P0+C1+F5-20.txt", text)
    _write(root / "meta_info" / "Clip+gone+P0+C0+F0-9.txt", text)


def vfhq_folders(root: Path) -> None:
    for number in range(3):
        _picture(root / "Clip+a-b+P0+C1+F0-2" / f"{number:08d}.png")
    _picture(root / "VFHQ-Test" / "Clip+c+P1+C0+F0-2" / "00000000.png")
    (root / "Clip+empty+P0+C0+F0-2").mkdir(parents=True)


def celebv(root: Path) -> None:
    for number in range(2):
        _picture(root / "Kathleen" / "Image" / f"P_{number}.jpg_000005439{number}.jpg")


def talkinghead(root: Path) -> None:
    _write(root / "data_list" / "val_video_tubes.txt", "a_b_0003,48,64,5,14,8,6,40,38\ngone_0000,48,64,0,9,8,6,40,38\n")
    _video(root / "val" / "1min_clips" / "a_b_0003.mp4", 30, Fraction(30))


def hdtf(root: Path) -> None:
    folder = root / "HDTF_dataset"
    _write(folder / "RD_annotion_time.txt", "Radio6.mp4 00:00-00:01 0:01-0:02\nRadio24.mp4 00:00-00:01\n")
    _write(folder / "RD_crop_wh.txt", "Radio6_0.mp4 16 32 8 32\n")
    _write(folder / "RD_resolution.txt", "Radio6.mp4 48\n")
    _video(root / "videos" / "Radio6.mp4", 60)


def celeba(root: Path) -> None:
    _write(root / "identity_CelebA.txt", "000001.jpg 2880\n000002.jpg 17\n000003.jpg 17\n")
    _write(root / "list_eval_partition.txt", "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    for number in (1, 3):
        _picture(root / "img_align_celeba" / f"{number:06d}.jpg")


def ffhq(root: Path) -> None:
    for number in (0, 59999, 60000):
        _picture(root / "images1024x1024" / f"{number // 1000 * 1000:05d}" / f"{number:05d}.png")


SETS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "voxceleb1_txt": ("voxceleb1", voxceleb1_txt),
    "voxceleb1_table": ("voxceleb1", voxceleb1_table),
    "voxceleb2_crops": ("voxceleb2", voxceleb2_crops),
    "voxceleb2_txt": ("voxceleb2", voxceleb2_txt),
    "fomm": ("voxceleb1", fomm),
    "celebvhq": ("celebvhq", celebvhq),
    "vfhq_meta": ("vfhq", vfhq_meta),
    "vfhq_folders": ("vfhq", vfhq_folders),
    "celebv": ("celebv", celebv),
    "talkinghead": ("talkinghead1kh", talkinghead),
    "hdtf": ("hdtf", hdtf),
    "celeba": ("celeba", celeba),
    "ffhq": ("ffhq", ffhq),
}
"""Name -> the data set's name on the command line, and the function that makes it."""
