"""Sockets of the nodes that score and select. Workflows address them by index, so their order is for ever."""

from __future__ import annotations

from typing import Any

import pytest

SAMPLED = "vae reward n keep pruning custom_pruning+ look_with+ together+ stop_below+ round_size+"
SAMPLES = "latents: LATENT[] images: IMAGE[] scores: FLOAT[] seeds: INT[] indices: INT[] summary: STRING preview: IMAGE"
SCHEMAS = {
    "GANRMScore": ("images reward group_size candidate+", "scores: FLOAT[] preview: IMAGE summary: STRING"),
    "GANRMBestOfN": (
        "images keep group_size min_score min_keep+ order+ candidate+ reward? latents? masks? given_scores? ties?+",
        "best: IMAGE[] best_latents: LATENT[] best_masks: MASK[] rejected: IMAGE[] scores: FLOAT[] indices: INT[] "
        "best_scores: FLOAT[] summary: STRING preview: IMAGE",
    ),
    "GANRMBestOfNSampler": (
        "model seed steps cfg sampler_name scheduler positive negative latent_image denoise " + SAMPLED,
        SAMPLES,
    ),
    "GANRMBestOfNSamplerCustom": ("noise guider sampler sigmas latent_image " + SAMPLED, SAMPLES),
    "GANRMHeatmap": ("images reward share grow+ blur+", "overlay: IMAGE[] mask: MASK[]"),
    "GANRMEnsemble": (
        "reward_1 reward_2 weight_1 weight_2 name reward_3? weight_3? reward_4? weight_4?",
        "reward: GANRM_REWARD summary: STRING",
    ),
    "GANRMScoreFolder": (
        "folder reward keep save_to recursive+ min_score+ place+",
        "table: STRING best_folder: STRING preview: IMAGE summary: STRING",
    ),
}
"""By id: inputs ("?" optional, "+" advanced) and outputs ("[]" a list)."""


@pytest.mark.parametrize(("node", "inputs", "outputs"), [(node, *both) for node, both in SCHEMAS.items()])
def test_sockets(pack: Any, node: str, inputs: str, outputs: str) -> None:
    schema = pack.schema(node)
    found = [
        socket.id + "?" * bool(socket.optional) + "+" * bool((socket.extra_dict or {}).get("advanced"))
        for socket in schema.inputs
    ]
    assert found == inputs.split()
    assert " ".join(f"{o.id}: {o.io_type}{'[]' * o.is_output_list}" for o in schema.outputs) == outputs
    assert schema.category == "GAN-RM"
    assert schema.is_output_node == (node != "GANRMEnsemble")
    assert schema.is_input_list == (node in ("GANRMScore", "GANRMBestOfN", "GANRMHeatmap"))
