"""Data sets read as their owners hand them out."""

from fractions import Fraction

import pytest
from media.made_videos import make_video, number_of

from reenact.data.layouts import LAYOUTS, find_clips
from reenact.data.layouts.celebvhq import square_of
from reenact.data.prepare.inputs import open_frames
from reenact.errors import ReenactError

from .made_sets import SETS, voxceleb1_table


@pytest.fixture
def made(tmp_path, request):
    name, make = SETS[request.param]
    make(tmp_path)
    return {clip.name: clip for clip in find_clips(tmp_path, name)}


def of(name):
    return pytest.mark.parametrize("made", [name], indirect=True)


def numbers(clip, fps=None):
    return [number_of(image) for image in open_frames(clip, fps).read()]


@of("voxceleb1_txt")
def test_voxceleb1_annotations(made):
    clip = made["id10001#-abc_1#00001.mp4"]
    assert (clip.split, clip.identity, clip.span) == ("train", "vox1-id10001", (5 / 25, 15 / 25))
    assert clip.region == pytest.approx((0.25, 0.25, 0.75, 0.75))  # boxes are for frames 360 high: 480 x 360 here
    assert numbers(clip) == list(range(5, 15))
    absent = made["id10270#gone#00002.mp4"]
    assert (absent.split, absent.missing) == ("test", "videos/gone.mp4 is absent")


@of("voxceleb1_table")
def test_the_table_of_voxceleb1(made):
    clip = made["id10001#v1#000010#000020.mp4"]
    assert clip.region == pytest.approx((0.25, 0.25, 0.75, 0.75))
    assert numbers(clip) == list(range(10, 20))
    leaked = made["id10282#v1#000020#000030.mp4"]
    assert (leaked.split, leaked.identity) == ("test", "vox1-id10282")
    assert leaked.region == pytest.approx((0, 0, 40 / 64, 1))
    assert made["id10283#v2#000000#000009.mp4"].missing
    assert len(made) == 3


@of("voxceleb2_crops")
def test_the_crops_of_voxceleb2(made):
    splits = {clip.identity: clip.split for clip in made.values()}
    assert splits == {"vox2-id00012": "train", "vox2-id00017": "test"}


@of("voxceleb2_txt")
def test_voxceleb2_annotations(made):
    clip = made["id00017#v#00001.mp4"]
    assert (clip.split, clip.identity) == ("test", "vox2-id00017")
    assert clip.region == pytest.approx((0.25, 0.5, 0.75, 0.75))  # boxes are fractions
    assert numbers(clip) == list(range(2, 7))


@of("fomm")
def test_fomms_folders_keep_the_official_speakers_apart(made):
    splits = {clip.identity: clip.split for clip in made.values()}
    assert splits == {"vox1-id10001": "train", "vox1-id10270": "test", "vox1-id10002": "train"}


@of("celebvhq")
def test_celebvhq(made):
    clip = made["_a_b_0.mp4"]
    assert (clip.identity, clip.span) == ("cvhq-_a_b", (0.4, 1.2))
    assert numbers(clip) == [k % 25 for k in range(10, 30)]
    left, top, right, bottom = clip.region
    assert (right - left) * 64 == pytest.approx((bottom - top) * 48)
    assert made["gone_3.mp4"].missing == "raw/gone.mp4 is absent"


def test_the_square_of_celebvhq_has_the_shorter_side():
    box = {"top": 0.1, "bottom": 0.5, "left": 0.3, "right": 0.9}
    left, top, right, bottom = square_of(box, 1000, 500)
    # 280..920 by 40..260 pixels after the margin: half the shorter side is 110, the centre (600, 150)
    assert (left, top, right, bottom) == pytest.approx((0.49, 0.08, 0.71, 0.52))


@of("vfhq_meta")
def test_vfhq_from_videos(made):
    clip = made["Clip+-x-y+P0+C1+F5-20"]
    assert (clip.identity, clip.region) == ("vfhq--x-y", pytest.approx((8 / 64, 6 / 48, 40 / 64, 38 / 48)))
    assert numbers(clip) == list(range(6, 20))
    assert made["Clip+gone+P0+C0+F0-9"].missing


@of("vfhq_folders")
def test_vfhq_from_folders(made):
    assert {name: (clip.split, bool(clip.missing)) for name, clip in made.items()} == {
        "Clip+a-b+P0+C1+F0-2": ("train", False),
        "Clip+c+P1+C0+F0-2": ("test", False),
        "Clip+empty+P0+C0+F0-2": ("train", True),
    }
    assert len(list(open_frames(made["Clip+a-b+P0+C1+F0-2"]).read())) == 3


