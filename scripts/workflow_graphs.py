"""Graphs of the shipped workflows: nodes, columns and notes.

`make_workflows.py` lays them out in ComfyUI's real page. A laptop's window shows about 1,500 × 750 of a graph at the
zoom the files open with: the note and what has to be set come first. What fits into 1,770 × 980 stays readable when a
page shows it whole; the larger graphs have groups, whose titles do.
"""

from __future__ import annotations

import generator_graphs
import workflow_parts as parts
from workflow_parts import App, Column, Graph, Node


def train() -> Graph:
    graph = Graph("1 Train your taste", "Train your taste", ("input/liked", "input/ordinary"))
    first, second, third = graph.columns(380, 520, 440)
    _train(graph, first, second, third)
    return graph


def train_app() -> Graph:
    """The first workflow, which pages that have apps show without its graph."""
    graph = Graph("1 Train your taste (App)", "Train your taste, as an app", like="1 Train your taste")
    first, second, third = graph.columns(380, 520, 440)
    name = graph.add("PrimitiveString", second.place(58), "Name of your taste", value="my_taste")
    liked, ordinary, trained, saved = _train(graph, first, second, third)
    for node in (trained, saved):
        graph.prompt[node.number]["inputs"]["name"] = name[0]
    settings = (
        (liked, "folder", "Pictures you like"),
        (ordinary, "folder", "Ordinary pictures"),
        (name, "value", "Name of your taste"),
    )
    graph.app = App(settings, (trained,))
    return graph


def _train(graph: Graph, first: Column, second: Column, third: Column) -> tuple[Node, Node, Node, Node]:
    """The nodes of both folders, of the training and of the saving."""
    graph.note(
        first.place(300),
        "Train your taste",
        "## 1. Put pictures you like into ComfyUI's *input/liked*, and what your generator makes anyway into "
        "*input/ordinary*. 50 of each are good, a few hundred better.",
        "## 2. Press **R**, choose both folders below, then press **Run**.",
        "### The model is saved in *models/ganrm*. Its report card says how often a liked picture it had *not* seen "
        "scored higher.",
        "### Best let both folders come from the same tool, in the same format and size. Where they do not, "
        "**neutralise** evens that out.",
    )
    liked = parts.image_folder(graph, first, "input/liked", "Pictures you like")
    ordinary = parts.image_folder(graph, first, "input/ordinary", "Ordinary pictures")
    trained = parts.train(graph, second.place(900), liked[0], ordinary[0])
    saved = parts.save_model(graph, third.place(parts.TASTE_SAVED), trained[0])
    graph.add("PreviewAny", third.place(150), "In words", source=trained[3])
    graph.add("PreviewImage", third.place(340), "The whole report card", images=trained[2])
    return liked, ordinary, trained, saved


def best_of_16() -> Graph:
    graph = Graph("2 Best 4 of 16", "Best 4 of 16", ("GANRMBestOfN",))
    first, second = graph.columns(360, 320)
    graph.note(
        first.place(260),
        "The best 4 of 16",
        "## 1. Choose your checkpoint and your taste below, and write your prompt.",
        "## 2. Press **Run**: 16 pictures are made, the best 4 are saved with their score inside the file.",
        "### **keep** says how many are kept, **minimum score** drops what is not good enough.",
    )
    taste_place = first.place(130)
    sampled = parts.ksampler(graph, first, second, batch=16)
    model = parts.load_model(graph, taste_place)
    parts.best_and_rejected(graph, sampled, model)
    return graph


def score_folder() -> Graph:
    graph = Graph("3 Score a folder", "Score a folder", ("GANRMScoreFolder",))
    first, second, third = graph.columns(380, 560, 440)
    graph.note(
        first.place(290),
        "Score a folder",
        "## Choose your taste and the folder, then press **Run**.",
        "## Every picture is scored; the best are *copied* to a new folder in *output*. Nothing is moved or "
        "overwritten.",
        "### **keep** 0 copies nothing and only lists the scores.",
        "### A folder outside ComfyUI: write its full path into *user/ganrm_folders.txt*, one a line, and press **R**.",
    )
    model = parts.load_model(graph, first.place(130))
    scored = graph.add(
        "GANRMScoreFolder",
        second.place(800),
        folder="output",
        reward=model[0],
        keep=12,
        save_to="best",
        recursive=True,  # workflow 2 saves into a folder of its own
        min_score=0.0,
        place="copy",
    )
    graph.add("PreviewAny", third.place(500), "Every picture, best first", source=scored[0])
    graph.add("PreviewAny", third.place(250), "In words", source=scored[3])
    return graph


