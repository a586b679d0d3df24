"""Start-up time this pack adds to ComfyUI: PYTHONPATH=. python benchmarks/import_time.py [--rounds 7]

Each round, in a new process: ComfyUI's imports, then the pack's nodes and their schemas, as the server loads
them at start. ComfyUI is found as in the host tests. Prints median and range; an uncounted first
round lets Python compile the pack.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from statistics import median

from tests.host_support.install import HOW, PACK, find_comfyui

_START = f"""
import sys, time, asyncio, importlib.util
sys.argv = ["main.py", "--cpu"]
import utils.install_util
import comfy.options
comfy.options.enable_args_parsing()
import nodes, execution, server, comfy_api.latest
started = time.perf_counter()
place = {str(PACK)!r}
spec = importlib.util.spec_from_file_location("pack", place + "/__init__.py", submodule_search_locations=[place])
pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
async def ask():
    extension = await pack.comfy_entrypoint()
    for node in await extension.get_node_list():
        node.GET_SCHEMA()
asyncio.run(ask())
print("SECONDS", time.perf_counter() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="How much later is ComfyUI up with this pack?")
    parser.add_argument("--rounds", type=int, default=7, help="(default 7)")
    rounds = parser.parse_args().rounds
    comfyui = find_comfyui()
    if comfyui is None:
        raise SystemExit(HOW)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for _ in range(1 + rounds):
        done = subprocess.run(
            [str(comfyui.python), "-c", _START],
            cwd=comfyui.path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("SECONDS ")]
        if not said:
            raise SystemExit(f"ComfyUI {comfyui.version} could not be imported:\n{done.stderr[-2000:]}")
        taken.append(float(said[0]))
    _, *counted = taken
    print(
        f"ComfyUI {comfyui.version}: {median(counted):.2f} s on top of its own imports "
        f"({min(counted):.2f} to {max(counted):.2f}, {rounds} starts)"
    )


if __name__ == "__main__":
    main()
