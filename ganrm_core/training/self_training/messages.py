"""Sentences about a refinement for the command line, the card and the node."""

from __future__ import annotations

from .refinement import Refinement


def verdict(refinement: Refinement) -> str:
    """The result in one to three sentences."""
    outcome, tried = refinement.outcome, len(refinement.outcome.rounds)
    if not refinement.improved:
        return (
            "The model is unchanged: learning from the pool did not make it rank unseen pictures better, so the "
            "first round was not kept."
        )
    kept = outcome.rounds[outcome.kept - 1]
    rounds = "1 round was" if outcome.kept == 1 else f"{outcome.kept} rounds were"
    claim = f"{rounds} kept: the held-out AUC went from {outcome.auc:.3f} to {kept.auc:.3f}."
    if outcome.kept < tried:
        claim += f" Round {tried} made it no better and was not kept."
    if all(entry.gain.low <= 0 for entry in outcome.rounds[: outcome.kept]):
        claim += " With so few pictures so small a gain may still be luck."
    return claim


def round_lines(refinement: Refinement) -> list[str]:
    """A line for each round: held-out AUC and loss before and after it, and whether it was kept."""
    lines, reached, loss = [], refinement.outcome.auc, refinement.outcome.loss
    for number, entry in enumerate(refinement.outcome.rounds, start=1):
        gain = f"{entry.gain.value:+.3f} [{entry.gain.low:+.3f}, {entry.gain.high:+.3f}]"
        lines.append(
            f"Round {number}: held-out AUC {reached:.3f} to {entry.auc:.3f} ({gain}), loss {loss:.3f} to "
            f"{entry.loss:.3f}, {'kept' if entry.kept else 'not kept'}."
        )
        reached, loss = entry.auc, entry.loss
    return lines


def round_facts(refinement: Refinement) -> list[tuple[str, str]]:
    """(name, value) of each round for a compact card; the first line of a value is drawn large."""
    before = [refinement.outcome.auc, *(entry.auc for entry in refinement.outcome.rounds)]
    return [
        (f"Round {number}", f"{'kept' if entry.kept else 'not kept'}\nAUC {reached:.3f} to {entry.auc:.3f}")
        for number, (entry, reached) in enumerate(
            zip(refinement.outcome.rounds, before, strict=False), start=1
        )
    ]


def pool_line(refinement: Refinement) -> str:
    """Size of the pool, and how many pictures were taken from it."""
    pool, taken = refinement.pool, refinement.outcome.rounds[0]
    known = (
        f" ({pool.n_known} more {'is' if pool.n_known == 1 else 'are'} in the training sets, or nearly, and left out)"
        if pool.n_known
        else ""
    )
    top = f"the best {len(taken.top)} as liked and " if len(taken.top) else ""
    return f"Pool: {len(pool.paths)} pictures{known}; each round takes {top}the last {len(taken.bottom)} as ordinary."
