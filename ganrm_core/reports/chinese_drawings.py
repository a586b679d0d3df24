"""Simplified Chinese translations of drawn text: English template → Chinese template.

Placeholders as in `translation`. Where several templates fit, the one with most literal characters is taken.
"""

from __future__ import annotations

from .chinese_lora_training import LORA_TRAINING
from .chinese_reports import REPORTS
from .chinese_sharing import SHARING

_COUNTS = {
    "1 picture": "1 张图像",
    "{n} pictures": "{n} 张图像",
    "1 candidate": "1 个候选",
    "{n} candidates": "{n} 个候选",
    "{known} in {n} groups": "{known}，分 {n} 组",
    "{known}, {k} kept": "{known}，保留 {k} 张",
    "{known}, {k} kept: {names}": "{known}，保留 {k} 张：{names}",
    "best {n} shown, {m} left out": "显示最好的 {n} 张，其余 {m} 张未显示",
    "{n} of {m}": "{n} / {m}",
    "{n} so far": "已完成 {n}",
    "{n}st": "第 {n}",
    "{n}nd": "第 {n}",
    "{n}rd": "第 {n}",
    "{n}th": "第 {n}",
    "group {n}": "第 {n} 组",
    "{numbers} and {n}": "{numbers}、{n}",
    "{numbers} and {n} more": "{numbers} 等另外 {n} 个",
    "{quoted} and {other}": "{quoted} 和 {other}",
    "{n} more": "另外 {n} 个",
    "{n} to {m}": "{n} 至 {m}",
    "{n} (seed {s}, score {v})": "{n}（种子 {s}，分数 {v}）",
    "{n} (seed {s}, score {v}), {others}": "{n}（种子 {s}，分数 {v}）、{others}",
    "{n} (score {v})": "{n}（分数 {v}）",
    "{n} (score {v}), {others}": "{n}（分数 {v}）、{others}",
    "not known": "未知",
}

_SHEETS = {
    "min": "最低",
    "median": "中位",
    "max": "最高",
    "suggested threshold": "建议阈值",
    "is the number to pick": "是挑选用的编号",
    "{n} the score": "{n} 是分数",
    "{known} the rank": "{known} 是名次",
    "kept": "保留",
    "picked by hand": "手动挑选",
    "spoilt": "已损坏",
    "{names} is spoilt (NaN or infinite values)": "{names} 已损坏（含 NaN 或无穷大）",
    "{names} are spoilt (NaN or infinite values)": "{names} 已损坏（含 NaN 或无穷大）",
    "{names} is spoilt (NaN or infinite values): left out.": "{names} 已损坏（含 NaN 或无穷大），已略去。",
    "{names} are spoilt (NaN or infinite values): left out.": "{names} 已损坏（含 NaN 或无穷大），已略去。",
    "{names} is spoilt (NaN or infinite values).": "{names} 已损坏（含 NaN 或无穷大）。",
    "{names} are spoilt (NaN or infinite values).": "{names} 已损坏（含 NaN 或无穷大）。",
    "{names} are too close to call": "{names} 难分高下",
    "group {n}: {names} are too close to call": "第 {n} 组：{names} 难分高下",
    "too close to call in {n} of {m} groups": "{m} 组中有 {n} 组难分高下",
    "judged by one prompt": "按一个提示词评判",
    "judged by {n} different prompts": "按 {n} 个不同的提示词评判",
    "None reached the minimum score of {n}; the best is {m}. Lower it, {advice}": (
        "没有图像达到最低分数 {n}，最高只有 {m}。请调低它，{advice}"
    ),
    "The picture did not reach the minimum score of {n}; it has {m}. Lower it, {advice}": (
        "这张图像没有达到最低分数 {n}，它只有 {m}。请调低它，{advice}"
    ),
    "Group {groups} kept nothing: none there reached the minimum score of {n}. Lower it, {advice}": (
        "第 {groups} 组什么也没保留：组内没有图像达到最低分数 {n}。请调低它，{advice}"
    ),
    "Groups {groups} kept nothing: none there reached the minimum score of {n}. Lower it, {advice}": (
        "第 {groups} 组什么也没保留：组内没有图像达到最低分数 {n}。请调低它，{advice}"
    ),
    "make more candidates, or raise 'keep at least'.": "生成更多候选，或提高“至少保留”。",
    "or set it to 0.": "或设为 0。",
    "{n} of {m} are shown.": "显示 {m} 张中的 {n} 张。",
    "{known} {n} of {m} are shown.": "{known} 显示 {m} 张中的 {n} 张。",
    "No picture: {why}": "没有图像：{why}",
}

