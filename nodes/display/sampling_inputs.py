"""Node inputs for steps, guidance, sampler and scheduler, as KSampler has them."""

from __future__ import annotations

from comfy_api.latest import io

from ..host.sampling.sampling_setup import samplers_and_schedulers


def sampling_inputs(
    *, steps: str, cfg: str, sampler: str = "The sampling method, as in KSampler."
) -> list[io.Input]:
    """`steps`, `cfg`, `sampler_name` and `scheduler`, in KSampler's order and with its ranges. The arguments are tooltips."""
    samplers, schedulers = samplers_and_schedulers()
    return [
        io.Int.Input("steps", default=20, min=1, max=10_000, tooltip=steps),
        io.Float.Input("cfg", default=8.0, min=0.0, max=100.0, step=0.1, round=0.01, tooltip=cfg),
        io.Combo.Input("sampler_name", display_name="sampler name", options=samplers, tooltip=sampler),
        io.Combo.Input(
            "scheduler", options=schedulers, tooltip="How the noise is taken away, as in KSampler."
        ),
    ]
