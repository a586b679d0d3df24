"""SQLite cache on disk: found again, bounded in size, shared by processes, and harmless where it cannot work."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ganrm_core.utils import disk_cache
from ganrm_core.utils.disk_cache import FILE, DiskCache, cache_in, user_folder

ROOT = Path(__file__).parents[3]
PLENTY = 10**6


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / FILE


@pytest.fixture
def cache(file: Path) -> DiskCache:
    return DiskCache(file, PLENTY)


class TestKeeping:
    def test_get_and_put(self, cache: DiskCache) -> None:
        assert cache.get("a") is None
        for content in (b"one", b""):
            cache.put("a", content)
            assert cache.get("a") == content
        cache.close()
        cache.close()
        assert cache.get("a") == b"", "it opens again"
        assert (cache.hits, cache.misses) == (3, 1)

    def test_threads_and_processes_write_at_once(self, cache: DiskCache) -> None:
        program = (
            "import sys; from concurrent.futures import ThreadPoolExecutor; from pathlib import Path\n"
            "from ganrm_core.utils.disk_cache import DiskCache\n"
            f"cache, name = DiskCache(Path({str(cache.path)!r}), 10**6), sys.argv[1]\n"
            "with ThreadPoolExecutor(4) as threads:\n"
            "    list(threads.map(lambda place: cache.put(f'{name} {place}', name.encode()), range(50)))\n"
        )
        running = [
            subprocess.Popen([sys.executable, "-c", program, str(n)], cwd=ROOT, stderr=subprocess.PIPE)
            for n in range(2)
        ]
        for process in running:
            _, errors = process.communicate()
            assert (process.returncode, errors) == (0, b"")
        assert all(cache.get(f"{n} {place}") == b"%d" % n for n in range(2) for place in range(50))


class TestSize:
    def test_the_least_recently_used_goes_first(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [10**12]
        monkeypatch.setattr(disk_cache, "_now", lambda: now[0])
        cache = DiskCache(file, 10_000)
        for place in range(13):
            if place == 9:
                assert cache.get("0") is not None  # used again
            cache.put(str(place), bytes(1000))
            now[0] += 10**7
        left = [place for place in range(13) if cache.get(str(place)) is not None]
        assert (left[0], 1 in left, left[-4:]) == (0, False, [9, 10, 11, 12])
        assert len(left) * 1000 <= 10_000

    def test_a_clock_that_was_set_back_does_not_keep_the_old_for_ever(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [4 * 10**12]
        monkeypatch.setattr(disk_cache, "_now", lambda: now[0])
        before = DiskCache(file, 10_000)
        for place in range(5):
            before.put(f"before {place}", bytes(1000))
            now[0] += 1000
        before.close()
        now[0] = 10**12
        cache = DiskCache(file, 10_000)
        for place in range(8):
            now[0] += 1000
            cache.put(f"after {place}", bytes(1000))
        assert all(cache.get(f"after {place}") is not None for place in range(8))
        left = [place for place in range(5) if cache.get(f"before {place}") is not None]
        assert left == list(range(5))[5 - len(left) :], "the oldest went first"

    def test_what_another_process_left_counts(self, file: Path) -> None:
        DiskCache(file, PLENTY).put("old", bytes(9000))
        cache = DiskCache(file, 5000)
        cache.put("new", bytes(1000))
        cache.put("too large", bytes(5001))
        assert [cache.get(key) for key in ("old", "new", "too large")] == [None, bytes(1000), None]


class TestTrouble:
    def test_a_damaged_file_is_replaced_and_a_damaged_entry_missing(
        self, cache: DiskCache, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.path.parent.mkdir()
        cache.path.write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
        assert cache.get("a") is None
        assert "is begun anew" in caplog.text
        cache.put("a", b"one")
        assert cache.get("a") == b"one"
        with sqlite3.connect(cache.path) as database:
            database.execute("UPDATE entries SET content = replace(content, 'one', 'two')")
        assert cache.get("a") is None

    @pytest.mark.parametrize("trouble", ["a file in its place", "a folder nobody can write", "no SQLite"])
    def test_one_warning_and_nothing_is_kept(
        self, trouble: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "file"
        if trouble == "no SQLite":
            monkeypatch.setattr(disk_cache, "_without_sqlite", ImportError("No module named '_sqlite3'"))
        elif trouble == "a file in its place":
            folder.write_bytes(b"mine")
        else:
            folder = Path("/proc/ganrm")
        cache = cache_in(None, str(folder))
        assert cache is not None
        with caplog.at_level(logging.WARNING):
            for key in ("a", "b"):
                cache.put(key, b"one")
                assert cache.get(key) is None
        cache.close()
        assert len(caplog.messages) == 1
        assert "works without it" in caplog.text
        assert "_sqlite3" in caplog.text or trouble != "no SQLite"
        assert not folder.is_dir()


class TestPlace:
    @pytest.fixture(autouse=True)
    def home(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.delenv("GANRM_CACHE", raising=False)
        for variable in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(variable, str(tmp_path))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_it_is_where_the_option_or_else_the_environment_says(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for said, place in (
            *((said, None) for said in ("off", " Off ", "0", "none", "NO", "false", '"off"')),
            *((said, "usual") for said in ("", "   ", '""')),
            *((said, "a b") for said in (f"{home}/a b", f'"{home}/a b"', "'~/a b'", f" {home}/a b/ ")),
            ("near/by", "near/by"),
        ):
            monkeypatch.delenv("GANRM_CACHE", raising=False)
            by_option = cache_in(home / "usual", said)
            monkeypatch.setenv("GANRM_CACHE", said)
            for found in (by_option, cache_in(home / "usual")):
                assert (found and found.path) == (place and home / place / FILE), said
        found = cache_in(home / "usual", str(home / "mine"))
        assert found is not None
        assert found.path == home / "mine" / FILE

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
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which is ignored
        monkeypatch.setenv(variable, str(tmp_path))
        assert user_folder() == tmp_path / below

    @pytest.mark.skipif(sys.platform == "win32", reason="users are known otherwise there")
    def test_a_user_without_a_home_has_no_cache_and_is_told_so(
        self, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(uid: object) -> None:
            raise KeyError(f"getpwuid(): uid not found: {uid}")

        for variable in ("HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr("pwd.getpwuid", unknown)
        for said in ("", "~/mine", "~nobody.at.all/mine"):
            assert cache_in(user_folder(), said) is None
        assert ["this user's home" in text for text in caplog.messages] == [True, False, False]
        assert all("Everything works without it" in text for text in caplog.messages)
        caplog.clear()
        assert cache_in(user_folder(), "off") is None
        assert cache_in(user_folder(), str(tmp_path)) is not None
        assert not caplog.messages
