"""ComfyUI extension: the list of nodes, and what is set up before ComfyUI asks for it."""

from __future__ import annotations

import logging

from comfy_api.latest import ComfyExtension, io

from ..ganrm_core.reports.translation import use_language
from ..ganrm_core.utils.disk_cache import cache_in, keep_in
from .best_of_n.sampler import BestOfNSampler, BestOfNSamplerCustom
from .best_of_n.select import BestOfN
from .files.add_to_dataset import AddToDataset
from .files.datasets import ImageFolder, ImagesToDataset
from .files.reward_models import LoadModel, SaveModel
from .files.save_images import SaveImages
from .files.taste_card import TasteCardNode
from .host import folders, help_pages, language
from .post_training.adversarial_training import AdversarialTraining
from .post_training.compare_models import CompareModels
from .post_training.export_groups import ExportGroups
from .post_training.make_groups import MakeGroups
from .post_training.prompts import Prompts
from .post_training.save_lora import SaveLora
from .post_training.train_on_groups import TrainOnGroups
from .scoring.combine import Ensemble
from .scoring.cull_folder import CullFolder
from .scoring.heatmap import Heatmap
from .scoring.known_reward import KnownReward
from .scoring.prompt_fit import PromptFitNode
from .scoring.score_folder import ScoreFolder
from .scoring.score_images import Score
from .scoring.vision_language import VisionLanguageJudge
from .training.evaluate import Evaluate
from .training.self_training import Bootstrap
from .training.train import Train

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
    Prompts,
    MakeGroups,
    TrainOnGroups,
    CompareModels,
    SaveLora,
    ExportGroups,
    AdversarialTraining,
    PromptFitNode,
    KnownReward,
    VisionLanguageJudge,
    CullFolder,
    TasteCardNode,
]


class GanRMExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


def start() -> GanRMExtension:
    """Register folders, help pages, language and the disk cache, and return the extension."""
    folders.register()
    help_pages.serve()
    language.listen()
    use_language(language.current)
    try:
        keep_in(cache_in(folders.cache_folder()))
    except OSError as error:  # a read-only disk must not keep the nodes from loading
        logging.warning("GAN-RM: image features cannot be cached on disk for the next run: %s", error)
    return GanRMExtension()
