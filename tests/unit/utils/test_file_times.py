"""What is the newest stays so when the clock is set back."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ganrm_core.utils.file_times import modified_ns, set_newest


def test_newest_now_and_after_the_clock_was_set_back(tmp_path: Path) -> None:
    old, ahead, new = (tmp_path / name for name in ("old", "ahead", "new"))
    for path, seconds in ((old, 1000), (ahead, 4 * 10**9), (new, 1000)):
        path.touch()
        os.utime(path, (seconds, seconds))
    before = time.time_ns()
    set_newest(new, [old, new, tmp_path / "gone"])
    assert before <= modified_ns(new) <= time.time_ns()
    set_newest(new, [old, new, ahead])
    assert modified_ns(new) > modified_ns(ahead)
    set_newest(tmp_path / "gone", [old])
    assert modified_ns(tmp_path / "gone") == 0
