"""LoRA training against ComfyUI's own Train LoRA: python -m benchmarks.lora_cost [--depth 8] [--side 32]

Time of a step and peak memory on the same random SD3-shaped model, latents and batch, each in a process of its own, in
ComfyUI's Python (0.3.64 at $COMFYUI_PATH, else ~/ComfyUI), float32 on the CPU. Memory is the peak above what the loaded
model takes. ComfyUI's trainer adapts every layer, ours the attention; with a batch above 1 it runs every prompt on every
picture.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.shapes.bench import conditioning, pack
from benchmarks.shapes.comfy import add_comfyui
from benchmarks.shapes.prompts import CONTEXT, POOLED, PROMPTS

ARMS = ("core", "ours", "ours, checkpointing")
BATCHES = (1, 2, 4)
_STEPS, _LATENT, _RANK = 5, 16, 16


def main() -> None:
    parser = argparse.ArgumentParser(description="What does a step of LoRA training cost?")
    parser.add_argument("--depth", type=int, default=8, help="of the transformer; its width is 64 × depth")
    parser.add_argument("--side", type=int, default=32, help="of the latents (default 32)")
    parser.add_argument("--arm", nargs=3, metavar=("NAME", "BATCH", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        name, batch, model = options.arm
        print(json.dumps(measured(name, int(batch), model, options.side)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        write_model(path, options.depth)
        print(f"{'batch':>5}  {'arm':<22}{'s a step':>9}{'of core':>9}{'MB':>8}{'of core':>9}")
        for batch in BATCHES:
            core: tuple[float, float] | None = None
            for arm in ARMS:
                seconds, megabytes = run(arm, batch, path, options.side)
                core = core or (seconds, megabytes)
                print(
                    f"{batch:>5}  {arm:<22}{seconds:>9.2f}{seconds / core[0]:>9.2f}{megabytes:>8.0f}"
                    f"{megabytes / core[1]:>9.2f}",
                    flush=True,
                )


def run(arm: str, batch: int, model: Path, side: int) -> tuple[float, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.lora_cost",
        "--side",
        str(side),
        "--arm",
        arm,
        str(batch),
        str(model),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, megabytes


def write_model(path: Path, depth: int) -> None:
    """A random SD3-shaped transformer in the format ComfyUI loads."""
    add_comfyui()
    from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper

    torch.manual_seed(0)
    network = OpenAISignatureMMDITWrapper(
        input_size=None,
        patch_size=2,
        in_channels=_LATENT,
        depth=depth,
        adm_in_channels=POOLED,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": CONTEXT, "out_features": 64 * depth},
        },
        operations=torch.nn,
        dtype=torch.float32,
    )
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, str(path))


def measured(arm: str, batch: int, path: str, side: int) -> tuple[float, float]:
    """(median seconds of a step, peak MB above the loaded model)."""
    add_comfyui()
    import comfy.sd

    model = comfy.sd.load_diffusion_model(path, model_options={"dtype": torch.float32})
    latents = torch.randn(8, _LATENT, side, side, generator=torch.Generator().manual_seed(0))
    times, before = _step_times(), _resident()
    with Peak() as peak:
        if arm == "core":
            train_with_core(model, latents, batch)
        else:
            train_with_ours(model, latents, batch, checkpointing=arm != "ours")
    return median(after - start for start, after in pairwise(times[1:])), peak.megabytes - before


def train_with_core(model: Any, latents: Tensor, batch: int) -> None:
    from comfy_extras.nodes_train import TrainLoraNode

    positive = [conditioning(PROMPTS[0])[0] for _ in range(len(latents))]
    with torch.inference_mode():
        TrainLoraNode().train(
            model=model,
            latents={"samples": latents},
            positive=positive,
            batch_size=batch,
            steps=_STEPS,
            grad_accumulation_steps=1,
            learning_rate=1e-4,
            rank=_RANK,
            optimizer="AdamW",
            loss_function="MSE",
            seed=0,
            training_dtype="fp32",
            lora_dtype="fp32",
            algorithm="LoRA",
            gradient_checkpointing=True,
            existing_lora="[None]",
        )


def train_with_ours(model: Any, latents: Tensor, batch: int, *, checkpointing: bool) -> None:
    config, choices = (pack(f"ganrm_core.post_training.{part}") for part in ("config", "choices"))
    trainer, sigmas = (pack(f"ganrm_core.post_training.{part}") for part in ("trainer", "sigmas"))
    denoisers = pack("nodes.host.training.denoiser")
    prompts = pack("nodes.host.training.prompt_set").PromptSet(
        PROMPTS[:1], (conditioning(PROMPTS[0]),), "", conditioning(PROMPTS[0])
    )
    examples = tuple(choices.Example(0, 0, place) for place in range(len(latents)))
    settings = config.GroupTraining(steps=_STEPS, batch=batch, micro_batch=batch)
    levels = sigmas.NoiseLevels.of_schedule(torch.linspace(1, 0, 21))
    lora = config.LoraSettings(_RANK)
    with denoisers.trainable(
        model, prompts, lora, latents[:batch].shape, checkpointing=checkpointing
    ) as denoiser:
        clean = denoiser.to_model_scale(latents)
        choice = choices.Choice(examples, (), 0)
        trainer.GroupTrainer(
            denoiser, choice, lambda places: clean[[place for _, place in places]], levels, settings
        ).run(lambda _: None)


def _step_times() -> list[float]:
    """The times at which optimisers finish a step, from now on."""
    times: list[float] = []
    original: Callable[..., Any] = torch.optim.AdamW.step

    def step(self: Any, *arguments: Any, **named: Any) -> Any:
        found = original(self, *arguments, **named)
        times.append(time.perf_counter())
        return found

    torch.optim.AdamW.step = step  # type: ignore[method-assign, assignment]
    return times


class Peak(threading.Thread):
    """Largest resident memory of this process while the context is open, looked at every 5 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.megabytes = 0.0
        self._closed = threading.Event()

    def run(self) -> None:
        while not self._closed.wait(0.005):
            self.megabytes = max(self.megabytes, _resident())

    def __enter__(self) -> Peak:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.join()


def _resident() -> float:
    """Resident memory in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
