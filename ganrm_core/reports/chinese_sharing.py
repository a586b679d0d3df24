"""Simplified Chinese translations of taste cards and culled folders; templates as in `chinese_drawings`."""

from __future__ import annotations

_TASTE_CARD = {
    "A TASTE, LEARNED FROM PICTURES": "从图像中学来的品味",
    "by {author}": "作者：{author}",
    "What it likes best": "它最喜欢的",
    "What it passes over": "它略过的",
    "times in 100": "次（每 100 次）",
    "it scores the liked one of two pictures it had never seen higher.": "面对两张未见过的图像，它给喜欢的那张打分更高。",
    "That may be luck.": "这可能只是运气。",
    "How well it tells liked from ordinary pictures was not measured.": "没有测量它区分喜欢与普通图像的能力。",
    "95% interval: {n} to {m} times": "95% 区间：{n} 至 {m} 次",
    "{n} liked and {m} ordinary pictures": "{n} 张喜欢的和 {m} 张普通的图像",
    "sorts {n} of new ones rightly": "对新图像判断正确的占 {n}",
    "sorts {n} of new ones rightly ({m} to {k})": "对新图像判断正确的占 {n}（{m} 至 {k}）",
    "Licence": "许可",
    "not stated": "未说明",
    "In ComfyUI": "在 ComfyUI 中",
    "Put {file} into models/ganrm and choose it in Load GAN-RM.": "将 {file} 放入 models/ganrm，并在“加载 GAN-RM”中选择它。",
    "Command line": "命令行",
}

_CULL = {
    "None of the {n} pictures is like another: all are kept.": "{n} 张图像互不相似：全部保留。",
    "{n} of {m} pictures are kept.": "{m} 张图像中保留 {n} 张。",
    "The other is like one of them, and scores lower.": "另一张与其中一张相似，且分数更低。",
    "The other {n} are like one of them, and score lower.": "其余 {n} 张各与其中一张相似，且分数更低。",
}

SHARING: dict[str, str] = {**_TASTE_CARD, **_CULL}
