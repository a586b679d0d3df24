"""Node pack that the page driver is tried on, in ComfyUI's older node style; runs inside ComfyUI.

Its node's id begins as our nodes' do, so that the maker of workflow files treats it as one of ours.
"""

from __future__ import annotations

from typing import Any


class GANRMHarness:
    """Hands its pictures on."""

    CATEGORY = "harness"
    FUNCTION = "go"
    RETURN_TYPES = ("IMAGE",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        seed = ("INT", {"default": 0, "control_after_generate": True})
        return {"required": {"images": ("IMAGE",), "text": ("STRING", {"default": ""}), "seed": seed}}

    def go(self, images: Any, text: str, seed: int) -> tuple[Any]:
        return (images,)


NODE_CLASS_MAPPINGS = {"GANRMHarness": GANRMHarness}
NODE_DISPLAY_NAME_MAPPINGS = {"GANRMHarness": "Harness"}
WEB_DIRECTORY = "./web"