def train_and_choose() -> Graph:
    graph = Graph("4 Train, test and choose", "Train, test, choose", ("input/liked_test", "GANRMSaveImages"))
    first, second, third = graph.columns(340, 400, 400, group="1  Choose four folders: train, and test")
    graph.note(
        first.place(230),
        "Train, test and choose",
        "## 1. Choose four folders below: two to train on, two kept apart to test on.",
        "## 2. On the right, set your checkpoint and prompt. Press **Run**.",
        "### Unchanged folders are not trained on again.",
    )
    liked = parts.image_folder(graph, first, "input/liked", "Pictures you like")
    ordinary = parts.image_folder(graph, first, "input/ordinary", "Ordinary pictures")
    trained = parts.train(graph, second.place(760), liked[0], ordinary[0])
    more_liked = parts.image_folder(graph, first, "input/liked_test", "Liked, kept apart")
    more_ordinary = parts.image_folder(graph, first, "input/ordinary_test", "Ordinary, kept apart")
    graph.add(
        "GANRMEvaluate",
        third.place(760),
        reward=trained[0],
        liked=more_liked[0],
        ordinary=more_ordinary[0],
    )
    fourth, fifth = graph.columns(320, 440, group="2  Set checkpoint and prompt: best of 8")
    sampled = parts.ksampler(graph, fourth, fourth, batch=8)
    best = parts.best_of_n(graph, fifth.place(940), sampled.images, trained, keep=1)
    parts.save_best(graph, fifth.place(320), best, trained)
    return graph


def winner_again() -> Graph:
    graph = Graph("5 Refine the winner", "Refine the winner", ("GANRMBestOfN", "SaveImage"))
    first, second = graph.columns(340, 300)
    graph.note(
        first.place(260),
        "Refine the winner",
        "## 1. Choose your checkpoint and your taste below, and write your prompt.",
        "## 2. Press **Run**: of 8 small pictures the best one is enlarged and sampled again at half strength.",
        "### *Refine*: a lower **denoise** stays closer to the winner.",
    )
    taste_place = first.place(130)
    sampled = parts.ksampler(graph, first, second, batch=8)
    model = parts.load_model(graph, taste_place)
    third, fourth = graph.columns(460, 400)
    best = parts.best_of_n(graph, third.place(960), sampled.images, model, keep=1, latents=sampled.latents[0])
    larger = graph.add(
        "LatentUpscaleBy",
        third.place(90),
        "Enlarge",
        samples=best[1],
        upscale_method="bicubic",
        scale_by=1.5,
    )
    refined = graph.add(
        "KSampler",
        fourth.place(parts.KSAMPLER),
        "Refine (img2img)",
        **parts.sampling(sampled, seed=7, steps=20, latent_image=larger[0], denoise=0.5),
    )
    decoded = graph.add("VAEDecode", third.place(54), samples=refined[0], vae=sampled.vae)
    graph.add("SaveImage", fourth.place(364), images=decoded[0], filename_prefix="GAN-RM/refined")
    return graph


def grow() -> Graph:
    graph = Graph("6 Grow your dataset", "Pick, and train again", ("GANRMAddToDataset",))
    first, second, third = graph.columns(340, 300, 440, group="1  Set checkpoint, taste and prompt, then Run")
    graph.note(
        first.place(310),
        "Grow your dataset",
        "## 1. Set checkpoint, taste and prompt. **Run**: 16 pictures, each with a number.",
        "## 2. Type the numbers you like into **pick** (1 4 7-9) and **Run** again.",
        "## 3. Change the **seed**, empty **pick**, go on.",
        "### From ten pictures on the model is trained on all you picked; until then Train says how many are missing.",
    )
    taste_place = first.place(130)
    sampled = parts.ksampler(graph, first, second, batch=16)
    model = parts.load_model(graph, taste_place, "Your taste so far")
    graph.add(
        "GANRMScore",
        third.place(900),
        images=sampled.images[0],
        reward=model[0],
        group_size=0,
        candidate="each image",
        pick="",
    )
    (fourth,) = graph.columns(420, group="2  Pick what you like")
    picked = graph.add(
        "GANRMAddToDataset",
        fourth.place(710),
        "Pick what you like",
        images=sampled.images[0],
        dataset_name="my_likes",
        pick="",
    )
    ordinary = parts.image_folder(graph, fourth, "input/ordinary", "Ordinary pictures")
    (fifth,) = graph.columns(440, group="3  Train again")
    trained = parts.train(graph, fifth.place(540), picked[0], ordinary[0])
    parts.save_model(graph, fifth.place(parts.TASTE_SAVED), trained[0])
    return graph


