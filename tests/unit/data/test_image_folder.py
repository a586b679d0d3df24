from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganrm_core.data import image_folder
from ganrm_core.data.content_hash import common_files, content_hashes, fingerprint
from ganrm_core.data.image_folder import find_images
from ganrm_core.data.selection_table import COLUMNS, SHEET, TABLE
from ganrm_core.data.skipped_files import Skipped, describe_skipped
from ganrm_core.data.streaming import decoders_beside, stream_images
from ganrm_core.utils.errors import DataError, ImageError


def picture(path: Path, value: int = 9, size: tuple[int, int] = (4, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path, "PNG")
    return path


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ganrm-worker")]


class TestFindImages:
    def test_natural_order_hidden_files_and_endings(self, tmp_path: Path) -> None:
        wanted = ["1.png", "2.JPG", "10.webp", "frame2.png", "Frame10.png", "frame10b.png", "٣.png", "名.gif"]
        shuffled = wanted[:]
        random.Random(0).shuffle(shuffled)
        for name in [*shuffled, ".hidden.png", "._frame2.png", "notes.txt", "png"]:
            (tmp_path / name).write_bytes(b"x")
        found = [path.name for path in find_images(tmp_path)]
        assert sorted(found) == sorted(wanted)
        order = ["1.png", "2.JPG", "10.webp", "frame2.png", "Frame10.png", "frame10b.png", "名.gif"]
        assert [name for name in found if name in order] == order

    def test_names_equal_but_for_case_have_a_fixed_order(self, tmp_path: Path) -> None:
        for name in ("b.png", "B.png", "b01.png", "b1.png"):
            (tmp_path / name).write_bytes(b"x")
        if len(list(tmp_path.iterdir())) == 4:
            assert [p.name for p in find_images(tmp_path)] == ["B.png", "b.png", "b01.png", "b1.png"]

    def test_the_contact_sheet_of_a_selection_is_no_picture_of_it(self, tmp_path: Path) -> None:
        kept = picture(tmp_path / "01_cat.png")
        sheet = picture(tmp_path / SHEET)
        assert find_images(tmp_path) == [kept, sheet], "without the table it may be anyone's picture"
        (tmp_path / TABLE).write_text(",".join(COLUMNS) + "\n")
        assert find_images(tmp_path) == [kept]

    def test_subfolders_only_when_asked(self, tmp_path: Path) -> None:
        inner = picture(tmp_path / "part10" / "a.png")
        earlier = picture(tmp_path / "part2" / "z.png")
        top = picture(tmp_path / "top.png")
        picture(tmp_path / ".cache" / "a.png")
        assert find_images(tmp_path) == [top]
        assert find_images(tmp_path, recursive=True) == [earlier, inner, top]

    def test_links_are_followed_once(self, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        picture(elsewhere / "far.png")
        root = tmp_path / "root"
        near = picture(root / "sub" / "near.png")
        (root / "linked").symlink_to(elsewhere)
        (root / "a-second-name").symlink_to(root / "sub")
        (root / "sub" / "loop").symlink_to(root)
        (root / "one.png").symlink_to(near)
        found = find_images(root, recursive=True)
        assert found == [root / "linked" / "far.png", root / "one.png", near]

    def test_links_to_nowhere_are_left_to_the_reader(self, tmp_path: Path) -> None:
        (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
        (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
        skipped: list[Skipped] = []
        assert list(stream_images(find_images(tmp_path), skipped=skipped)) == []
        assert [entry.path.name for entry in skipped] == ["broken.png", "self.png"]

    def test_a_link_to_the_folder_itself_may_be_given(self, tmp_path: Path) -> None:
        picture(tmp_path / "real" / "a.png")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert find_images(tmp_path / "link") == [tmp_path / "link" / "a.png"]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda _: None, "no folder.*Check the path"),
            (lambda folder: folder.write_bytes(b"x"), "not a folder.*Give the folder"),
            (lambda folder: folder.mkdir(), "is empty.*Put pictures"),
            (
                lambda folder: (
                    [folder.mkdir()]
                    + [(folder / name).write_bytes(b"") for name in ("a.txt", "b.TXT", "c.mp4", "README")]
                ),
                r"no picture, only 4 other files \(2 × \.txt, .*1 × \.mp4.*PNG, JPEG",
            ),
            (lambda folder: picture(folder / "deep" / "a.png"), "1 subfolder.*Include the subfolders"),
        ],
    )
    def test_a_folder_without_pictures_is_explained(
        self, make: Callable[[Path], object], message: str, tmp_path: Path
    ) -> None:
        folder = tmp_path / "my pictures"
        make(folder)
        with pytest.raises(DataError, match=message) as caught:
            find_images(folder)
        assert str(folder) in str(caught.value)

    def test_an_unlistable_folder_is_explained(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(DataError, match=r"Permission denied.*Check its permissions"):
            find_images(tmp_path)


class TestStreamImages:
    def test_order_indices_and_sizes(self, tmp_path: Path) -> None:
        paths = [picture(tmp_path / f"{n}.png", n, (n + 1, 2)) for n in range(40)]
        skipped: list[Skipped] = []
        seen = list(stream_images(paths, workers=4, prefetch=5, skipped=skipped))
        assert [index for index, _ in seen] == list(range(40))
        assert all(image.shape == (3, 2, n + 1) and image[0, 0, 0] == n for n, image in seen)
        assert all(image.dtype == torch.uint8 for _, image in seen)
        assert skipped == []
        assert decoders() == []

    def test_without_threads_it_is_the_same(self, tmp_path: Path) -> None:
        paths = [picture(tmp_path / f"{n}.png", n, (n + 1, 2)) for n in range(6)]
        paths[2].write_bytes(b"no picture")
        results = []
        for workers in (0, 3):
            skipped: list[Skipped] = []
            seen = [
                (index, image.shape)
                for index, image in stream_images(paths, workers=workers, skipped=skipped)
            ]
            results.append((seen, skipped))
        assert results[0] == results[1]
        assert len(results[0][0]) == 5

    def test_on_a_cpu_threads_take_only_idle_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: 4)
        monkeypatch.setattr(image_folder, "DECODERS", 3)
        for busy, expected in ((1, 3), (3, 1), (4, 0), (8, 0)):
            monkeypatch.setattr(torch, "get_num_threads", lambda busy=busy: busy)
            assert decoders_beside("cpu") == expected
            assert decoders_beside("cuda") == 3

    def test_unreadable_files_are_listed_in_order(self, tmp_path: Path) -> None:
        paths = [picture(tmp_path / f"{n}.png") for n in range(6)]
        paths[0].write_bytes(b"")
        paths[3].write_bytes(b"no picture")
        paths[5].unlink()
        skipped: list[Skipped] = []
        assert [index for index, _ in stream_images(paths, skipped=skipped)] == [1, 2, 4]
        assert [entry.path for entry in skipped] == [paths[0], paths[3], paths[5]]
        assert "empty" in skipped[0].reason
        assert "not a picture" in skipped[1].reason
        assert "not there" in skipped[2].reason

    def test_few_wait_decoded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lock, alive, most = threading.Lock(), 0, 0

        class Counted:
            def __init__(self) -> None:
                nonlocal alive, most
                with lock:
                    alive += 1
                    most = max(most, alive)

            def __del__(self) -> None:
                nonlocal alive
                with lock:
                    alive -= 1

        monkeypatch.setattr(image_folder, "read_image", lambda _path: Counted())
        paths = [tmp_path / str(n) for n in range(200)]
        count = sum(1 for _ in stream_images(paths, workers=3, prefetch=4, skipped=[]))
        assert count == 200
        # the 4 in the queue, the one handed out, and the one that replaced it in the queue
        assert most <= 6
        assert alive <= 1

    @pytest.mark.parametrize("ending", ["close", "raise", "drop"])
    def test_threads_end_with_the_generator(self, ending: str, tmp_path: Path) -> None:
        paths = [picture(tmp_path / f"{n}.png") for n in range(50)]
        stream = stream_images(paths, skipped=[])
        assert next(stream)[0] == 0
        assert decoders() != []
        if ending == "close":
            stream.close()  # type: ignore[attr-defined]
        elif ending == "raise":
            with pytest.raises(KeyboardInterrupt):
                stream.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
        else:
            del stream
        assert decoders() == []

    def test_the_consumers_exception_passes_untouched(self, tmp_path: Path) -> None:
        class CancelledError(Exception):
            pass

        def consume() -> None:
            for index, _ in stream_images(paths, skipped=[]):
                if index == 3:
                    raise CancelledError

        paths = [picture(tmp_path / f"{n}.png") for n in range(50)]
        with pytest.raises(CancelledError):
            consume()

    def test_a_fault_of_ours_is_not_taken_for_a_bad_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_path: Path) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(image_folder, "read_image", fail)
        skipped: list[Skipped] = []
        with pytest.raises(RuntimeError, match="a bug"):
            list(stream_images([tmp_path / "a.png"] * 9, skipped=skipped))
        assert skipped == []
        assert decoders() == []

    def test_nothing_to_read(self) -> None:
        assert list(stream_images([], skipped=[])) == []

    @pytest.mark.parametrize("wrong", [{"workers": -1}, {"prefetch": 0}])
    def test_wrong_settings(self, wrong: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="or more"):
            list(stream_images([], skipped=[], **wrong))


