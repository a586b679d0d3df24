"""Thousands of prompts in one ComfyUI server: python -m benchmarks.soak [--prompts 2000] [--minutes M] [--own-reader]

A real server with the pack, on the CPU, gets prompts of all kinds mixed at random: training on small sets, scoring, best
of n, the sampler on a tiny generator, heatmaps, saving, groups, LoRA training; bad ones; ones that are cancelled at a
random moment; and requests to free memory in between. Each must end as it should: done, refused or failed with our
message, or stopped.

After every block the server frees its memory, the allocator gives back what it does not use, and what is held is counted.
At the end: the growth of memory over the last half (Theil–Sen, 95 % interval), the classes whose objects grew most, threads
and open files against those of the first half, files left over, and the pack's stores against their limits. Memory in
use is judged. Resident memory is printed besides: it also has pages of glibc's that are partly free, and wanders. Exit code
1 for any fault. ComfyUI is found as by the host tests (CONTRIBUTING.md). Linux only.

safetensors loses memory with each tensor it reads (`server_runs/whole_file_reader`), and ComfyUI reads many. The server
therefore reads such files whole; with --own-reader it does not, and memory grows by what safetensors loses."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.server_runs.process_state import State, over_cap, state
from benchmarks.server_runs.served import Server, served
from benchmarks.server_runs.soak_ends import ended
from benchmarks.server_runs.soak_kinds import MODEL, kinds, prepare, settling
from benchmarks.server_runs.trend import trend

FLAT_MB = 5.0
"""Growth per 1,000 prompts below which memory counts as flat."""
_FREE_SHARE = 0.05
_LOGGED_FAULTS = re.compile(r"^(?:Exception in thread|Exception ignored|.*never retrieved).*$", re.MULTILINE)


@dataclass
class Soak:
    """The ends of all prompts by kind, the settled states after each block, and the faults."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    states: list[State] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, words: str) -> None:
        self.faults.append(words)
        print(f"FAULT {words}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Thousands of prompts in one ComfyUI server.")
    parser.add_argument("--prompts", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no block after so long")
    parser.add_argument("--block", type=int, default=25, help="prompts between two counts (default 25)")
    parser.add_argument("--seed", type=int, default=0, help="which prompts, and when they are cancelled")
    parser.add_argument("--own-reader", action="store_true", help="leave safetensors as it is")
    parser.add_argument("--log", type=Path, help="where the server's log is kept")
    options = parser.parse_args()
    packs = () if options.own_reader else (Path(__file__).parent / "server_runs" / "whole_file_reader",)
    with tempfile.TemporaryDirectory(prefix="soak-") as place, served(Path(place), packs=packs) as server:
        prepare(server)
        soak, random, started = Soak(), Random(options.seed), time.monotonic()
        for first in range(0, options.prompts, options.block):
            if time.monotonic() - started > 60 * options.minutes:
                break
            _block(server, soak, random, range(first, min(first + options.block, options.prompts)))
        for line in dict.fromkeys(_LOGGED_FAULTS.findall(server.log())):
            soak.fault(f"the server's log says: {line}")
        if options.log:
            options.log.write_text(server.log(), encoding="utf-8")
        minutes = (time.monotonic() - started) / 60
    done = sum(soak.ends.values())
    print(f"\n{done:,} prompts in {minutes:.1f} min: {done / minutes:.0f} a minute")
    _print_ends(soak)
    _check(soak)
    print(f"{len(soak.faults)} faults")
    return int(bool(soak.faults))


def _block(server: Server, soak: Soak, random: Random, numbers: range) -> None:
    every = kinds()
    with server.client() as client:
        for number in numbers:
            (kind,) = random.choices(every, [each.share for each in every])
            began = time.monotonic()
            end, fault = ended(client, kind, random)
            soak.ends[kind.name, end] += 1
            soak.seconds[kind.name] += time.monotonic() - began
            if fault:
                soak.fault(f"prompt {number}, {kind.name}: {fault}")
            if random.random() < _FREE_SHARE:
                client.free()
        client.post("/history", {"clear": True})  # ComfyUI keeps 10,000 prompts
        client.free()
        client.settle()
        client.run(settling()).expect_success()
        client.post("/history", {"clear": True})
    time.sleep(0.5)
    soak.states.append(state(server, numbers.stop))
    print(_line(soak.states[-1]), flush=True)
    _tidy(server)


def _tidy(server: Server) -> None:
    """Remove what prompts have saved, as its owner would: folders that grow without end are no leak."""
    for folder in (server.folder("output"), server.folder("models", "ganrm_datasets")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for path in server.folder("models", "ganrm").glob("soaked*"):
        path.unlink()
    assert server.folder("models", "ganrm", MODEL).is_file()


def _line(now: State) -> str:
    stores = ", ".join(f"{name.split('/')[-1]} {size / 1e6:.0f} MB" for name, (size, _) in now.stores.items())
    return (
        f"{now.prompts:>6,} prompts: {now.resident_mb:,.0f} MB, {now.heap_mb:,.1f} MB on the heap in use, "
        f"{now.blocks:,} blocks, {now.objects.total():,} objects, "
        f"{now.threads.total()} threads, {now.handles.total()} files open, {len(now.stray)} left over; {stores}"
    )


def _print_ends(soak: Soak) -> None:
    print(f"{'kind':<26}{'prompts':>8}{'s each':>8}   ends")
    for kind in kinds():
        ends = {end: count for (name, end), count in sorted(soak.ends.items()) if name == kind.name}
        count = sum(ends.values())
        each = soak.seconds[kind.name] / max(count, 1)
        print(f"{kind.name:<26}{count:>8}{each:>8.2f}   {', '.join(f'{n} {end}' for end, n in ends.items())}")


def _check(soak: Soak) -> None:
    """Print the verdicts over the states, and add their faults."""
    states = soak.states
    prompts = [each.prompts for each in states]
    for name, values in {
        "memory in use, at most": [each.in_use_mb for each in states],
        "  C heap": [each.heap_mb for each in states],
        "resident": [each.resident_mb for each in states],
    }.items():
        found = trend(prompts, values)
        print(f"{name}: {found or 'too few blocks for a slope'}")
        if name.startswith("memory") and found and not found.is_flat(FLAT_MB):
            soak.fault("memory grows")
    grown = states[-1].objects - states[len(states) // 2].objects
    print(f"objects, last half: {', '.join(f'+{count} {name}' for name, count in grown.most_common(12))}")
    early, last = states[: max(1, len(states) // 2)], states[-1]
    for what in ("threads", "handles"):
        most: Counter[str] = max((getattr(each, what) for each in early), key=Counter.total)
        now: Counter[str] = getattr(last, what)
        print(f"{what}: {now.total()} at the end, at most {most.total()} in the first half")
        if now.total() > most.total():
            soak.fault(f"{what} left over: {dict(now - most)}")
    print(f"temporary files left over: {len(last.stray)}")
    if last.stray:
        soak.fault(f"left over: {', '.join(last.stray[:10])}")
    for name in last.stores:
        size = max((each.stores[name] for each in states), default=(0, 0))
        print(f"{name}: at most {size[0] / 1e6:.1f} MB in {size[1]} files")
        if any(over_cap(name, each.stores[name]) for each in states):
            soak.fault(f"{name} is over its limit")


if __name__ == "__main__":
    sys.exit(main())
