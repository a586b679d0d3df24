"""What is kept on disk: found again, bounded in size, shared by processes, and never in the way."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ganrm_core import disk_cache
from ganrm_core.disk_cache import FILE, DiskCache, cache_in, user_folder

ROOT = Path(__file__).parents[2]
PLENTY = 10**6


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / FILE


class TestKeeping:
    def test_what_was_put_is_found_by_another_process(self, file: Path) -> None:
        DiskCache(file, PLENTY).put("a", b"one")
        program = (
            "from pathlib import Path; from ganrm_core.disk_cache import DiskCache\n"
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
            "import sys; from pathlib import Path; from ganrm_core.disk_cache import DiskCache\n"
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
    def test_the_environment_decides(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("GANRM_CACHE", raising=False)
        found = cache_in(tmp_path / "usual")
        assert found is not None
        assert found.path == tmp_path / "usual" / FILE
        monkeypatch.setenv("GANRM_CACHE", str(tmp_path / "mine"))
        found = cache_in(tmp_path / "usual")
        assert found is not None
        assert found.path == tmp_path / "mine" / FILE
        monkeypatch.setenv("GANRM_CACHE", "OFF")
        assert cache_in(tmp_path / "usual") is None

    @pytest.mark.parametrize(
        ("platform", "variable", "below"),
        [
            ("linux", "XDG_CACHE_HOME", "gan-rm"),
            ("win32", "LOCALAPPDATA", "gan-rm"),
            ("darwin", "HOME", "Library/Caches/gan-rm"),
        ],
    )
    def test_the_user_s_folder_is_the_system_s_own(
        self, platform: str, variable: str, below: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(disk_cache.sys, "platform", platform)
        monkeypatch.setenv(variable, str(tmp_path))
        assert user_folder() == tmp_path / below
