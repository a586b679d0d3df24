"""The shipped workflows: what stands in each graph, where, and what its notes tell the artist.

`make_workflows.py` lays them out in ComfyUI's real page.
"""

from __future__ import annotations

import workflow_parts as parts
from workflow_parts import Graph


def train() -> Graph:
    graph = Graph("ganrm_1_train_your_taste", "GANRMTrain")
    liked = parts.image_folder(graph, (0, 0), "input/liked", "Pictures you like")
    ordinary = parts.image_folder(graph, (0, 190), "input/ordinary", "Ordinary pictures")
    trained = parts.train(graph, (400, 0), liked[0], ordinary[0])
    parts.save_model(graph, (960, 0), trained[0])
    graph.add("LossGraphNode", (960, 170), (360, 330), loss=trained[1], filename_prefix="GAN-RM_loss")
    graph.add("PreviewAny", (400, 730), (520, 170), "In words", source=trained[3])
    graph.add("PreviewImage", (1360, 0), (340, 900), "The whole report card", images=trained[2])
    graph.note(
        (0, 380),
        (360, 420),
        "### Train your taste\n\n"
        "1. Make two folders in ComfyUI's `input`: **liked** with pictures you wish your generator made, and "
        "**ordinary** with what it makes anyway. 50 of each are good, a few hundred better.\n"
        "2. Press **R**, choose them in the two nodes above.\n"
        "3. Press **Run**. On a CPU it takes about a minute for 100 + 100.\n\n"
        "Best let both folders come from the same tool, in the same format and size. Where they do not, **neutralise** "
        "evens that out, and the report card says what it found.\n\n"
        "The report card says how often a liked picture it had *not* seen scored higher. The model is saved in "
        "`models/ganrm`.",
    )
    return graph


def best_of_16() -> Graph:
    graph = Graph("ganrm_2_best_of_16", "GANRMBestOfN")
    sampled = parts.ksampler(graph, batch=16)
    model = parts.load_model(graph, (0, 470))
    best = parts.best_of_n(graph, (1140, 0), sampled.images, model, keep=4, latents=sampled.latents[0])
    parts.save_best(graph, (1700, 0), best, model)
    graph.add("PreviewImage", (1700, 500), (420, 420), "Rejected, best to worst", images=best[3])
    graph.note(
        (0, 600),
        (360, 320),
        "### The best 4 of 16\n\n"
        "Choose your checkpoint, your prompt and your taste (**Load GAN-RM**), then press **Run**.\n\n"
        "**keep** says how many are kept. **minimum score** drops what is not good enough; the suggested "
        "threshold stands above the pictures.\n\n"
        "The four best are saved with their score inside the file. To keep an order of your own, look at the "
        "numbers under the pictures.",
    )
    return graph


def score_folder() -> Graph:
    graph = Graph("ganrm_3_score_a_folder", "GANRMScoreFolder")
    model = parts.load_model(graph, (0, 0))
    scored = graph.add(
        "GANRMScoreFolder",
        (400, 0),
        (560, 900),
        folder="output",
        reward=model[0],
        keep=12,
        save_to="best",
        recursive=False,
        min_score=0.0,
        place="copy",
    )
    graph.add("PreviewAny", (1000, 0), (460, 620), "Every picture, best first", source=scored[0])
    graph.add("PreviewAny", (1000, 670), (460, 230), "In words", source=scored[3])
    graph.note(
        (0, 210),
        (360, 420),
        "### Score a folder\n\n"
        "Choose the folder and your taste, press **Run**. Every picture is scored; the best are *copied* to a new "
        "folder below `output`. Nothing is moved or overwritten.\n\n"
        "**keep** 0 copies nothing and only lists the scores.\n\n"
        "A folder outside ComfyUI: write its full path into `user/ganrm_folders.txt`, one a line, and press **R**.",
    )
    return graph


