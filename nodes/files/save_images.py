"""Save Images with Score: image files with score, model, index and seed in their metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_metadata import KEY, metadata_json, write_png, write_webp
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.utils.errors import GanRMError, NameTakenError
from ...ganrm_core.utils.progress import Progress
from ..display.candidates import Candidates
from ..display.messages import not_done
from ..display.previews import notice
from ..display.queue_checks import check_choice, single
from ..host import metadata
from ..host.progress import progress_bar
from ..host.save_paths import Place, SavePaths
from ..sockets import CATEGORY, GanRMReward, Schema, advanced, aliases
from .image_values import finite, numbers, one_per_image
from .pixel_files import as_saved, write_picture
from .star_ratings import StarRatings, star_ratings
from .upstream_seed import upstream_seed

_FORMATS = ("png", "webp")
_DIGITS = 6  # of a score: float32 has no more


class SaveImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMSaveImages",
            display_name="Save Images with Score (GAN-RM)",
            search_aliases=aliases(
                "rating score metadata export 保存",
                "save image with metadata",
                "save score",
            ),
            category=CATEGORY,
            description="Saves pictures with score, model, index and seed inside the file, beside the workflow: "
            "drag the file onto the page and the graph opens.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            inputs=[
                io.Image.Input("images", tooltip="A batch, or a list of pictures of any sizes."),
                io.String.Input(
                    "filename_prefix",
                    display_name="file name prefix",
                    default="GAN-RM/best",
                    tooltip="Where in the output folder, and under which name. May hold %score% (such as 0.83), "
                    "%date:yyyy-MM-dd%, %width% and the other variables of Save Image.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(_FORMATS),
                    default="png",
                    tooltip="png keeps every pixel. webp makes smaller files.",
                ),
                advanced(
                    io.Int.Input(
                        "quality",
                        default=95,
                        min=1,
                        max=100,
                        tooltip="Of webp: higher is better and larger, 100 keeps every pixel.",
                    )
                ),
                io.Float.Input(
                    "scores",
                    optional=True,
                    force_input=True,
                    tooltip="One score for each picture, such as the best scores of Best of N.",
                ),
                io.Int.Input(
                    "indices",
                    optional=True,
                    force_input=True,
                    control_after_generate=False,
                    tooltip="The place of each picture in the batch it was made in, such as the indices of Best "
                    "of N: with the seed, what it takes to make it again. Counted from 0, as Latent From Batch does; the "
                    "numbers on the sheets count from 1.",
                ),
                GanRMReward.Input(
                    "reward",
                    optional=True,
                    tooltip="The model that gave the scores: its name is noted down, and stars are given by its thresholds.",
                ),
                io.Int.Input(
                    "seed",
                    optional=True,
                    force_input=True,
                    control_after_generate=False,
                    tooltip="The seed of the pictures. Unconnected, that of the nearest sampler is noted down.",
                ),
                io.String.Input(
                    "paths",
                    optional=True,
                    force_input=True,
                    tooltip="How a search made each picture: the paths of the Best-of-N Sampler, which makes the picture "
                    "again of it.",
                ),
                io.Boolean.Input(
                    "star_rating",
                    display_name="star rating",
                    default=False,
                    optional=True,
                    tooltip="Also write the score as 1 to 5 stars into the file, by the thresholds of the reward, for "
                    "programs that show and sort pictures by stars. Needs scores and reward.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "files",
                    display_name="files",
                    is_output_list=True,
                    tooltip="The saved files, as paths inside the output folder.",
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls, filename_prefix: list[str | None] | None = None, format: list[str | None] | None = None
    ) -> bool:
        check_choice(single(format, _FORMATS[0]), _FORMATS, "format")
        SavePaths(single(filename_prefix, "any"), "")
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        images: list[Tensor],
        filename_prefix: list[str],
        format: list[str],
        quality: list[int],
        scores: list[float] | None = None,
        indices: list[int] | None = None,
        reward: list[Reward] | None = None,
        seed: list[int] | None = None,
        paths: list[str] | None = None,
        star_rating: list[bool] | None = None,
    ) -> io.NodeOutput:
        check_choice(format[0], _FORMATS, "format")
        pictures = Candidates(images, "each image")
        count = len(pictures)
        of_scores = one_per_image(numbers(scores, float, "scores"), "scores", count)
        of_indices = one_per_image(numbers(indices, int, "indices"), "indices", count)
        seeds = numbers(seed, int, "seeds") or _found_seed(cls.hidden)
        of_seeds = one_per_image(seeds, "seeds", count, one_for_all=True)
        of_paths = one_per_image(paths or [], "paths", count)
        rewarding = reward[0] if reward else None
        ratings = StarRatings([None] * count)
        if star_rating and star_rating[0]:
            ratings = star_ratings(of_scores, rewarding, metadata=metadata.wanted())

        texts = metadata.page_texts(cls.hidden.prompt, cls.hidden.extra_pnginfo) if metadata.wanted() else {}
        places = SavePaths(filename_prefix[0], f".{format[0]}")
        progress = progress_bar()
        saved: dict[int, Place] = {}
        failed: dict[int, GanRMError] = {}
        for position in range(count):
            score = of_scores[position]
            if metadata.wanted():
                texts[KEY] = metadata_json(
                    score=None if score is None else round(float(score), _DIGITS),
                    model=rewarding.name if rewarding else None,
                    index=of_indices[position],
                    seed=of_seeds[position],
                    path=of_paths[position],
                )
            try:
                picture = as_saved(pictures.picture(position), position, count)
                place = partial(places.next, picture.width, picture.height, score)
                saved[position] = _save(
                    picture,
                    place,
                    partial(_write, texts=texts, quality=quality[0], xmp=ratings.packet(position)),
                )
            except GanRMError as error:  # the other images are still saved
                failed[position] = error
            progress(Progress("Saving pictures", position + 1, count))
        if not saved:
            raise failed[0]
        names = [place.name for place in saved.values()]
        known: dict[str, list[Any]] = {"scores": of_scores, "indices": of_indices, "seeds": of_seeds}
        known["stars"] = list(ratings.stars)
        lists = {
            name: finite([values[position] for position in saved])
            for name, values in known.items()
            if set(values) != {None}
        }
        return io.NodeOutput(
            names,
            ui={
                "images": _shown(saved, failed, ratings.why_none),
                "files": names,
                **lists,
                **_failures(failed),
            },
        )


def _save(
    picture: Image.Image, next_place: Callable[[], Place], write: Callable[[Image.Image, Path], None]
) -> Place:
    """Write the image to the next free place, again if another program takes the name meanwhile."""
    while True:
        place = next_place()
        with suppress(NameTakenError):
            write_picture(place.path, lambda temporary: write(picture, temporary))
            return place


def _shown(saved: Mapping[int, Place], failed: Mapping[int, GanRMError], remark: str) -> list[dict[str, Any]]:
    """The saved images for the page, and a card naming those that failed, and with a remark, if any."""
    shown: list[dict[str, Any]] = [
        {"filename": p.path.name, "subfolder": p.subfolder, "type": "output"} for p in saved.values()
    ]
    for line in filter(None, [not_done(failed, "saved") if failed else "", remark]):
        shown += notice(line)["images"]
    return shown


def _failures(failed: Mapping[int, GanRMError]) -> dict[str, list[dict[str, Any]]]:
    """For API clients: the positions of images that were not saved, and why."""
    return (
        {"failed": [{"index": position, "why": str(error)} for position, error in failed.items()]}
        if failed
        else {}
    )


def _write(picture: Image.Image, path: Path, texts: dict[str, str], quality: int, xmp: str) -> None:
    if path.suffix == ".webp":
        write_webp(picture, path, texts, min(100, max(1, quality)), xmp)
    else:
        write_png(picture, path, texts, xmp)


def _found_seed(hidden: Any) -> list[int]:
    found = upstream_seed(hidden.prompt or {}, str(hidden.unique_id))
    return [] if found is None else [found]