def repair() -> Graph:
    graph = Graph("7 Repair the weakest part", "Repair the weakest part", ("GANRMHeatmap", "GANRMSaveImages"))
    first, second, third = graph.columns(340, 300, 420, group="1  Set checkpoint, taste and prompt, then Run")
    graph.note(
        first.place(280),
        "Repair the weakest part",
        "## 1. Choose your checkpoint and your taste below, and write your prompt.",
        "## 2. Press **Run**: the best of 8 is painted again where your taste finds it weakest. What is saved is the "
        "better of *before* and *after*.",
        "### **share**: how much is painted again. A lower **denoise** stays closer to what was there.",
    )
    taste_place = first.place(130)
    sampled = parts.ksampler(graph, first, second, batch=8)
    model = parts.load_model(graph, taste_place)
    best = parts.best_of_n(
        graph, third.place(1100), sampled.images, model, keep=1, latents=sampled.latents[0]
    )
    fourth, fifth = graph.columns(380, 440, group="2  Paint the weakest part again")
    weak = graph.add(
        "GANRMHeatmap",
        fourth.place(700),
        "Where is it weak?",
        images=best[0],
        reward=model[0],
        share=0.2,
        grow=8,
        blur=16,
    )
    masked = graph.add("SetLatentNoiseMask", fourth.place(54), samples=best[1], mask=weak[1])
    again = graph.add(
        "GANRMBestOfNSampler",
        fifth.place(770),
        "Paint the weakest again, best of 4",
        **parts.sampling(sampled, seed=7, steps=20, latent_image=masked[0], denoise=0.6),
        **parts.best_of_n_settings(sampled, model, n=4, keep=1, pruning="off"),
    )
    (sixth,) = graph.columns(400, group="3  Keep the better")
    both = graph.add("ImageBatch", fifth.place(78), "Before and after", image1=best[0], image2=again[1])
    winner = parts.best_of_n(graph, sixth.place(840), both, model, keep=1)
    parts.save_best(graph, sixth.place(parts.SAVED), winner, model)
    return graph


def best_of_n_sampler() -> Graph:
    graph = Graph("8 Best 4 of 16 at half the work", "Best 4 of 16, half the work", ("GANRMBestOfNSampler",))
    first, second = graph.columns(360, 320)
    graph.note(
        first.place(330),
        "The best 4 of 16, at half the work",
        "## 1. Choose your checkpoint and your taste below, and write your prompt.",
        "## 2. Press **Run** and watch: 16 are begun, the weakest given up half-made, the best 4 finished and saved.",
        "### **n**: how many are begun (the batch size stays 1). **keep**: how many come out. **pruning**: how early the weak "
        "ones go.",
        "### Each file holds its seed: KSampler makes the very same picture of it.",
    )
    taste_place = first.place(130)
    source = parts.loaded(graph, first, second, batch=1)
    model = parts.load_model(graph, taste_place)
    parts.sampled_best(graph, second, source, model)
    return graph


def winner_made_again() -> Graph:
    graph = Graph(
        "9 Make the winner again, larger", "The winner, larger", ("SaveImage",), inset="GANRMSaveImages"
    )
    first, second = graph.columns(320, 330)
    graph.note(
        first.place(370),
        "Make the winner again, larger",
        "## 1. Choose your checkpoint and your taste below, and write your prompt.",
        "## 2. Press **Run**: the best of 16 is made again from its seed, enlarged and refined.",
        "### **An older winner**: delete the sampler with its link, and type the seed from the saved file (*ganrm* in "
        "its metadata) into *Make the winner again*, at the same size.",
        "### **The winner of a batch** (workflow 2): type the batch's seed, and set *Latent From Batch* behind the "
        "empty latent, with the picture's index and the batch's size.",
    )
    taste_place = first.place(130)
    source = parts.loaded(graph, first, second, batch=1)
    taste = parts.load_model(graph, taste_place)
    third, fourth, fifth = graph.columns(400, 280, 320)
    best = parts.best_of_n_sampler(graph, third.place(1060), source, taste, n=16, keep=1)
    parts.save_best(graph, second.place(568), best, taste)
    again = graph.add(
        "KSampler",
        fourth.place(parts.KSAMPLER),
        "Make the winner again",
        **parts.sampling(source, seed=best[3]),
    )
    decoded = graph.add("VAEDecode", fourth.place(54), samples=again[0], vae=source.vae)
    larger = graph.add(
        "ImageScaleBy",
        fourth.place(90),
        "Enlarge",
        image=decoded[0],
        upscale_method="lanczos",
        scale_by=1.5,
    )
    encoded = graph.add("VAEEncode", fourth.place(54), pixels=larger[0], vae=source.vae)
    refined = graph.add(
        "KSampler",
        fifth.place(parts.KSAMPLER),
        "Refine (img2img)",
        **parts.sampling(source, seed=7, latent_image=encoded[0], denoise=0.35),
    )
    finished = graph.add("VAEDecode", fifth.place(54), samples=refined[0], vae=source.vae)
    graph.add(
        "SaveImage",
        fifth.place(330),
        "The winner, larger",
        images=finished[0],
        filename_prefix="GAN-RM/larger",
    )
    return graph