_LIVE_SHEET = {
    "Best of {n}: {state}": "{n} 选优：{state}",
    "{n} going on": "{n} 个进行中",
    "given up": "已放弃",
    "step {n}": "第 {n} 步",
    "after step {n}": "第 {n} 步后",
    "at step {n}": "第 {n} 步时",
    "Gold: kept, with the score of the finished picture.": "金框：保留，分数是成品图像的分数。",
    "Faded: given up half-made, after the step named, as it looked then.": "变淡：未完成即放弃，图为所标步数时的样子。",
    "A half-made picture's score does not compare, so none is shown.": "半成品的分数无法与成品比较，故不显示。",
    "Scores are of half-made pictures, after so many steps.": "分数是半成品图像在所标步数时的分数。",
    "draft": "草稿",
    "Drafts are faded where not made in full.": "未完整生成的草稿变淡。",
    "A draft's score does not compare, so none is shown.": "草稿的分数无法与成品比较，故不显示。",
    "Scores are of drafts; the best are made in full.": "分数是草稿的分数；最好的会完整生成。",
    "{n} drafted with a step cache": "{n} 个用步缓存打了草稿",
    "{n} drafted with fewer steps": "{n} 个用更少步数打了草稿",
    "{n} made in full": "{n} 个完整生成",
    "path of number {n}: {path}": "第 {n} 号的路径：{path}",
    "made again": "再次生成",
    "{n} given up half-made, after {steps} steps": "{n} 个在第 {steps} 步后未完成即放弃",
    "{n} of the work of {m} finished pictures": "计算量为完成 {m} 张图像的 {n}",
    "models/vae_approx holds no preview decoder for this model, so the VAE decoded the looks": (
        "models/vae_approx 中没有此模型的预览解码器，途中查看改用 VAE 解码"
    ),
    "stopped early: one of the next {n} would be kept with a chance of {m}": (
        "已提前停止：接下来的 {n} 个中有一个被保留的概率为 {m}"
    ),
    "memory let {n} of {m} candidates share a call": "显存只够 {m} 个候选中的 {n} 个共用一次调用",
}

_PROGRESS = {
    "looking at the liked files": "查看喜欢的文件",
    "looking at the ordinary files": "查看普通的文件",
    "looking at the pictures": "查看图像",
    "looking at the pool": "查看图像池",
    "finding copies": "查找重复图像",
    "looking for leaks": "检查与品味无关的差别",
    "reading pictures": "读取图像特征",
    "reading the pool": "读取图像池特征",
    "adapting": "微调主干网络",
    "fitting": "拟合",
    "bootstrapping": "自举",
    "comparing with itself": "同图测试",
    "measuring": "测量",
    "scoring": "评分",
    "downloading {name}": "下载 {name}",
    "about {n} s left": "约剩 {n} 秒",
    "about {n} min left": "约剩 {n} 分钟",
    "about {n} h left": "约剩 {n} 小时",
    "Cancelled": "已取消",
    "Stopped by an error": "因错误而停止",
    "while {stage}": "当时正在{stage}",
    "while {stage}, {n} of {m}": "当时正在{stage}，{n} / {m}",
    "while {stage}, {n} so far": "当时正在{stage}，已完成 {n}",
}

_SAVED = {
    "Saved as": "已保存为",
    "Kept already as": "早已保存为",
    "AUC {n}, before {m}": "AUC {n}，之前 {m}",
    "The one before: {name}": "之前的模型：{name}",
    "{n} of {m} liked pictures, {known} to go.": "喜欢的图像 {n} / {m} 张，还差 {known} 张。",
    "{n} of {m} ordinary pictures, {known} to go.": "普通的图像 {n} / {m} 张，还差 {known} 张。",
    "{n} of {m} liked pictures in {name}, {known} to go.": "{name} 中喜欢的图像 {n} / {m} 张，还差 {known} 张。",
    "{n} of {m} ordinary pictures in {name}, {known} to go.": "{name} 中普通的图像 {n} / {m} 张，还差 {known} 张。",
    "Nothing is trained until then.": "在此之前不训练。",
    "Saved without star ratings: they need the scores and the reward connected.": (
        "保存时没有写入星级：需要连接分数和奖励。"
    ),
    "Saved without star ratings: this reward has no thresholds between 0 and 1 to make stars of.": (
        "保存时没有写入星级：这个奖励没有 0 和 1 之间的阈值可用来给出星级。"
    ),
    "Saved without star ratings: ComfyUI was started with --disable-metadata.": (
        "保存时没有写入星级：ComfyUI 以 --disable-metadata 启动。"
    ),
    "Rated by a model, and not changed since: {n} of {m}.": "由模型评级、此后无人改动的：{m} 张中有 {n} 张。",
    "A taste that learns from such ratings learns what that model knows already.": (
        "从这样的评级中学习的品味，只会学到那个模型已经知道的。"
    ),
    "Left out, since the rating cannot be read: {names}.": "因无法读取评级而略去：{names}。",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "{names} was not saved: {why}": "{names} 未能保存：{why}",
    "{names} were not saved: {why}": "{names} 未能保存：{why}",
    "{names} was not added: {why}": "{names} 未能加入：{why}",
    "{names} were not added: {why}": "{names} 未能加入：{why}",
}

