from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from reenact.data.datamodules.clips import Clips
from reenact.data.pairs.frames import list_around
from reenact.data.pairs.lists import NamedPair, read_pairs, write_pairs
from reenact.data.pairs.plans import write_plan
from reenact.data.store.pack import pack
from reenact.data.store.reader import Store, StoreInfo
from reenact.data.store.root_files import MANIFEST
from reenact.data.store.writer import StoreWriter
from reenact.errors import ReenactError
from reenact.faces.contents import Contents
from reenact.methods.registry import collect_pair_plans

from .made_store import SIZE, add_clip, made_arrays, made_store, made_writer


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Eight clips of four people to test on."""
    return made_store(tmp_path_factory.mktemp("pairs") / "store", identities=4, split="test")


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    writer = made_writer(tmp_path_factory.mktemp("portraits") / "store")
    for number in range(3):
        add_clip(writer, f"face{number}", 1)
    return writer.root


def plan(root, tmp_path, preset, **more):
    path = tmp_path / "pairs.csv"
    said = write_plan(str(root), preset=preset, out=path, **more)
    return read_pairs(path), said


def person(name):
    return name.partition("#")[0]


def listed(root, path, **more):
    return Clips(root, size=16, batch_size=2, num_workers=0, pairs=path, **more)


def seen(loader):
    return [
        (batch.source.clip[i], int(batch.source.frame[i]), batch.driving.clip[i], batch.driving.frame[i].tolist())
        for batch in loader
        for i in range(len(batch.source.clip))
    ]


def test_what_is_written_is_read(tmp_path):
    pairs = [NamedPair("a#1.mp4", 3, "b, c", 0), NamedPair("-x", 0, "y", None)]
    write_pairs(tmp_path / "new" / "pairs.csv", pairs)
    assert read_pairs(tmp_path / "new" / "pairs.csv") == pairs
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["pairs.csv"]


def test_bfm_flow_has_twenty_pairs_of_each_kind_for_each_clip(root, tmp_path):
    pairs, said = plan(root, tmp_path, "bfm_flow")
    own = [pair for pair in pairs if pair.source == pair.driving]
    cross = [pair for pair in pairs if pair.source != pair.driving]
    assert set(Counter(pair.source for pair in own).values()) == {20}
    assert set(Counter(pair.source for pair in cross).values()) == {20}
    assert len(own) == len(cross) == 20 * 8
    assert all(pair.source_frame != pair.driving_frame for pair in own)
    assert all(person(pair.source) != person(pair.driving) for pair in cross)
    assert "320 pairs of 8 clips (160 with one identity, 160 with two)" in said


def test_celebv_has_a_thousand_for_each_person(root, tmp_path):
    pairs, _ = plan(root, tmp_path, "bfm_flow_celebv")
    assert Counter(person(pair.source) for pair in pairs) == {f"p{number}": 1000 for number in range(4)}
    assert all(person(pair.source) != person(pair.driving) for pair in pairs)
    assert len({(pair.driving, pair.driving_frame) for pair in pairs}) > 50


def test_pwm_goes_both_ways(root, tmp_path):
    pairs, _ = plan(root, tmp_path, "pwm")
    own = [(pair.source, pair.source_frame, pair.driving_frame) for pair in pairs if pair.source == pair.driving]
    assert len(own) == 16
    assert {(clip, second, first) for clip, first, second in own} == set(own)


def test_export3d_takes_whole_clips_and_another_person(root, tmp_path):
    pairs, said = plan(root, tmp_path, "export3d")
    assert {pair.driving_frame for pair in pairs} == {None}
    assert Counter(pair.driving for pair in pairs) == {clip.name: 2 for clip in Store(root).clips()}
    assert sum(person(pair.source) == person(pair.driving) for pair in pairs) == 8
    assert said.endswith("; the paper has 50 clips")


def test_export3d_starts_from_the_straightest_frame(tmp_path):
    writer = made_writer(tmp_path / "store")
    for name, frame in (("p0#0", 3), ("p1#0", 7)):
        arrays = made_arrays(12)
        params = arrays.params
        params.global_pose[:], params.neck_pose[:] = 0.0, 0.0
        params.neck_pose[:, 1] = torch.linspace(0.2, 0.8, 12)  # yaw
        params.global_pose[:, 0] = 0.4  # pitch
        params.global_pose[frame] = torch.tensor([0.0, 0.0, 1.5])  # only rolled, and turned by the neck
        params.neck_pose[frame] = 0.0
        add_clip(writer, name, 12, "test", arrays)
    pairs, _ = plan(writer.root, tmp_path, "export3d")
    assert {pair.source: pair.source_frame for pair in pairs} == {"p0#0": 3, "p1#0": 7}
    bare = StoreWriter(tmp_path / "bare", StoreInfo("", SIZE, {}, ("crop", "visible")))
    add_clip(bare, "p0#0", 12, "test", replace(made_arrays(12), landmarks=None, params=None))
    sentence(lambda: plan(bare.root, tmp_path, "export3d"), "bare has no face parameters; prepare it again")


@pytest.mark.parametrize("preset", ["mmfa", "magicportrait"])
def test_portraits_of_another_store(root, portraits, tmp_path, preset):
    pairs, _ = plan(root, tmp_path, preset, sources=str(portraits))
    faces = Counter(pair.source for pair in pairs if pair.source != pair.driving)
    assert sorted(faces.values()) == [2, 3, 3]
    loaders = listed(root, tmp_path / "pairs.csv", sources=portraits).test_dataloader()
    assert {len(loader.dataset) for loader in loaders.values()} == {2 * sum(range(12, 16))}
    crossed = seen(loaders["cross"])
    assert {source[:4] for source, *_ in crossed} == {"face"}
    assert [frame for _, _, clip, frame in crossed if clip == "p1#0"] == list(range(13))


def test_papers_that_name_a_number_get_people_evenly(tmp_path):
    root = made_store(tmp_path / "store", identities=12, clips=4, split="test")
    pairs, said = plan(root, tmp_path, "export3d_talkinghead")
    people = Counter(person(pair.driving) for pair in pairs if pair.source == pair.driving)
    assert len(people) == 12
    assert sum(people.values()) == collect_pair_plans()["export3d_talkinghead"].clips == 20
    assert set(people.values()) == {1, 2}
    assert "the paper has" not in said


def test_a_list_is_a_matter_of_the_seed(root, tmp_path):
    again = [plan(root, tmp_path, "bfm_flow", seed=seed)[0] for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    pack(root, out=tmp_path / "shards")
    assert plan(tmp_path / "shards", tmp_path, "bfm_flow", seed=1)[0] == again[0]


def test_loaders_follow_the_list(root, tmp_path):
    pairs = [
        NamedPair("p0#0", 3, "p0#1", 4),
        NamedPair("p1#0", 0, "p2#1", 13),
        NamedPair("p3#1", 14, "p3#1", 0),
        NamedPair("p0#1", 2, "p3#0", None),
    ]
    write_pairs(tmp_path / "pairs.csv", pairs)
    data = listed(root, tmp_path / "pairs.csv")
    for loaders in (data.val_dataloader(), data.test_dataloader()):
        assert seen(loaders["self"]) == [("p0#0", 3, "p0#1", 4), ("p3#1", 14, "p3#1", 0)]
        assert seen(loaders["cross"]) == [("p1#0", 0, "p2#1", 13), *(("p0#1", 2, "p3#0", k) for k in range(15))]


def test_a_method_of_clips_drives_a_clip_as_a_whole(root, tmp_path):
    write_pairs(tmp_path / "pairs.csv", [NamedPair("p0#0", 0, "p3#0", None), NamedPair("p0#0", 1, "p3#1", 7)])
    data = listed(root, tmp_path / "pairs.csv")
    data.serve(Contents(clip_length=4))
    first, second = data.test_dataloader()["cross"]
    assert first.driving.frame.tolist() == [list(range(15))]
    assert second.driving.frame.tolist() == [7]
    assert second.around.frame.tolist() == [[5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("start", "stride", "around"),
    [
        (7, 3, [1, 4, 7, 10]),
        (2, 3, [2, 5, 8, 11]),
        (13, 3, [4, 7, 10, 13]),
        (7, 5, [2, 7, 12]),
        (0, 1, [0, 1, 2, 3]),
        (14, 1, [11, 12, 13, 14]),
    ],
)
def test_frames_around_one_keep_a_stride(start, stride, around):
    """A clip of 15 frames: it has fewer than four where the stride is wide."""
    assert list(list_around(start, 15, Contents(clip_length=4, test_stride=stride))) == around


def test_cross_pairs_with_other_sources_need_no_list(root, portraits):
    loaders = Clips(root, size=16, batch_size=4, num_workers=0, num_val_pairs=6, sources=portraits).val_dataloader()
    assert {row[0][:4] for row in seen(loaders["cross"])} == {"face"}
    assert all(source == driving for source, _, driving, _ in seen(loaders["self"]))


DAGAN = "/data/vox1_frames/test/{}/{:07d}.png"


def test_lists_of_fomm_and_dagan(root, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("source,driving,frame\np0#0,p1#0,0.0\np2#0,p2#0,7.0\n")
    assert read_pairs(path) == [NamedPair("p0#0", 0, "p1#0", None), NamedPair("p2#0", 0, "p2#0", None)]
    lines = [(DAGAN.format("p0#0", 5), DAGAN.format("p0#0", 3)), (DAGAN.format("p1#1", 0), DAGAN.format("p2#0", 9))]
    path.write_text("source,driving,frame\n" + "".join(f"{source},{driving}\n" for source, driving in lines))
    assert seen(listed(root, path).test_dataloader()["cross"]) == [("p1#1", 0, "p2#0", 9)]
    path.write_text(f"source,driving,best_frame\n{','.join(lines[0])},{DAGAN.format('p0#0', 1)}\n")
    assert read_pairs(path) == [NamedPair("p0#0", 5, "p0#0", 3)]
    path.write_text(f"source,driving\n{lines[0][0]},/data/test/p3#0\n")
    assert read_pairs(path) == [NamedPair("p0#0", 5, "p3#0", None)]


def sentence(run, words):
    with pytest.raises(ReenactError, match=words) as error:
        run()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty or no CSV"),
        ("a,b\n1,2\n", "has the columns a,b; expected source,source_frame"),
        ("source,source_frame,driving,driving_frame\np,1,q,2\np,x,q,2\n", "Line 3 of .* is no pair"),
        ("source,source_frame,driving,driving_frame\np,1\n", "Line 2 of .* is no pair"),
        ("source,driving,frame\np\n", "Line 2 of .* is no pair"),
        ("source,driving,frame\n/x/test/p/a.png,q\n", "frames whose names are numbers"),
    ],
)
def test_files_that_are_no_lists(root, tmp_path, text, words):
    (tmp_path / "pairs.csv").write_text(text)
    sentence(lambda: listed(root, tmp_path / "pairs.csv"), words)
    sentence(lambda: listed(root, tmp_path / "nowhere.csv"), "can't be read")


def test_lists_that_name_what_is_not_there(root, portraits, tmp_path):
    path = tmp_path / "pairs.csv"
    for pairs, words in (
        (
            [NamedPair("p0#0", 0, "q#0", 0), NamedPair("r#0", 0, "p0#0", 0), NamedPair("s#0", 0, "p0#0", 0)],
            r"held-out clips of the data set: r#0 and 1 more \(of 3\)",
        ),
        ([NamedPair("p0#0", 0, "p1#0", 13)], "frame 13 of clip p1#0, which has 13"),
        ([NamedPair("p0#0", 12, "p1#0", 0)], "frame 12 of clip p0#0, which has 12"),
        ([NamedPair("p0#0", -1, "p1#0", 0)], "frame -1"),
    ):
        write_pairs(path, pairs)
        sentence(listed(root, path).test_dataloader, words)
    write_pairs(path, [NamedPair("p0#0", 0, "p1#0", 0)])
    sentence(listed(root, path, sources=portraits).test_dataloader, "not among the clips of --data.sources: p0#0 ")


def test_what_pairs_refuses(root, portraits, tmp_path):
    sentence(lambda: plan(root, tmp_path, "mmfa"), "name its store with --sources")
    sentence(lambda: plan(root, tmp_path, "pwm", sources=str(portraits)), "leave out --sources")
    sentence(lambda: plan(root, tmp_path, "pwm", split="val"), r"no usable val clip .* \(it has: test\)")
    sentence(lambda: plan(tmp_path, tmp_path, "pwm"), "is not a store")
    one = made_store(tmp_path / "one", identities=1, split="test")
    sentence(lambda: plan(one, tmp_path, "bfm_flow_celebv"), "show one identity")
    (tmp_path / "file").touch()
    sentence(lambda: write_plan(str(root), preset="pwm", out=tmp_path / "file" / "x.csv"), "can't be written")


def test_sources_of_another_face_model(root, tmp_path):
    other = made_store(tmp_path / "other", identities=2)
    with closing(sqlite3.connect(other / MANIFEST)) as database, database:
        database.execute("UPDATE store SET value = 'flame' WHERE key = 'face_model'")
    sentence(Clips(root, size=16, sources=other).test_dataloader, "parameters of the face model 'flame'")
    empty = made_store(tmp_path / "empty", identities=0)
    sentence(Clips(root, size=16, sources=empty).test_dataloader, "has no usable clip")


def test_a_store_of_one_split_is_tested_on_what_loaders_hold_out(tmp_path):
    root = made_store(tmp_path / "store", identities=6, split="train")
    pairs, _ = plan(root, tmp_path, "export3d")
    held = listed(root, tmp_path / "pairs.csv").test_dataloader()
    assert len(held["self"].dataset) == sum(
        int(Store(root).clip(pair.driving).num_frames) for pair in pairs if pair.source == pair.driving
    )
    assert len({person(pair.driving) for pair in pairs}) == 2


def test_a_list_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes("source,source_frame,driving,driving_frame\na,0,b,1\n".encode("utf-8-sig"))
    assert read_pairs(path) == [NamedPair("a", 0, "b", 1)]
