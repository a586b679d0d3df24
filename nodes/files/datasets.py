"""Image Folder and Images to Dataset: nodes that make a dataset from a folder or from images."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.data.ratings import ANY, CHOICES, none_fits, read_ratings
from ...ganrm_core.selection.non_finite import invalid_text
from ...ganrm_core.utils.files import shown
from ...ganrm_core.utils.progress import Progress
from ..display.candidates import Candidates
from ..display.previews import notice
from ..display.queue_checks import check_choice, known
from ..host import folders
from ..host.fingerprints import folder_fingerprint
from ..host.progress import progress_bar
from ..sockets import CATEGORY, RESULT_ON_NODE, Dataset, GanRMDataset, Schema, advanced, aliases
from .chosen_folders import pictures_in
from .pixel_files import as_saved, keep_once

_THUMBNAIL = 640


class ImageFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMImageFolder",
            display_name="Image Folder (GAN-RM)",
            search_aliases=aliases(
                "favorites favourites folder pictures stars rating 文件夹",
                "load images from folder",
                "image folder",
            ),
            category=CATEGORY,
            description="A folder of pictures to train on, compare or score. Nothing is loaded yet, so it may be "
            "large and hold pictures of any size.",
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=folders.folder_choices(),
                    tooltip="A folder below ComfyUI's input or output, or a dataset you grew. New folders appear "
                    "after pressing R on the page.",
                ),
                advanced(
                    io.Boolean.Input(
                        "recursive",
                        display_name="include subfolders",
                        default=False,
                        tooltip="Also take the pictures in folders inside this one.",
                    )
                ),
                io.Combo.Input(
                    "rating",
                    options=list(CHOICES),
                    default=ANY,
                    optional=True,
                    tooltip="Which pictures, by the stars you gave them in Lightroom, digiKam, darktable, Bridge, Windows or "
                    "an asset manager. One folder can be liked (at least 4) and ordinary (at most 2, with the rejected): use "
                    "two of these nodes.",
                ),
            ],
            outputs=[
                GanRMDataset.Output("dataset", display_name="dataset", tooltip="The pictures of the folder."),
                io.Int.Output("count", display_name="count", tooltip="How many pictures were found."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, folder: str | None = None, recursive: bool | None = None, rating: str | None = None
    ) -> bool:
        check_choice(known(rating, ANY), CHOICES, "rating")
        if folder is not None:  # else it comes over a link
            pictures_in(folder, known(recursive, True))
        return True

    @classmethod
    def fingerprint_inputs(
        cls, folder: str | None = None, recursive: bool | None = False, rating: str | None = ANY
    ) -> str:
        return folder_fingerprint(folder, bool(recursive), rated=rating != ANY)

    @classmethod
    def execute(  # type: ignore[override]
        cls, folder: str, recursive: bool = False, rating: str = ANY
    ) -> io.NodeOutput:
        check_choice(rating, CHOICES, "rating")
        found = pictures_in(folder, recursive)
        if rating == ANY:
            return io.NodeOutput(Dataset(tuple(found), folder), len(found))
        rated = read_ratings(found, progress_bar())
        fitting = rated.fitting(rating)
        if not fitting:
            raise none_fits(shown(folder), rating, rated)
        remarks = [line for line in (rated.given_by_model(fitting), rated.refusals()) if line]
        ui = notice(" ".join(remarks)) if remarks else None
        return io.NodeOutput(Dataset(fitting, f"{folder}, {rating}"), len(fitting), ui=ui)


class ImagesToDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMImagesToDataset",
            display_name="Images to Dataset (GAN-RM)",
            search_aliases=aliases(
                "dataset pictures ordinary 数据集",
                "images to dataset",
                "ordinary pictures",
            ),
            category=CATEGORY,
            description="Turns generated images into a dataset, such as the ordinary pictures of your model that "
            "Train GAN-RM tells apart from those you like.",
            is_input_list=True,
            **RESULT_ON_NODE,
            inputs=[io.Image.Input("images", tooltip="A batch, or a list of pictures of any sizes.")],
            outputs=[
                GanRMDataset.Output(
                    "dataset", display_name="dataset", tooltip="The pictures, identical ones once."
                ),
                io.Int.Output(
                    "count", display_name="count", tooltip="How many different pictures there are."
                ),
            ],
        )

    @classmethod
    def execute(cls, images: list[Tensor]) -> io.NodeOutput:  # type: ignore[override]
        pictures = Candidates(images, "each image")
        spoilt = sorted(pictures.invalid())
        progress = progress_bar()
        paths: dict[Path, None] = {}
        for position in range(len(pictures)):
            if position not in spoilt:
                picture = as_saved(pictures.picture(position), position, len(pictures))
                path, _ = keep_once(picture, folders.temporary_folder() / "pictures")
                paths[path] = None
            progress(Progress("Keeping pictures", position + 1, len(pictures)))
        ui = {**notice(f"{invalid_text(spoilt)}: left out."), "spoilt": spoilt} if spoilt else None
        return io.NodeOutput(Dataset(tuple(paths), f"{len(paths)} images"), len(paths), ui=ui)
