"""The list of nodes."""

from __future__ import annotations

import logging

from comfy_api.latest import ComfyExtension, io

from ..ganrm_core.disk_cache import cache_in, keep_in
from ..ganrm_core.language import speak
from .best_of_n_sampler import BestOfNSampler, BestOfNSamplerCustom
from .bootstrapping import Bootstrap
from .combining import Ensemble
from .datasets import AddToDataset, ImageFolder, ImagesToDataset
from .evaluation import Evaluate
from .folder_scoring import ScoreFolder
from .heatmap import Heatmap
from .host import folders, help_pages, language
from .loaders import LoadModel, SaveModel
from .saving import SaveImages
from .scoring import Score
from .selection import BestOfN
from .training import Train

NODES: list[type[io.ComfyNode]] = [
    LoadModel,
    ImageFolder,
    ImagesToDataset,
    Train,
    Bootstrap,
    SaveModel,
    Score,
    BestOfN,
    BestOfNSampler,
    BestOfNSamplerCustom,
    Heatmap,
    Ensemble,
    Evaluate,
    ScoreFolder,
    AddToDataset,
    SaveImages,
]


class GanRMExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


def start() -> GanRMExtension:
    """Register our folders, help pages and language; then ComfyUI may ask for the nodes."""
    folders.register()
    help_pages.serve()
    language.listen()
    speak(language.current)
    try:
        keep_in(cache_in(folders.cache_folder()))
    except OSError as error:  # a disk that cannot be written must not keep the nodes from loading
        logging.warning("GAN-RM: what is worked out of pictures cannot be kept for the next run: %s", error)
    return GanRMExtension()