_DATASETS = {
    "new": "新加入",
    "in it": "已在其中",
    "not added": "未加入",
    "{n} added to {name}: {count} by now.": "已加入 {name} {n} 张，现共 {count}。",
    "{n} added to {name}, {k} already there: {count} by now.": "已加入 {name} {n} 张（另有 {k} 张原已在内），现共 {count}。",
    "{name} has nothing in it yet: type the numbers you like into pick, such as 1 4 7-9, and run again.": (
        "{name} 还是空的：请在“挑选”中输入您喜欢的编号，例如 1 4 7-9，然后再次运行。"
    ),
    "These are the pictures you saw; the seed has changed since.": "这些就是您看到的图像；此后种子已改变。",
    "{name} has {count}; none added.": "{name} 有 {count}，未加入新的。",
    "To add some of these {n}, type the numbers you like into pick, such as 1 4 7-9, and run again.": (
        "要从这 {n} 张中加入一些，请在“挑选”中输入您喜欢的编号，例如 1 4 7-9，然后再次运行。"
    ),
}

_COMPARISON = {
    "Keep this LoRA: the reward rose, and nothing speaks against it.": "建议保留此 LoRA：奖励提高了，没有不利迹象。",
    "Keep this LoRA: the reward rose, and nothing that was measured speaks against it.": (
        "建议保留此 LoRA：奖励提高了，已测量的项目没有不利迹象。"
    ),
    "Do not keep this LoRA: {known}.": "不建议保留此 LoRA：{known}。",
    "Keep this LoRA if you like its pictures: the reward rose, but {known}.": (
        "若您喜欢它的图像，可保留此 LoRA：奖励提高了，但{known}。"
    ),
    "{known}; {also}": "{known}；{also}",
    "the reward fell (change {n} to {m})": "奖励下降了（变化 {n} 至 {m}）",
    "the reward did not surely rise (change {n} to {m})": "奖励未必提高（变化 {n} 至 {m}）",
    "the reward did not surely rise (too few pictures to tell)": "奖励未必提高（图像太少，无法判断）",
    "the judge's score fell (change {n} to {m})": "评判的分数下降了（变化 {n} 至 {m}）",
    "its pictures are more alike (diversity {n} of before)": "图像更加雷同（多样性为之前的 {n}）",
    "it follows the prompts less ({n} of before)": "对提示词的遵循减弱（为之前的 {n}）",
    "{n} of its pictures are spoilt, {m} before": "有 {n} 张图像已损坏，之前为 {m} 张",
    "Wins": "胜率",
    "Reward": "奖励",
    "Judge": "评判",
    "Diversity": "多样性",
    "Prompt kept": "遵循提示词",
    "{n}, before {m}": "{n}，之前 {m}",
    "change {n} ({m} to {k})": "变化 {n}（{m} 至 {k}）",
    "change {n}": "变化 {n}",
    "{n} of before": "之前的 {n}",
    "at least {n}": "至少 {n}",
    "{n} to {m}, at least {k}": "{n} 至 {m}，至少 {k}",
    "not measured": "未测量",
    "before": "之前",
    "after": "之后",
    "Left before, right after, from the same seed; gold has the higher score.": (
        "左为之前，右为之后，种子相同；金框的分数更高。"
    ),
    "All {n} pairs, from the greatest loss to the greatest gain.": "全部 {n} 对，从降幅最大到升幅最大。",
    "{n} of {m} pairs, evenly spaced from loss to gain: not the best ones.": (
        "{m} 对中的 {n} 对，从下降到上升均匀选取，并非挑选最好的。"
    ),
    "sampling after": "用之后的模型采样",
    "sampling before": "用之前的模型采样",
    "checking the prompts": "检查对提示词的遵循",
    "judging": "评判",
}