class TestDescribeSkipped:
    def test_sentences(self) -> None:
        entries = [Skipped(Path(f"folder/{n}.png"), "it is empty") for n in range(7)]
        assert describe_skipped([]) == ""
        assert describe_skipped(entries[:1]) == '1 file was skipped: "0.png" (it is empty).'
        assert (
            describe_skipped(entries[:2])
            == '2 files were skipped: "0.png" (it is empty) and "1.png" (it is empty).'
        )
        long = describe_skipped(entries, limit=2)
        assert long == '7 files were skipped: "0.png" (it is empty), "1.png" (it is empty) and 5 more.'

    def test_awkward_names_stay_on_one_line(self) -> None:
        text = describe_skipped([Skipped(Path("two\nlines\udcff.png"), "it is empty")])
        assert "\n" not in text
        text.encode("utf-8")


class TestHashes:
    def test_content_hash_is_sha256_of_the_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
        assert content_hashes([tmp_path / "a"]) == [hashlib.sha256(b"abc" * 1_000_000).hexdigest()]
        with pytest.raises(ImageError, match=r"gone.*Put it back"):
            content_hashes([tmp_path / "gone"])

    def test_fingerprint_ignores_order_only(self) -> None:
        a, b, c = (hashlib.sha256(name).hexdigest() for name in (b"a", b"b", b"c"))
        assert fingerprint([a, b, c]) == fingerprint([c, a, b])
        assert len({fingerprint(x) for x in ([], [a], [b], [a, b], [a, a], [a, b, c])}) == 6
        assert len(fingerprint([a])) == 64

    def test_common_files_gives_every_pair(self) -> None:
        assert common_files(["a", "b", "c", "a"], ["x", "a", "c", "a"]) == [
            (0, 1),
            (0, 3),
            (2, 2),
            (3, 1),
            (3, 3),
        ]
        assert common_files(["a"], ["b"]) == []