@of("celebv")
def test_celebv(made):
    assert len(made) == 5
    assert {clip.split for clip in made.values()} == {"test"}
    assert [name for name, clip in made.items() if not clip.missing] == ["Kathleen"]
    assert all(clip.album for clip in made.values())


@of("talkinghead")
def test_talkinghead(made):
    clip = made["a_b_0003_S5_E14_L8_T6_R40_B38.mp4"]
    assert (clip.split, clip.identity) == ("test", "th1kh-a_b")
    assert numbers(clip) == list(range(5, 15))
    assert made["gone_0000_S0_E9_L8_T6_R40_B38.mp4"].missing == "1min_clips/gone_0000.mp4 is absent"


@of("hdtf")
def test_hdtf(made):
    first, second = made["Radio6_0.mp4"], made["Radio6_1.mp4"]
    assert first.region == pytest.approx((0.25, 8 / 48, 0.75, 40 / 48))
    assert second.region is None
    assert numbers(second) == [k % 25 for k in range(25, 50)]
    assert made["Radio24_0.mp4"].missing


@of("celeba")
def test_celeba(made):
    assert {clip.split for clip in made.values()} == {"train", "val", "test"}
    assert made["celeba-000002"].missing == "img_align_celeba/000002.jpg is absent"
    assert made["celeba-000003"].identity == "celeba-17"


@of("ffhq")
def test_ffhq(made):
    assert [clip.split for clip in made.values()] == ["train", "train", "test"]


@pytest.mark.parametrize("name", SETS)
def test_plain_layouts_are_recognised(name, tmp_path):
    dataset, make = SETS[name]
    make(tmp_path)
    if name in ("voxceleb1_txt", "voxceleb2_txt", "fomm"):  # VoxCeleb1 and 2 have the same files
        assert not any(LAYOUTS[which].marks(tmp_path) for which in ("voxceleb1", "voxceleb2"))
        return
    assert find_clips(tmp_path) == find_clips(tmp_path, dataset)


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_another_folder_is_refused_with_what_was_expected_and_found(dataset, tmp_path):
    (tmp_path / "thesis").mkdir()
    make_video(tmp_path / "thesis" / "talk.mp4", 2)
    with pytest.raises(ReenactError) as error:
        find_clips(tmp_path, dataset)
    layout = LAYOUTS[dataset]
    assert str(error.value) == f"{tmp_path} is not {layout.title}: expected {layout.expects}; found thesis"


def test_frames_are_read_at_another_rate(tmp_path):
    SETS["celebvhq"][1](tmp_path)
    clip = next(clip for clip in find_clips(tmp_path) if not clip.missing)
    assert numbers(clip, Fraction(5)) == [12, 17, 22, 2]


@pytest.mark.parametrize(
    ("name", "file", "text", "sentence"),
    [
        ("voxceleb1_table", "vox-metadata.csv", "a,b\n1,2\n", "lacks the columns"),
        ("celebvhq", "celebvhq_info.json", "{", "damaged or has no `clips`"),
        ("vfhq_meta", "meta_info/Clip+a+P0+C0+F1-2.txt", "H ... 48\n", "has no W, FPS, CROP"),
        ("talkinghead", "data_list/val_video_tubes.txt", "a,b\n", "where name,H,W,S,E,L,T,R,B was expected"),
        ("hdtf", "HDTF_dataset/RD_annotion_time.txt", "Radio6.mp4 soon\n", "was expected"),
        ("celeba", "identity_CelebA.txt", "one\n", "where file identity was expected"),
        ("voxceleb1_txt", "txt/id10001/-abc_1/00001.txt", "nothing\n", "has no table FRAME X Y W H"),
    ],
)
def test_damaged_metadata_are_named(name, file, text, sentence, tmp_path):
    dataset, make = SETS[name]
    make(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(ReenactError, match=sentence):
        find_clips(tmp_path, dataset)


@pytest.mark.parametrize("name", sorted(SETS))
def test_lists_with_a_byte_order_mark_are_read_alike(name, tmp_path):
    dataset, make = SETS[name]
    make(tmp_path)
    clips = find_clips(tmp_path, dataset)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".txt", ".csv", ".json"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert find_clips(tmp_path, dataset) == clips


@pytest.mark.parametrize("video", ["../../secret", "/etc/secret", ".hidden"])
def test_metadata_name_videos_of_their_own_folder_alone(video, tmp_path):
    voxceleb1_table(tmp_path)
    table = tmp_path / "vox-metadata.csv"
    table.write_text(table.read_text().replace("v1,", f"{video},"))
    clips = find_clips(tmp_path, "voxceleb1")
    assert [clip.missing for clip in clips if video in clip.name] == [
        f"{video!r} in the metadata is no name of a video"
    ] * 2