def teach_generator() -> Graph:
    graph = Graph(
        "10 Teach your generator your taste", "Teach your generator your taste", ("GANRMTrainOnGroups",)
    )
    first, second = graph.columns(430, 400, group="1  Set checkpoint, taste and prompts, then Run")
    graph.note(
        first.place(310),
        "Teach your generator your taste",
        "## 1. Choose your checkpoint and your taste, and write prompts as you usually do, one a line.",
        "## 2. Press **Run**: pictures are made and scored, a LoRA learns from the best, and you see the same pictures before "
        "and after.",
        "### If it is worth keeping, it is saved in *models/loras*: use it with *Load LoRA*.",
        "### It takes an hour or more. Stop it at any time: **Run** goes on where it was.",
    )
    taste = parts.load_model(graph, first.place(130))
    model = graph.add("CheckpointLoaderSimple", first.place(130), ckpt_name=parts.CHECKPOINT)
    size = graph.add("EmptyLatentImage", first.place(118), "How large", width=1024, height=1024, batch_size=1)
    prompts = parts.prompts(graph, second.place(700), "Prompts to learn from", model, parts.TRAINING_PROMPTS)
    made = {"vae": model[2], "reward": taste[0], "latent_image": size[0], **parts.SAMPLING}
    (third,) = graph.columns(520, group="2  Pictures, best and worst")
    groups = graph.add(
        "GANRMMakeGroups",
        third.place(900),
        model=model[0],
        prompts=prompts[0],
        seed=0,
        pictures=16,
        count=64,
        **made,
    )
    (fourth,) = graph.columns(520, group="3  Learn from the best")
    trained = parts.train_on_groups(graph, fourth.place(900), model, groups, taste)
    fifth, sixth = graph.columns(520, 400, group="4  Before and after")
    tested = parts.prompts(
        graph, sixth.place(700), "Other prompts to compare with", model, parts.TEST_PROMPTS
    )
    compared = graph.add(
        "GANRMCompareModels",
        fifth.place(900),
        before=model[0],
        after=trained[4],
        prompts=tested[0],
        seed=1_000_000,
        pictures=8,
        **made,
    )
    graph.add(
        "GANRMSaveLora",
        sixth.place(350),
        lora=trained[0],
        name="my_taste_lora",
        keep=compared[3],
        about=compared[4],
    )
    return graph


def adversarial_training() -> Graph:
    graph = Graph("11 Adversarial training", "Adversarial training", ("GANRMAdversarialTraining",))
    first, second = graph.columns(430, 400, group="1  Set folder, models and prompts, then Run")
    graph.note(
        first.place(310),
        "Generator and taste learn in turn",
        "## 1. Choose checkpoint, taste and the folder of pictures you like, and write prompts, one a line.",
        "## 2. Press **Run**: pictures are made and judged, the model learns, and your taste learns to tell them from yours.",
        "### Small plots show if the taste is being fooled. Then training stops, and you get the best LoRA on the way.",
        "### It takes hours. Stop it at any time: **Run** goes on where it was.",
    )
    taste = parts.load_model(graph, first.place(130))
    model = graph.add("CheckpointLoaderSimple", first.place(130), ckpt_name=parts.CHECKPOINT)
    size = graph.add("EmptyLatentImage", first.place(118), "How large", width=1024, height=1024, batch_size=1)
    liked = parts.image_folder(graph, second, "input/liked", "Pictures you like")
    prompts = parts.prompts(graph, second.place(420), "Prompts to learn from", model, parts.TRAINING_PROMPTS)
    (third,) = graph.columns(560, group="2  Make, judge and learn")
    trained = parts.adversarial_training(
        graph,
        third.place(1720),
        model,
        prompts,
        reward=taste[0],
        references=liked[0],
        latent_image=size[0],
    )
    fourth, fifth = graph.columns(520, 400, group="3  Before and after")
    tested = parts.prompts(
        graph, fifth.place(700), "Other prompts to compare with", model, parts.TEST_PROMPTS
    )
    compared = graph.add(
        "GANRMCompareModels",
        fourth.place(900),
        before=model[0],
        after=trained[5],
        prompts=tested[0],
        vae=model[2],
        reward=taste[0],
        latent_image=size[0],
        seed=1_000_000,
        pictures=8,
        **parts.SAMPLING,
    )
    graph.add(
        "GANRMSaveLora",
        fifth.place(350),
        lora=trained[0],
        name="my_taste_lora",
        keep=compared[3],
        about=compared[4],
    )
    return graph