def train_and_choose() -> Graph:
    graph = Graph("ganrm_4_train_evaluate_choose", "GANRMEvaluate")
    liked = parts.image_folder(graph, (0, 0), "input/liked", "Pictures you like")
    ordinary = parts.image_folder(graph, (0, 170), "input/ordinary", "Ordinary pictures")
    trained = parts.train(graph, (400, 0), liked[0], ordinary[0])
    more_liked = parts.image_folder(graph, (0, 340), "input/liked_test", "Liked, kept apart")
    more_ordinary = parts.image_folder(graph, (0, 510), "input/ordinary_test", "Ordinary, kept apart")
    graph.add(
        "GANRMEvaluate",
        (960, 0),
        (520, 500),
        reward=trained[0],
        liked=more_liked[0],
        ordinary=more_ordinary[0],
    )
    sampled = parts.ksampler(graph, batch=8, top=760)
    best = parts.best_of_n(graph, (1140, 760), sampled.images, trained, keep=1)
    parts.save_best(graph, (1700, 760), best, trained)
    graph.note(
        (1520, 0),
        (360, 300),
        "### Train, test, choose\n\n"
        "Trains on two folders, tests on two *others* (pictures kept apart, so that the figures are honest), and "
        "keeps the best of 8 new pictures.\n\n"
        "Run again: unchanged folders are not trained on again.",
    )
    return graph


def winner_again() -> Graph:
    graph = Graph("ganrm_5_refine_the_winner", "SaveImage")
    sampled = parts.ksampler(graph, batch=8)
    model = parts.load_model(graph, (0, 470))
    best = parts.best_of_n(graph, (1140, 0), sampled.images, model, keep=1, latents=sampled.latents[0])
    larger = graph.add(
        "LatentUpscaleBy",
        (1700, 0),
        (320, 110),
        samples=best[1],
        upscale_method="bicubic",
        scale_by=1.5,
    )
    refined = graph.add(
        "KSampler",
        (1700, 160),
        (320, 280),
        "Refine (img2img)",
        **parts.sampling(sampled, seed=7, steps=20, latent_image=larger[0], denoise=0.5),
    )
    decoded = graph.add("VAEDecode", (1700, 720), (320, 60), samples=refined[0], vae=sampled.model[2])
    graph.add("SaveImage", (2070, 0), (520, 620), images=decoded[0], filename_prefix="GAN-RM/refined")
    graph.note(
        (0, 600),
        (360, 300),
        "### Refine the winner\n\n"
        "Makes 8 small pictures, keeps the best one's **latent**, enlarges it and samples it again at half strength "
        "(**denoise** 0.5: lower stays closer to the winner).\n\n"
        "Set the model, the prompt and your taste, then press **Run**.",
    )
    return graph


def grow() -> Graph:
    graph = Graph("ganrm_6_grow_your_dataset", "GANRMAddToDataset")
    sampled = parts.ksampler(graph, batch=16)
    model = parts.load_model(graph, (0, 470), "Your taste so far")
    graph.add(
        "GANRMScore",
        (1140, 0),
        (520, 760),
        images=sampled.images[0],
        reward=model[0],
        group_size=0,
        candidate="each image",
    )
    picked = graph.add(
        "GANRMAddToDataset",
        (1700, 0),
        (420, 560),
        "Pick what you like",
        images=sampled.images[0],
        dataset_name="my_likes",
        pick="",
    )
    ordinary = parts.image_folder(graph, (1700, 620), "input/ordinary", "Ordinary pictures")
    trained = parts.train(graph, (2160, 0), picked[0], ordinary[0])
    parts.save_model(graph, (2720, 0), trained[0])
    graph.note(
        (0, 620),
        (360, 380),
        "### Grow your dataset\n\n"
        "1. **Run**: 16 pictures, each with a number.\n"
        "2. Type the numbers you like into **pick** (`1 4 7-9`) and **Run** again: they join the dataset "
        "`my_likes`, and the model is trained on all of it. The pictures are not made anew.\n"
        "3. Change the **seed**, empty **pick**, and go on.\n\n"
        "Training starts as soon as the dataset holds ten pictures. Until then it stops with a message, and your "
        "picks are safe.",
    )
    return graph


