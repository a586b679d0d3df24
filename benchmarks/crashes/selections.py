"""Moving files: `ganrm best --move`, `--copy`, and `ganrm cull --move-rest` with its undo. No picture is ever lost."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from ganrm_core.selection.unfinished import LIST

from .processes import Journal
from .scenario import Materials, Scenario, command, picture_faults, visible

_PICTURES, _BEST, _REST = "pictures", "best", "rest"


class Best(Scenario):
    """`ganrm best`: killed anywhere, the same command again ends as if nothing had happened."""

    def __init__(self, materials: Materials, journal: Journal, mode: str) -> None:
        super().__init__(materials, journal)
        self.name, self._mode = f"ganrm best --{mode}", mode
        self._expected: list[str] = []

    def prepare(self, folder: Path) -> None:
        self.materials.copied_to(folder / _PICTURES)

    def run(self, folder: Path) -> None:
        if (folder / _BEST / "contact_sheet.jpg").exists() and not (folder / _BEST / LIST).exists():
            return  # the one before was killed after its work: a user looks at the result
        places = (self.materials.model, folder / _PICTURES, "--output", folder / _BEST)
        command("best", *places, "--group-size", "2", f"--{self._mode}")

    def faults(self, folder: Path) -> list[str]:
        return picture_faults(self.materials.pictures(), [folder / _PICTURES, folder / _BEST])

    def unfinished(self, folder: Path) -> list[str]:
        sources = len(self.materials.pictures())
        best, rest = (
            sorted(path.name for path in visible(folder / name) if path.suffix == ".png")
            for name in (_BEST, _PICTURES)
        )
        faults = self.faults(folder)
        left = sources - sources // 2 if self._mode == "move" else sources
        if (len(best), len(rest)) != (sources // 2, left):
            faults.append(f"{len(best)} best pictures and {len(rest)} others")
        with (folder / _BEST / "scores.csv").open(encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if len(rows) != sources or sorted(row["kept_as"] for row in rows if row["kept"] == "1") != best:
            faults.append("scores.csv does not say what is there")
        return faults + _same_choice(self.materials, best)


class Cull(Scenario):
    """`ganrm cull --move-rest`, and `--undo` of what was begun: everything is where it was."""

    name = "ganrm cull, undo"

    def prepare(self, folder: Path) -> None:
        """Every picture twice, the second saved again in other bytes: twenty pairs of copies."""
        from PIL import Image

        place = self.materials.copied_to(folder / _PICTURES)
        for path in visible(place):
            with Image.open(path) as picture:
                picture.save(path.with_stem(f"{path.stem}_again"), compress_level=1)
        shutil.copytree(place, folder / ".before")

    def run(self, folder: Path) -> None:
        moved = folder / _REST / "moved.csv"
        if moved.exists():
            command("cull", "--undo", moved)
        how = ("--alike", "copies", "--move-rest", folder / _REST)
        command("cull", self.materials.model, folder / _PICTURES, *how)
        self.journal.say("moved")
        command("cull", "--undo", moved)
        self.journal.say("moved back")

    def faults(self, folder: Path) -> list[str]:
        return picture_faults(self._before(folder), [folder / _PICTURES, folder / _REST])

    def unfinished(self, folder: Path) -> list[str]:
        faults = picture_faults(self._before(folder), [folder / _PICTURES], most=1)
        if (folder / _REST).exists():
            faults.append("the folder of what was moved away is still there")
        return faults

    def _before(self, folder: Path) -> list[Path]:
        return sorted((folder / ".before").iterdir())


def _same_choice(materials: Materials, best: list[str]) -> list[str]:
    """The best must be those of an undisturbed run, which the first one is kept as."""
    kept = materials.folder / "expected_best.txt"
    chosen = "\n".join(best)
    if not kept.exists():
        kept.write_text(chosen)
    return (
        [] if kept.read_text() == chosen else ["other pictures were chosen than in a run that is not killed"]
    )
