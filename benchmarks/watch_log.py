"""When each sign of the watch warned and stopped, and which LoRA it keeps, from logs: python -m benchmarks.watch_log FILE...

FILE is what `benchmarks.adversarial --curve 8 --log FILE` wrote. Printed for each training: after which round each sign warned
and stopped first, which round the watch gives, and the figures of the test images on the way beside it. The limits are those
of the present code, so that others can be tried without training again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganrm_core.post_training.round_limits import SIGNS, best_of, stops, values, warnings
from ganrm_core.post_training.round_signs import Look
from ganrm_core.post_training.watch import HeldOut

_FIGURES = ("truth", "share", "kinds", "grey", "readable")


def main() -> None:
    parser = argparse.ArgumentParser(description="What the watch saw in trainings that are over.")
    parser.add_argument("files", type=Path, nargs="+", help="from --log of benchmarks.adversarial")
    for file in parser.parse_args().files:
        for records in trainings(file):
            print_training(records)


def trainings(file: Path) -> Iterator[list[dict[str, Any]]]:
    """The looks of each training in a log; each begins with the one before training."""
    found: list[dict[str, Any]] = []
    for line in file.read_text().splitlines():
        record = json.loads(line)
        if record["rounds"] == 0 and found:
            yield found
            found = []
        found.append(record)
    if found:
        yield found


def look_of(record: dict[str, Any]) -> Look:
    known = {name: record[name] for name in Look.__dataclass_fields__}
    return Look(**{**known, "held_out": HeldOut(**record["held_out"]) if record["held_out"] else None})


def given(looks: Sequence[Look]) -> tuple[int, int]:
    """Round whose LoRA the watch gives, and the one it ends training after, 0 if it never does."""
    for count in range(2, len(looks) + 1):
        if stops(looks[count - 1]):
            return looks[best_of(looks[:count])].rounds, looks[count - 1].rounds
    return looks[best_of(looks)].rounds, 0


def print_training(records: Sequence[dict[str, Any]]) -> None:
    looks = [look_of(record) for record in records]
    kept, stopped = given(looks)
    ending = f"stopped after round {stopped}" if stopped else "never stopped"
    print(f"\nseed {records[0]['seed']}, {records[0]['arm']}: gives round {kept}, {ending}")
    for sign in SIGNS:
        warned, ended = (
            next((str(look.rounds) for look in looks[1:] if sign in beyond(look)), "never")
            for beyond in (warnings, stops)
        )
        seen = [values(look)[sign] for look in looks[1:] if sign in values(look)]
        if seen:
            print(
                f"  {sign:<11} warns {warned:>5}, stops {ended:>5}; between {min(seen):.3g} and {max(seen):.3g}"
            )
    tested = [record for record in records if "truth" in record]
    if tested:
        print(f"  {'round':<11}" + "".join(f"{record['rounds']:>6}" for record in tested))
    for name in _FIGURES if tested else ():
        print(f"  {name:<11}" + "".join(f"{record.get(name, float('nan')):>6.2f}" for record in tested))


if __name__ == "__main__":
    main()