def style() -> Graph:
    graph = Graph("12 Take over a style", "Take over a style", ("GANRMAdversarialTraining",))
    first, second = graph.columns(430, 400, group="1  Set folders, model and prompts, then Run")
    graph.note(
        first.place(250),
        "Take over a style",
        "## 1. Put fifty pictures of one style or more into *input/style*, and what your model makes anyway into "
        "*input/ordinary*.",
        "## 2. Choose your checkpoint, write prompts for other subjects, and press **Run**.",
        "### **every part** judges each part of a picture, where brush and grain are; a strong **anchor** learns from the "
        "pictures themselves.",
        "### It takes hours. Stop it at any time: **Run** goes on where it was.",
    )
    liked = parts.image_folder(graph, first, "input/style", "Pictures of the style")
    ordinary = parts.image_folder(graph, first, "input/ordinary", "Ordinary pictures")
    model = graph.add("CheckpointLoaderSimple", second.place(130), ckpt_name=parts.CHECKPOINT)
    prompts = parts.prompts(graph, second.place(420), "Prompts to learn with", model, parts.TRAINING_PROMPTS)
    size = graph.add("EmptyLatentImage", first.place(118), "How large", width=1024, height=1024, batch_size=1)
    third, fourth = graph.columns(400, 560, group="2  What the style is, and rounds of taking it over")
    taste = parts.train(graph, third.place(900), liked[0], ordinary[0])
    trained = parts.adversarial_training(
        graph,
        fourth.place(1750),
        model,
        prompts,
        reward=taste[0],
        references=liked[0],
        ordinary=ordinary[0],
        latent_image=size[0],
        rounds=24,
        patches=True,
        anchor=2.0,
        keep_close=0.0,
    )
    (fifth,) = graph.columns(400, group="3  The LoRA")
    tested = parts.prompts(graph, fifth.place(700), "Other subjects", model, parts.TEST_PROMPTS)
    graph.add(
        "GANRMSaveLora", fifth.place(350), lora=trained[0], name="my_style_lora", about=trained[4], keep=True
    )
    (sixth,) = graph.columns(520)
    graph.add(
        "GANRMCompareModels",
        sixth.place(900),
        before=model[0],
        after=trained[5],
        prompts=tested[0],
        vae=model[2],
        reward=trained[1],
        latent_image=size[0],
        seed=1_000_000,
        pictures=8,
        **parts.SAMPLING,
    )
    return graph


def together() -> Graph:
    graph = Graph("13 Taste and prompt together", "Taste and prompt together", ("GANRMBestOfN",))
    first, second = graph.columns(380, 340, group="1  Set model, taste and prompt, then Run")
    graph.note(
        first.place(330),
        "Taste and prompt together",
        "## 1. Choose your checkpoint and your taste, and write your prompt once: it goes to the generator and to the judge.",
        "## 2. Choose a CLIP in *Prompt Fit*: *clip-vit-large-patch14* in *models/clip_vision*, *clip_l* in "
        "*models/text_encoders*.",
        "## 3. Press **Run**: of 16 pictures the best 4 by both are saved.",
        "### **second weight**: how much the prompt counts beside your taste, measured on these very pictures.",
    )
    text = graph.add("PrimitiveStringMultiline", second.place(160), "What you want", value=parts.PROMPT)
    taste_place = first.place(130)
    sampled = parts.ksampler(graph, first, second, batch=16, text=text[0])
    taste = parts.load_model(graph, taste_place)
    (third,) = graph.columns(420, group="2  Taste and prompt")
    fit = graph.add(
        "GANRMPromptFit",
        third.place(200),
        "Does it show what I asked for?",
        model="clip_vision/clip-vit-large-patch14.safetensors",
        text_encoder="automatic",
        formula="similarity",
        architecture="",
    )
    both = graph.add(
        "GANRMEnsemble",
        third.place(400),
        reward_1=taste[0],
        reward_2=fit[0],
        weight_1=1.0,
        weight_2=0.5,
        name="",
        pictures=sampled.images[0],
        prompts=text[0],
    )
    graph.add("PreviewAny", third.place(220), "How much each counts", source=both[1])
    fourth, fifth = graph.columns(500, 400, group="3  The best by both")
    best = parts.best_of_n(
        graph, fourth.place(1000), sampled.images, both, keep=4, latents=sampled.latents[0], prompts=text[0]
    )
    parts.save_best(graph, fifth.place(parts.SAVED), best, both)
    graph.add("PreviewImage", fifth.place(406), "Rejected, best to worst", images=best[3])
    return graph


