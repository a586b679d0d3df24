"""Node "Reward Heatmap": logit maps over pictures, and masks of their weakest regions."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.attribution.heatmap import MaskShape, heatmap
from ...ganrm_core.data.image_io import to_pil
from ...ganrm_core.data.image_tensors import as_images
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import find_invalid, invalid_text, replace_invalid
from ...ganrm_core.utils.errors import ImageError
from ...ganrm_core.utils.progress import part_of
from ..display.candidates import Candidates
from ..display.given_prompts import PICTURES, prompts_input, prompts_of_pictures
from ..display.previews import as_image, in_node
from ..display.ranked_sheets import text_card
from ..display.shared_inputs import images_input, output, reward_input
from ..host.model_management import model_of
from ..host.progress import progress_bar
from ..sockets import CATEGORY, Schema, advanced, aliases

_PREVIEW_SIDE = 512


class Heatmap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMHeatmap",
            display_name="Reward Heatmap (GAN-RM)",
            search_aliases=aliases(
                "attention weakest regions saliency why quality 热力图",
                "weak spots",
                "where is it bad",
                "inpaint mask",
            ),
            category=CATEGORY,
            description="Shows where each picture is weak and where it is strong, and masks its weakest regions, "
            "ready for inpainting. Looks at every picture in 34 windows, so it takes a while.",
            is_input_list=True,
            is_output_node=True,
            inputs=[
                images_input(),
                reward_input(),
                io.Float.Input(
                    "share",
                    default=0.2,
                    min=0.01,
                    max=0.9,
                    step=0.01,
                    tooltip="How much of each picture the mask covers, before it grows: 0.2 is its weakest fifth.",
                ),
                advanced(
                    io.Int.Input(
                        "grow",
                        default=8,
                        min=0,
                        max=256,
                        tooltip="By how many pixels the mask grows all round.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "blur",
                        default=16,
                        min=0,
                        max=256,
                        tooltip="Over how many pixels the rim of the mask fades.",
                    )
                ),
                prompts_input(PICTURES),
            ],
            outputs=[
                output(
                    io.Image,
                    "overlay",
                    "The pictures under their maps: orange is weaker than the rest of the picture, blue stronger. "
                    "The white line is the rim of the mask.",
                    is_list=True,
                ),
                output(
                    io.Mask,
                    "mask",
                    "The weakest regions of each picture, for Set Latent Noise Mask and inpainting.",
                    is_list=True,
                ),
            ],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        images: list[Tensor],
        reward: list[Reward],
        share: list[float],
        grow: list[int],
        blur: list[int],
        prompts: list[Any] | None = None,
    ) -> io.NodeOutput:
        batches = [_pictures(batch, number, len(images)) for number, batch in enumerate(images, start=1)]
        invalid = sorted(Candidates(images, "each image").invalid())
        total, show = sum(map(len, batches)), progress_bar()
        asked = prompts_of_pictures(reward[0], prompts, total)
        shape = MaskShape(share[0], grow[0], blur[0])
        overlays, masks = [], []
        done = 0
        for pictures in batches:
            drawn, weak = [], []
            for picture in pictures:
                if done in invalid:
                    weak.append(torch.zeros(picture.shape[1:]))
                    drawn.append(_invalid_card(picture, done))
                else:
                    part, prompt = part_of(show, done, total), asked[done] if asked else None
                    made = heatmap(reward[0], picture, shape, part, model_of=model_of, prompt=prompt)
                    weak.append(made.mask)
                    drawn.append(made.drawn.movedim(0, -1))
                done += 1
            overlays.append(torch.stack(drawn))
            masks.append(torch.stack(weak))
        return io.NodeOutput(overlays, masks, ui={**_shown(overlays), "spoilt": invalid})


def _pictures(batch: Tensor, number: int, count: int) -> list[Tensor]:
    """[3, H, W] in 0–1 on the CPU for each picture of the batch; black for an invalid one."""
    if len(batch) == 0:
        raise ImageError(
            "There are no images (an empty batch)."
            if count == 1
            else f"Item {number} of the images is empty. Leave it out."
        )
    whole = batch if batch.ndim == 4 else batch.unsqueeze(0)
    if invalid := find_invalid(whole):
        whole = torch.stack(replace_invalid(whole, invalid))
    return [picture.cpu() for picture in as_images(whole)]


def _invalid_card(picture: Tensor, position: int) -> Tensor:
    """[H, W, 3]: a card instead of the heatmap of an invalid picture [3, H, W]."""
    height, width = picture.shape[1:]
    return as_image(text_card(invalid_text([position]), width, height))[0]


def _shown(overlays: list[Tensor]) -> dict[str, object]:
    """The `ui` with small copies of all overlays."""
    shown: list[object] = []
    for batch in overlays:
        for picture in batch:
            small = to_pil((picture.movedim(-1, 0) * 255).round_().to(torch.uint8))
            small.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
            shown += in_node(small)["images"]
    return {"images": shown}
