"""What is kept on disk: found again, bounded in size, shared by processes, and never in the way."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.utils import disk_cache
from ganrm_core.utils.disk_cache import FILE, DiskCache, cache_in, keep_in, user_folder

ROOT = Path(__file__).parents[3]
PLENTY = 10**6


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / FILE


class TestKeeping:
    def test_what_was_put_is_found_by_another_process(self, file: Path) -> None:
        DiskCache(file, PLENTY).put("a", b"one")
        program = (
            "from pathlib import Path; from ganrm_core.utils.disk_cache import DiskCache\n"
            f"print(DiskCache(Path({str(file)!r}), 1).get('a'))"
        )
        ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
        assert ran.stdout.strip() == "b'one'", ran.stderr

    def test_what_was_not_put_is_none_and_what_is_put_again_replaces(self, file: Path) -> None:
        cache = DiskCache(file, PLENTY)
        assert cache.get("a") is None
        cache.put("a", b"one")
        cache.put("a", b"")
        assert cache.get("a") == b""

    def test_closed_it_opens_again(self, file: Path) -> None:
        cache = DiskCache(file, PLENTY)
        cache.put("a", b"one")
        cache.close()
        cache.close()
        assert cache.get("a") == b"one"

    def test_threads_share_one(self, file: Path) -> None:
        cache = DiskCache(file, PLENTY)

        def work(number: int) -> None:
            for place in range(30):
                cache.put(f"{number} {place}", f"{number} {place}".encode())

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(cache.get(f"{n} {p}") == f"{n} {p}".encode() for n in range(4) for p in range(30))

    def test_processes_write_at_once(self, file: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from ganrm_core.utils.disk_cache import DiskCache\n"
            f"cache = DiskCache(Path({str(file)!r}), 10**6)\n"
            "for place in range(100): cache.put(f'{sys.argv[1]} {place}', sys.argv[1].encode())\n"
        )
        running = [
            subprocess.Popen([sys.executable, "-c", program, str(n)], cwd=ROOT, stderr=subprocess.PIPE)
            for n in range(3)
        ]
        for process in running:
            _, errors = process.communicate()
            assert (process.returncode, errors) == (0, b"")
        cache = DiskCache(file, PLENTY)
        assert all(cache.get(f"{n} {place}") == str(n).encode() for n in range(3) for place in range(100))


class TestSize:
    def test_what_was_used_longest_ago_goes_first(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [10**12]
        monkeypatch.setattr(disk_cache, "_now", lambda: now[0])
        cache = DiskCache(file, 10_000)
        for place in range(9):
            cache.put(str(place), bytes(1000))
            now[0] += 10**7
        assert cache.get("0") is not None  # used again just now
        for place in range(9, 13):
            cache.put(str(place), bytes(1000))
            now[0] += 10**7
        left = [place for place in range(13) if cache.get(str(place)) is not None]
        assert 0 in left
        assert 1 not in left
        assert left[-4:] == [9, 10, 11, 12]
        assert sum(len(cache.get(str(place)) or b"") for place in left) <= 10_000

    def test_what_another_process_left_counts(self, file: Path) -> None:
        DiskCache(file, PLENTY).put("old", bytes(9000))
        cache = DiskCache(file, 5000)
        cache.put("new", bytes(1000))
        assert cache.get("old") is None
        assert cache.get("new") == bytes(1000)

    def test_what_is_larger_than_all_is_not_kept(self, file: Path) -> None:
        cache = DiskCache(file, 100)
        cache.put("a", b"one")
        cache.put("b", bytes(101))
        assert cache.get("b") is None
        assert cache.get("a") == b"one"


class TestTrouble:
    def test_a_damaged_file_is_begun_anew(self, file: Path, caplog: pytest.LogCaptureFixture) -> None:
        file.parent.mkdir()
        file.write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
        cache = DiskCache(file, PLENTY)
        assert cache.get("a") is None
        assert "is begun anew" in caplog.text
        cache.put("a", b"one")
        assert cache.get("a") == b"one"

    def test_a_damaged_entry_counts_as_absent(self, file: Path) -> None:
        cache = DiskCache(file, PLENTY)
        cache.put("a", b"one")
        with sqlite3.connect(file) as database:
            database.execute("UPDATE entries SET content = replace(content, 'one', 'two')")
        assert cache.get("a") is None

    def test_a_folder_that_cannot_be_made_is_said_once_and_raises_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        cache = DiskCache(tmp_path / "file" / FILE, PLENTY)
        with caplog.at_level(logging.WARNING):
            cache.put("a", b"one")
            assert cache.get("a") is None
            cache.put("b", b"two")
        assert len(caplog.records) == 1
        assert "works without it" in caplog.text


class TestPlace:
    @pytest.fixture(autouse=True)
    def _unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GANRM_CACHE", raising=False)

    @pytest.fixture
    def home(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        return tmp_path

    @pytest.fixture
    def homeless(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in a container started with `--user 12345`: no HOME, and no such user known."""
        pwd = pytest.importorskip("pwd")

        def unknown(uid: object) -> None:
            raise KeyError(f"getpwuid(): uid not found: {uid}")

        for variable in ("HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(pwd, "getpwuid", unknown)

    @pytest.fixture(params=["option", "environment"])
    def place(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Path | None]:
        """(folder, said) → where the cache lies, said by either way; None for none."""

        def find(folder: Path | None, said: str) -> Path | None:
            if request.param == "environment":
                monkeypatch.setenv("GANRM_CACHE", said)
            found = cache_in(folder, said if request.param == "option" else "")
            return found.path if found else None

        return find

    @pytest.mark.parametrize("said", ["off", "OFF", " Off ", "0", "none", "NO", "false", '"off"'])
    def test_it_can_be_turned_off(self, place: Callable[..., Path | None], said: str, tmp_path: Path) -> None:
        assert place(tmp_path, said) is None

    @pytest.mark.parametrize("said", ["", "   ", '""'])
    def test_nothing_said_is_the_usual_place(
        self, place: Callable[..., Path | None], said: str, tmp_path: Path
    ) -> None:
        assert place(tmp_path / "usual", said) == tmp_path / "usual" / FILE

    @pytest.mark.parametrize("said", ["{home}/a b", "~/a b", '"{home}/a b"', "'~/a b'", " {home}/a b/ "])
    def test_a_folder_is_found_however_it_is_written(
        self, place: Callable[..., Path | None], said: str, home: Path
    ) -> None:
        assert place(home / "usual", said.format(home=home)) == home / "a b" / FILE

    def test_a_relative_folder_stays_where_it_was_meant(
        self, place: Callable[..., Path | None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert place(tmp_path / "usual", "near/by") == tmp_path / "near" / "by" / FILE

    def test_the_option_comes_before_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("GANRM_CACHE", "off")
        found = cache_in(tmp_path / "usual", str(tmp_path / "mine"))
        assert found is not None
        assert found.path == tmp_path / "mine" / FILE

    @pytest.mark.parametrize(
        ("platform", "variable", "below"),
        [
            ("linux", "XDG_CACHE_HOME", "gan-rm"),
            ("linux", "HOME", ".cache/gan-rm"),
            ("win32", "LOCALAPPDATA", "gan-rm"),
            ("darwin", "HOME", "Library/Caches/gan-rm"),
        ],
    )
    def test_the_user_s_folder_is_the_system_s_own(
        self, platform: str, variable: str, below: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(disk_cache.sys, "platform", platform)
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which is to be ignored
        monkeypatch.setenv(variable, str(tmp_path))
        assert user_folder() == tmp_path / below

    @pytest.mark.usefixtures("homeless")
    def test_a_user_without_a_home_has_no_cache_and_is_told_so(
        self, place: Callable[..., Path | None], caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        assert place(user_folder(), "") is None
        assert place(user_folder(), "~/mine") is None
        assert place(user_folder(), "~nobody.at.all/mine") is None
        assert ["this user's home" in text for text in caplog.messages] == [True, False, False]
        assert all("Everything works without it" in text for text in caplog.messages)
        caplog.clear()
        assert place(user_folder(), "off") is None
        assert place(user_folder(), str(tmp_path)) == tmp_path / FILE
        assert not caplog.messages

    @pytest.mark.usefixtures("homeless")
    def test_no_command_needs_a_home(self, trained: Any, ganrm: Callable[..., Any], tmp_path: Path) -> None:
        picture = sorted(trained.liked.iterdir())[0]
        try:
            assert ganrm("score", trained.checkpoint, picture).code == 0
            assert ganrm("score", trained.checkpoint, picture, "--backbones", "~/weights").code == 0
            ran = ganrm("score", trained.checkpoint, picture, "--backbone", "transformers:~/weights/vit")
            assert ran.code == 2
            assert "There is no folder ~/weights/vit" in ran.err
            assert ganrm("heatmap", trained.checkpoint, picture, "--output", tmp_path / "maps").code == 0
        finally:
            keep_in(None)

    @pytest.mark.skipif(sys.platform == "win32", reason="users are known otherwise there")
    def test_a_process_of_a_user_unknown_to_the_system(self, trained: Any, tmp_path: Path) -> None:
        program = (
            "import pwd, sys\n"
            "def getpwuid(uid): raise KeyError(uid)\n"
            "pwd.getpwuid = getpwuid\n"
            "from ganrm_core.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        unknown = (
            "GANRM_CACHE",
            "XDG_CACHE_HOME",
            "HOME",
            "USER",
            "LOGNAME",
            "LNAME",
            "USERNAME",
            "TORCHINDUCTOR_CACHE_DIR",
        )
        ran = subprocess.run(
            [sys.executable, "-c", program, "score", trained.checkpoint, sorted(trained.liked.iterdir())[0]],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in unknown},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr.count("home folder") == 1


class TestUnusablePlaces:
    def test_a_file_in_its_place(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "file").write_bytes(b"mine")
        cache = cache_in(None, str(tmp_path / "file"))
        assert cache is not None
        cache.put("a", b"one")
        assert cache.get("a") is None
        assert len(caplog.messages) == 1
        assert (tmp_path / "file").read_bytes() == b"mine"

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no folders")
    def test_a_folder_that_cannot_be_written(self, caplog: pytest.LogCaptureFixture) -> None:
        cache = cache_in(None, "/proc/ganrm")
        assert cache is not None
        cache.put("a", b"one")
        assert cache.get("a") is None
        assert len(caplog.messages) == 1

    def test_without_sqlite_nothing_is_kept_and_one_line_says_so(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(disk_cache, "_without_sqlite", ImportError("No module named '_sqlite3'"))
        cache = DiskCache(file, PLENTY)
        cache.put("a", b"one")
        assert cache.get("a") is None
        cache.close()
        assert len(caplog.messages) == 1
        assert "No module named '_sqlite3'" in caplog.text
        assert not file.parent.exists()