def vision_language_judge() -> Graph:
    graph = Graph("14 A vision-language judge", "A vision-language judge", ("GANRMScore",))
    first, second = graph.columns(360, 360)
    graph.note(
        first.place(310),
        "A vision-language judge",
        "## 1. Put a vision-language model (a whole folder, such as Qwen3-VL-4B-Instruct) into ComfyUI's *models/ganrm_judges*, "
        "and press **R**.",
        "## 2. Choose your checkpoint and that model, write your prompt, and press **Run**: 8 pictures are judged by how well "
        "they show it, and the best 2 are saved.",
        "### **reason** makes the model say why; **instruction** is for your own words. Connect pictures you like to "
        "**references**, and it compares with them.",
    )
    prompt_place, judge_place = first.place(130), second.place(430)
    model = graph.add("CheckpointLoaderSimple", first.place(130), ckpt_name=parts.CHECKPOINT)
    text = graph.add("PrimitiveStringMultiline", prompt_place, "What you want", value=parts.PROMPT)
    judge = parts.vision_language_judge(graph, judge_place)
    size = graph.add("EmptyLatentImage", first.place(118), "How many", width=1024, height=1024, batch_size=8)
    third, fourth, fifth = graph.columns(320, 520, 440)
    positive = graph.add("CLIPTextEncode", third.place(92), clip=model[1], text=text[0])
    negative = graph.add(
        "CLIPTextEncode", third.place(102), "What you do not want", clip=model[1], text="blurry, watermark"
    )
    source = parts.Source(model[0], model[2], positive[0], negative[0], size[0], parts.SAMPLING)
    latents = graph.add("KSampler", third.place(parts.KSAMPLER), **parts.sampling(source))
    images = graph.add("VAEDecode", third.place(54), samples=latents[0], vae=model[2])
    scored = graph.add(
        "GANRMScore",
        fourth.place(900),
        images=images[0],
        reward=judge[0],
        group_size=0,
        candidate="each image",
        prompts=text[0],
        pick="",
    )
    graph.add("PreviewAny", fifth.place(360), "What it says about each", source=scored[3])
    best = parts.best_of_n(graph, second.place(600), images, None, keep=2, given_scores=scored[0])
    parts.save_best(graph, fifth.place(parts.SAVED), best, judge)
    return graph


def cull_folder() -> Graph:
    graph = Graph("15 Cull a folder", "Cull a folder", ("GANRMCullFolder",))
    first, second, third = graph.columns(380, 560, 440)
    graph.note(
        first.place(330),
        "Cull a folder",
        "## 1. Choose your taste and the folder, then press **Run**.",
        "## 2. Pictures that are nearly the same form groups. The best of each, and every picture like no other, are *copied* to "
        "a new folder in *output*.",
        "### Your own files stay where they are. **place** *nothing* only shows the groups.",
        "### **alike** *copies* is stricter; **keep** says how many of each group.",
    )
    model = parts.load_model(graph, first.place(130))
    culled = graph.add(
        "GANRMCullFolder",
        second.place(800),
        folder="input",
        reward=model[0],
        alike="bursts",
        keep=1,
        save_to="culled",
        place="copy",
        recursive=False,
        within=0,
    )
    graph.add("PreviewAny", third.place(500), "Every picture, group by group", source=culled[0])
    graph.add("PreviewAny", third.place(250), "In words", source=culled[3])
    return graph


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
    teach_generator,
    adversarial_training,
    style,
    together,
    vision_language_judge,
    cull_folder,
    train_app,
    *generator_graphs.VARIANTS,
)
