"""A node pack that the page driver is tried on. Runs inside ComfyUI, in its older node style, as most packs are.

Its node's id begins as our nodes' do, so that the maker of workflow files treats it as one of ours.
"""

from __future__ import annotations

import time
from typing import Any

import comfy.utils
from PIL import Image


class GANRMHarness:
    """Sends live previews that go from black to red, then hands its pictures on; or fails, as told."""

    CATEGORY = "harness"
    FUNCTION = "go"
    RETURN_TYPES = ("IMAGE",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "images": ("IMAGE",),
                "steps": ("INT", {"default": 5, "min": 1, "max": 255}),
                "error": ("STRING", {"default": ""}),
                "seed": ("INT", {"default": 0, "control_after_generate": True}),
            }
        }

    def go(self, images: Any, steps: int, error: str, seed: int) -> tuple[Any]:
        bar = comfy.utils.ProgressBar(steps)
        for step in range(1, steps + 1):
            picture = Image.new("RGB", (320, 200), (255 * step // steps, 0, 0))
            bar.update_absolute(step, steps, ("JPEG", picture, 320))
            time.sleep(0.2)
        if error:
            raise ValueError(error)
        return (images,)


NODE_CLASS_MAPPINGS = {"GANRMHarness": GANRMHarness}
NODE_DISPLAY_NAME_MAPPINGS = {"GANRMHarness": "Harness"}
WEB_DIRECTORY = "./web"