_EXPORT = {
    "1 pair": "1 对",
    "{n} pairs": "{n} 对",
    "{known} written to {name}.": "已将 {known}写入 {name}。",
    "{known} are in {name} already: nothing written.": "{name} 中已有这 {known}，未写入。",
    "For sd-scripts: --train_data_dir {quoted} --caption_extension .txt.": (
        "用于 sd-scripts：--train_data_dir {quoted} --caption_extension .txt。"
    ),
    "For train_diffusion_dpo.py: --dataset_name {quoted} --dataset_split_name train.": (
        "用于 train_diffusion_dpo.py：--dataset_name {quoted} --dataset_split_name train。"
    ),
    "For train_text_to_image_lora.py: --train_data_dir {quoted}.": (
        "用于 train_text_to_image_lora.py：--train_data_dir {quoted}。"
    ),
    "For OneTrainer: path {quoted} with subdirectories, patterns chosen/{} and rejected/{}.": (
        "用于 OneTrainer：路径 {quoted}，包含子文件夹，模式为 chosen/{} 和 rejected/{}。"
    ),
    "For OneTrainer: path {quoted}, prompt source from text file per sample.": (
        "用于 OneTrainer：路径 {quoted}，提示词来源为每张图像的文本文件。"
    ),
    "Groups left out, since their scores are alike: {n}.": "因分数相近而略去的组：{n} 个。",
    "Embeddings left out of the captions: {n}.": "描述文字中去掉的嵌入：{n} 个。",
    "worse": "较差",
}

_GROUPS = {
    "1 prompt": "1 个提示词",
    "{n} prompts": "{n} 个提示词",
    "Only {n} of {m} possible prompts: raise 'most' for more.": "{m} 个可能的提示词中只取了 {n} 个：要更多请提高“上限”。",
    "Left out because they were there already: {n}.": "因重复而略去：{n} 个。",
    "With fewer than {n} prompts a model soon learns to ignore them.": (
        "少于 {n} 个提示词时，模型很快会学会忽略它们。"
    ),
    "The end of some prompts is cut off, because an embedding fits one text encoder only: {numbers}.": (
        "部分提示词的末尾会被截断，因为其中的嵌入只适合一个文本编码器：{numbers}。"
    ),
    "Longer than the text encoder reads at once, so read in pieces and joined: {numbers}.": (
        "超过文本编码器一次能读的长度，因此分段读取再连接：{numbers}。"
    ),
    "Group {n} of {m}": "第 {n} 组，共 {m} 组",
    "best so far": "目前最好",
    "1 group of {n} pictures": "1 组，{n} 张图像",
    "{n} groups of {m} pictures": "{n} 组，每组 {m} 张图像",
    "On average the best of a group scores {n} above its middle one.": "每组最好的平均比中间的高 {n} 分。",
    "Nothing to choose in group {n}: the pictures there score alike.": "第 {n} 组没有可选的：图像的分数相近。",
    "Nothing to choose in groups {numbers}: the pictures there score alike.": (
        "第 {numbers} 组没有可选的：图像的分数相近。"
    ),
    "The reward scores all pictures of a group alike, so there is nothing to learn from them. Use another reward.": (
        "奖励给一组中的所有图像打的分都一样，因此没有可学的。请换一个奖励。"
    ),
    "nothing to choose": "没有可选的",
    "min {n}": "最低 {n}",
    "median {n}": "中位 {n}",
    "max {n}": "最高 {n}",
    "{n} s": "{n} 秒",
    "{n} min": "{n} 分钟",
    "Spoilt in group {n}: picture {m}.": "第 {n} 组已损坏：第 {m} 张图像。",
    "Spoilt in group {n}: pictures {numbers}.": "第 {n} 组已损坏：第 {numbers} 张图像。",
    "{n} pictures made": "生成 {n} 张图像",
    "{n} scored again": "重新评分 {n} 张",
    "{n} kept from before": "沿用先前的 {n} 张",
    "Not everything is kept on disk for the next run.": "没有全部保存在磁盘上供下次运行使用。",
    "Not drawn: {n} more, scores from {s} to {v}.": "未画出：另外 {n} 组，分数从 {s} 到 {v}。",
    "Left: the best picture of each prompt's group.": "左：每个提示词的组中最好的图像。",
    "Right: the worst.": "右：最差的。",
    "Bar: from worst to best, the dot is the middle one.": "横条：从最差到最好，圆点是中间的分数。",
}

CHINESE: dict[str, str] = {
    **_COUNTS, **_SHEETS, **_LIVE_SHEET, **_PROGRESS, **_SAVED, **_DATASETS, **_COMPARISON, **_EXPORT,
    **_GROUPS, **REPORTS, **LORA_TRAINING, **SHARING,
}  # fmt: skip