def repair() -> Graph:
    graph = Graph("ganrm_7_repair_the_weakest", "GANRMHeatmap")
    sampled = parts.ksampler(graph, batch=8)
    model = parts.load_model(graph, (0, 470))
    best = parts.best_of_n(graph, (1140, 0), sampled.images, model, keep=1, latents=sampled.latents[0])
    weak = graph.add(
        "GANRMHeatmap",
        (1700, 0),
        (520, 640),
        "Where is it weak?",
        images=best[0],
        reward=model[0],
        share=0.2,
        grow=8,
        blur=16,
    )
    masked = graph.add("SetLatentNoiseMask", (2260, 0), (320, 60), samples=best[1], mask=weak[1])
    again = graph.add(
        "GANRMBestOfNSampler",
        (2260, 110),
        (560, 900),
        "Paint the weakest again, best of 4",
        **parts.sampling(sampled, seed=7, steps=20, latent_image=masked[0], denoise=0.6),
        **parts.best_of_n_settings(sampled, model, n=4, keep=1, pruning="off"),
    )
    both = graph.add("ImageBatch", (2860, 0), (320, 60), "Before and after", image1=best[0], image2=again[1])
    winner = parts.best_of_n(graph, (2860, 110), both, model, keep=1)
    parts.save_best(graph, (3420, 0), winner, model)
    graph.note(
        (1700, 700),
        (520, 240),
        "### Repair the weakest region\n\n"
        "Keeps the best of 8, masks where your taste finds it weakest, and paints that part again, four times over. What is "
        "saved is the better of *before* and the best *after*: the picture is only changed where that helps.\n\n"
        "**share** is how much of the picture is painted again. Lower **denoise** stays closer to what was there.",
    )
    return graph


def best_of_n_sampler() -> Graph:
    graph = Graph("ganrm_8_best_of_n_sampler", "GANRMBestOfNSampler")
    source = parts.loaded(graph, batch=1)
    model = parts.load_model(graph, (0, 470))
    best = parts.best_of_n_sampler(graph, (780, 0), source, model, n=16, keep=4)
    parts.save_best(graph, (1400, 0), best, model)
    graph.note(
        (0, 600),
        (360, 300),
        "### The best 4 of 16, at half the work\n\n"
        "Begins 16 pictures, looks at them after 30 % and 50 % of the steps, gives the weakest up, and finishes only the "
        "others. Set your checkpoint, prompt and taste, press **Run**, and watch.\n\n"
        "**n** is how many are begun (leave the batch size of the latent at 1), **keep** how many come out, **pruning** "
        "how early the weak ones go.\n\n"
        "Each saved file holds its own seed: KSampler makes the very same picture of it.",
    )
    return graph


def winner_made_again() -> Graph:
    graph = Graph("ganrm_9_make_the_winner_again_larger", "SaveImage")
    source = parts.loaded(graph, batch=1)
    taste = parts.load_model(graph, (0, 470))
    best = parts.best_of_n_sampler(graph, (780, 0), source, taste, n=16, keep=1)
    parts.save_best(graph, (780, 1080), best, taste)
    again = graph.add(
        "KSampler",
        (1400, 0),
        (320, 280),
        "Make the winner again",
        **parts.sampling(source, seed=best[3]),
    )
    decoded = graph.add("VAEDecode", (1400, 560), (320, 60), samples=again[0], vae=source.model[2])
    larger = graph.add(
        "ImageScaleBy",
        (1400, 670),
        (320, 110),
        "Enlarge",
        image=decoded[0],
        upscale_method="lanczos",
        scale_by=1.5,
    )
    encoded = graph.add("VAEEncode", (1400, 830), (320, 60), pixels=larger[0], vae=source.model[2])
    refined = graph.add(
        "KSampler",
        (1770, 0),
        (320, 280),
        "Refine (img2img)",
        **parts.sampling(source, seed=7, latent_image=encoded[0], denoise=0.35),
    )
    finished = graph.add("VAEDecode", (1770, 560), (320, 60), samples=refined[0], vae=source.model[2])
    graph.add(
        "SaveImage",
        (2140, 0),
        (520, 620),
        "The winner, larger",
        images=finished[0],
        filename_prefix="GAN-RM/larger",
    )
    graph.note(
        (0, 600),
        (360, 420),
        "### Make the winner again, larger\n\n"
        "The **seeds** of the Best-of-N Sampler lead into a KSampler with the same settings and the same size: it makes "
        "the winner again, which is then enlarged and refined. (The same seed at *another* size is another picture.)\n\n"
        "**An older winner**: delete the sampler with its link, and type the seed that stands in the saved file "
        "(`ganrm` in its metadata) into *Make the winner again*.\n\n"
        "**The winner of a batch** (workflow 2): type the batch's seed, and set *Latent From Batch* behind the empty "
        "latent, with the picture's index as **batch_index** and the batch size it was made with.",
    )
    return graph


