"""The harness itself, where no other test would fail with it: the tiny generator varies, a failed run is no success."""

from __future__ import annotations

import numpy as np
import pytest
from host_support.client import Client
from host_support.prompts import node, text_to_image


def test_pictures_of_the_tiny_generator_differ_by_seed_and_prompt(client: Client) -> None:
    pictures = []
    for text, seed in (("a red house", 1), ("a red house", 2), ("the sea at night", 1)):
        save = node("SaveImage", images=["decode", 0], filename_prefix="harness")
        run = client.run({**text_to_image(text, seed=seed, count=2), "save": save}).expect_success()
        assert len(run.previews_of("sampler")) == 3
        pictures += [client.image(**entry).convert("RGB") for entry in run.outputs["save"]["images"]]
    assert min(int(np.ptp(np.asarray(picture), axis=(0, 1)).max()) for picture in pictures) > 60
    assert len({picture.tobytes() for picture in pictures}) == len(pictures) == 6


def test_a_failed_run_is_no_success(client: Client) -> None:
    prompt = {
        "latents": node("ProbeLatents", count=1, batch_index="x"),
        "echo": node("ProbeEcho", label="never"),
    }
    prompt["echo"]["inputs"]["value"] = ["latents", 0]
    run = client.run(prompt)
    with pytest.raises(AssertionError, match=r"ProbeLatents \(latents\): invalid literal"):
        run.expect_success()
    with pytest.raises(AssertionError, match="ended without the expected event"):
        run.wait_for("execution_success")
