"""The work of Adversarial LoRA Training: references, rounds, the watch, and the disk store around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from ...ganrm_core.data.content_hash import content_hash
from ...ganrm_core.data.skipped_files import Skipped, describe_skipped
from ...ganrm_core.post_training.anchor import Anchor
from ...ganrm_core.post_training.config import RoundsTraining
from ...ganrm_core.post_training.grpo_trainer import GrpoSettings, GrpoTrainer
from ...ganrm_core.post_training.learner import Learner
from ...ganrm_core.post_training.nft_trainer import NftSettings, NftTrainer
from ...ganrm_core.post_training.round_limits import LIMITS
from ...ganrm_core.post_training.rounds import Parts, Plan, RoundsTrace, RoundTraining
from ...ganrm_core.post_training.rounds_card import RoundsView, live_rounds_card, rounds_body
from ...ganrm_core.post_training.rounds_state import reward_state, unpack
from ...ganrm_core.post_training.sigmas import NoiseLevels
from ...ganrm_core.post_training.studio import Judged, RefreshedReward
from ...ganrm_core.post_training.watch import NO_MEMORY, HeldOutError
from ...ganrm_core.reports.live_preview import Stage
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.rewards.discriminator.reward_model import RewardModel
from ...ganrm_core.training.dense_refresh import DenseFeatures, DenseRefresh, whole_state
from ...ganrm_core.training.head_refresh import HeadRefresh
from ...ganrm_core.utils.device_memory import free_cached_memory, is_out_of_memory
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import ProgressCallback
from ...ganrm_core.utils.time_left import Phase, time_left_words
from ..host.model_management import ManagedReward, model_of
from ..host.progress import Live
from ..host.sampling.sampling_setup import KSamplerSettings, as_ksampler
from ..host.training.fingerprints import known_fingerprint
from ..host.training.rollouts import Rollouts, check_vae
from .cancellable import CancellableDenoiser
from .lora_checks import guidance_is_changed, no_memory_words, trained_on_top
from .rounds_job import RoundsJob
from .rounds_references import GROUP_UNITS, LEAST, MAKING, READING, ReferenceReader, TrainingPictures
from .rounds_session import STAGE, UNITS, RoundsSession
from .rounds_store import KeptRounds, RoundsStore, as_pictures, rounds_key, settings_of_key
from .rounds_studio import HostStudio

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser


@dataclass(frozen=True)
class RoundsResult:
    """`kept`: the training as it is on the disk. `reward`: the taste, refitted where that was wanted. `problem`: why nothing
    is kept for the next run, "" if it is. `reused`: nothing had to be trained.
    """

    kept: KeptRounds
    reward: Reward
    problem: str
    reused: bool


class RoundsRun:
    """One run of the node. `view`: what there is to see of it so far. Raises DataError for inputs that cannot be trained on."""

    def __init__(self, job: RoundsJob) -> None:
        from ..host.training.refusals import check_trainable

        if not len(job.prompts):
            raise DataError("There are no prompts. Write some into Prompts (GAN-RM).")
        if job.training.refresh and model_of(job.reward) is None:
            raise DataError(
                "This reward cannot be refitted while the generator learns: it is no single GAN-RM model. Connect one, from "
                "Load GAN-RM or Train GAN-RM, or switch 'refresh' off."
            )
        if len(job.references) < LEAST:
            raise DataError(
                f"There are only {len(job.references)} liked pictures. Take {LEAST} or more, better a hundred."
            )
        if job.training.method == "grpo" and job.sampling.cfg != 1.0 and guidance_is_changed(job.model):
            raise DataError(
                "A node changes this model's guidance (RescaleCFG, perturbed attention and the like), and 'grpo' learns from "
                "plain guidance. Set the method to 'nft', or connect the model without that node."
            )
        self.job = job
        self._shape = Rollouts(job.model, job.prompts, job.sampling, job.latent).start.shape
        check_vae(job.vae, torch.zeros(self._shape))
        check_trainable(job.model, job.prompts, (job.training.micro_batch, *self._shape[1:]))
        self._store = RoundsStore(self._key())
        self.skipped: list[Skipped] = []
        self.notes = trained_on_top(job.model)
        self.view = RoundsView(RoundsTrace(), job.training.rounds, LIMITS)
        self._body: Image.Image | None = None

    def phases(self) -> list[Phase]:
        """The stages of the work, weighed by calls of the model."""
        training = self.job.training
        each = 0.1 * training.groups * training.pictures * self.job.sampling.steps
        return [
            Phase(READING, 0.2 * len(self.job.references), "backbone"),
            Phase(MAKING, 2 * each, "backbone"),
            Phase(STAGE, 3 * each * training.rounds, "backbone"),
        ]

    def draw(self, live: Live) -> Image.Image:
        """The node's preview."""
        if self._body is None:
            self._body = rounds_body(self.view)
        step, left = live.step, time_left_words(live.seconds_left)
        done, total = (step.done, step.total)
        if step.stage == STAGE:
            done, total = min(done // UNITS + 1, self.job.training.rounds), self.job.training.rounds
        elif step.stage == MAKING:
            done, total = done // GROUP_UNITS, total // GROUP_UNITS
        return live_rounds_card(self._body, Stage(step.stage, done, total, live.share, left, live.stopped))

    def run(self, progress: ProgressCallback) -> RoundsResult:
        """`progress` may raise to cancel; all but the round that was begun is on the disk then."""
        job, kept = self.job, self._store.load()
        reused = kept is not None and self._is_finished(kept.trace)
        if kept is None or not reused:
            try:
                kept = self._trained(kept, progress)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                free_cached_memory(job.model.load_device)
                raise DataError(no_memory_words(job.lora, job.checkpointing)) from error
        self._show(kept)
        done = len(kept.trace.losses)
        if done > job.training.rounds:
            self.notes.append(
                f"{done} rounds were done already, more than the {job.training.rounds} asked for: this is the best of all."
            )
        if self.skipped:
            self.notes.append(describe_skipped(self.skipped, among=job.references.paths))
        return RoundsResult(kept, self._refreshed_reward(kept), self._store.problem, reused)

    def _is_finished(self, trace: RoundsTrace) -> bool:
        return bool(trace.stopped) or len(trace.losses) >= self.job.training.rounds

    def _key(self) -> str:
        job, known = self.job, known_fingerprint
        recognised = [
            known("model", job.model),
            known("vae", job.vae),
            known("reward", job.reward),
            *(known("conditioning", each) for each in (*job.prompts.positive, job.prompts.negative)),
            *([known("reward", job.judge)] if job.judge else []),
        ]
        files = {
            name: [content_hash(path) for path in each.paths]
            for name, each in (("references", job.references), ("ordinary", job.ordinary))
            if each is not None
        }
        settings = {
            **settings_of_key(job.training, job.lora),
            "sampling": vars(job.sampling),
            "shape": list(self._shape),
            "texts": list(job.prompts.texts),
        }
        return rounds_key(recognised, files, settings, job.start)

    def _trained(self, kept: KeptRounds | None, progress: ProgressCallback) -> KeptRounds:
        from ..host.training.denoiser import trainable

        job = self.job
        with trainable(
            job.model,
            job.prompts,
            job.lora,
            (job.training.micro_batch, *self._shape[1:]),
            job.start,
            seed=job.training.seed,
            checkpointing=job.checkpointing,
        ) as denoiser:
            self.notes += denoiser.notes
            rollouts = Rollouts(denoiser.sampling_model, job.prompts, job.sampling, job.latent)
            studio = HostStudio(
                denoiser,
                rollouts,
                job.vae,
                (job.reward, job.judge),
                job.prompts.texts,
                patches=job.training.patches,
            )
            reader = ReferenceReader(job, denoiser, studio, self.skipped, progress)
            pictures = reader.read(self._plan(), self._levels(), kept)
            training = RoundTraining(self._parts(denoiser, studio, pictures), self._plan(), LIMITS)
            if kept is not None:
                unpack(training, kept.state)
            session = RoundsSession(training, studio, denoiser, pictures.features(), kept)
            studio.report = lambda sampled: progress(session.progress(sampled))
            progress(session.progress(0))

            def observe() -> None:
                found = session.observed()
                if training.trace.stopped != NO_MEMORY:  # another time there may be enough
                    self._store.store(found)
                self._show(found)
                progress(session.progress(0))

            training.run(observe)
            return session.observed()

    def _plan(self) -> Plan:
        training = self.job.training
        return Plan(
            len(self.job.prompts),
            training.rounds,
            training.groups,
            training.pictures,
            training.watched,
            training.watch_every,
            training.seed,
        )

    def _parts(self, denoiser: HostDenoiser, studio: HostStudio, pictures: TrainingPictures) -> Parts:
        job, levels = self.job, self._levels()
        asked, model = CancellableDenoiser(denoiser), model_of(job.reward)
        anchor = Anchor(asked, pictures.learned, levels, job.training.anchor) if job.training.anchor else None
        refreshed = _refreshed(model, pictures, job.training) if job.training.refresh and model else None
        watched = pictures.watched
        held_out = HeldOutError(watched.latents, watched.prompts, levels, job.training.seed % 2**63)
        learner = self._learner(asked, levels, studio, anchor)
        return Parts(asked, learner, studio, levels, refreshed, held_out, pictures.watched_liked)

    def _learner(
        self, denoiser: CancellableDenoiser, levels: NoiseLevels, studio: HostStudio, anchor: Anchor | None
    ) -> Learner:
        training = self.job.training
        common: dict[str, Any] = {
            "learning_rate": training.learning_rate,
            "kl": training.kl,
            "micro_batch": training.micro_batch,
            "seed": training.seed,
        }
        if training.method == "grpo":
            settings = GrpoSettings(cfg=self.job.sampling.cfg, **common)
            return GrpoTrainer(denoiser, levels, settings, self._shape[1:], anchor)
        return NftTrainer(denoiser, levels, NftSettings(**common), studio.sample, anchor)

    def _levels(self) -> NoiseLevels:
        job, wanted = self.job, self.job.sampling
        settings = KSamplerSettings(wanted.steps, wanted.cfg, wanted.sampler_name, wanted.scheduler, 1.0)
        latent = {"samples": torch.zeros(self._shape)}
        setup = as_ksampler(job.model, job.prompts.positive[0], job.prompts.negative, latent, 0, settings)
        return NoiseLevels.of_schedule(setup.sigmas)

    def _show(self, kept: KeptRounds) -> None:
        trace = kept.trace
        self.view = RoundsView(
            trace,
            self.job.training.rounds,
            LIMITS,
            as_pictures(kept.before),
            as_pictures(kept.now),
            trace.kept,
        )
        self._body = None

    def _refreshed_reward(self, kept: KeptRounds) -> Reward:
        model, reward = model_of(self.job.reward), self.job.reward
        if not self.job.training.refresh or model is None or not isinstance(reward, ManagedReward):
            return reward
        state, ordinary = reward_state(kept.state), kept.ordinary
        if self.job.training.patches:
            state, ordinary = whole_state(state), state.get("ordinary", ordinary)
        refresh = HeadRefresh(model, kept.liked, ordinary, self.job.training.seed)
        refresh.load_state(state)
        return ManagedReward(refresh.model, reward.managed_backbone)


def _refreshed(model: RewardModel, pictures: TrainingPictures, training: RoundsTraining) -> RefreshedReward:
    liked, ordinary = pictures.liked, pictures.ordinary
    if training.patches:
        return DenseRefresh(model, _dense(liked), _dense(ordinary) if ordinary else None, seed=training.seed)
    return HeadRefresh(model, *pictures.features(), training.seed)


def _dense(judged: Judged) -> DenseFeatures:
    assert judged.patches is not None
    return DenseFeatures(judged.features, judged.patches)