def images_to_dataset() -> Graph:
    """Not shipped, as the two below: shows a node that stands in no workflow, for its help page."""
    graph = Graph("images_to_dataset", "GANRMImagesToDataset")
    sampled = parts.ksampler(graph, batch=16)
    graph.add("GANRMImagesToDataset", (1140, 0), (360, 90), images=sampled.images[0])
    return graph


def combination() -> Graph:
    graph = Graph("combination", "GANRMEnsemble")
    first, second = parts.load_model(graph, (0, 0)), parts.load_model(graph, (0, 150))
    graph.add(
        "GANRMEnsemble",
        (400, 0),
        (400, 240),
        reward_1=first[0],
        reward_2=second[0],
        weight_1=1.0,
        weight_2=0.5,
        name="style and quality",
    )
    return graph


def bootstrapping() -> Graph:
    """Refines the taste of the first workflow by what the generator made since."""
    graph = Graph("bootstrapping", "GANRMBootstrap")
    liked = parts.image_folder(graph, (0, 0), "input/liked", "Pictures you like")
    ordinary = parts.image_folder(graph, (0, 170), "input/ordinary", "Ordinary pictures")
    pool = parts.image_folder(graph, (0, 340), "output", "What was made since")
    model = parts.load_model(graph, (0, 510))
    graph.add(
        "GANRMBootstrap",
        (400, 0),
        (520, 640),
        reward=model[0],
        pool=pool[0],
        liked=liked[0],
        ordinary=ordinary[0],
        rounds=3,
        bottom_only=False,
    )
    return graph


def custom_sampling() -> Graph:
    graph = Graph("custom_sampling", "GANRMBestOfNSamplerCustom")
    source = parts.loaded(graph, batch=1)
    taste = parts.load_model(graph, (0, 470))
    noise = graph.add("RandomNoise", (780, 0), (320, 90), noise_seed=42)
    guider = graph.add(
        "CFGGuider",
        (780, 140),
        (320, 110),
        model=source.model[0],
        positive=source.positive[0],
        negative=source.negative[0],
        cfg=6.0,
    )
    method = graph.add("KSamplerSelect", (780, 300), (320, 60), sampler_name="dpmpp_2m")
    sigmas = graph.add(
        "BasicScheduler",
        (780, 410),
        (320, 120),
        model=source.model[0],
        scheduler="karras",
        steps=25,
        denoise=1.0,
    )
    graph.add(
        "GANRMBestOfNSamplerCustom",
        (1140, 0),
        (520, 980),
        noise=noise[0],
        guider=guider[0],
        sampler=method[0],
        sigmas=sigmas[0],
        latent_image=source.empty[0],
        **parts.best_of_n_settings(source, taste, n=16, keep=1),
    )
    return graph


UNUSED = (images_to_dataset, combination, bootstrapping, custom_sampling)
WORKFLOWS = (
    train,
    best_of_16,
    score_folder,
    train_and_choose,
    winner_again,
    grow,
    repair,
    best_of_n_sampler,
    winner_made_again,
)
