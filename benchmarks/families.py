"""Registry of the four families of benchmark tasks, for the benchmarks that take `--family`.

The recipe was chosen on the first; the second was made afterwards; in the third and fourth two illustrators drew the same
subjects, the fourth being for reporting alone.
"""

from __future__ import annotations

from typing import TypeAlias

from illustrators import FOURTH, THIRD, IllustratorTask, illustrator_tasks
from tasks import FAMILIES as MADE
from tasks import Task, load_pool, tasks
from torch import Tensor

BenchTask: TypeAlias = Task | IllustratorTask

FAMILIES = (*MADE, "third", "fourth")


def tasks_of(family: str) -> list[BenchTask]:
    if family in MADE:
        return [*tasks(family)]
    return [*illustrator_tasks(THIRD if family == "third" else FOURTH)]


def pool_of(family: str) -> list[Tensor]:
    """The pictures that a family's tasks change; those of illustrators have their own."""
    return load_pool()[1] if family in MADE else []
