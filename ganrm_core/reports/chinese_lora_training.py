"""Simplified Chinese translations of what is drawn while a LoRA is trained; templates as in `chinese_drawings`."""

from __future__ import annotations

_ON_GROUPS = {
    "LoRA trained on the best pictures": "用最佳图像训练的 LoRA",
    "LoRA trained on pairs of better and worse pictures": "用优劣图像对训练的 LoRA",
    "sampling before": "采样训练前的图像",
    "training": "训练",
    "sampling after": "采样训练后的图像",
    "before training": "训练前",
    "after training": "训练后",
    "after {n} steps": "{n} 步后",
    "held-out error": "留出误差",
    "Held-out error: how well the model still makes good pictures that it did not learn from.": (
        "留出误差：模型对未参与学习的好图像还能生成得多好。"
    ),
    "100% is before training; far above, it has learned its pictures by heart.": (
        "100% 是训练前的水平；远高于此，说明模型已死记所学的图像。"
    ),
    "All {n} steps are done.": "{n} 步已全部完成。",
    "Now let Compare Models say whether your taste prefers the new pictures, and keep the LoRA with Save LoRA.": (
        "现在用“比较模型”看看您的品味是否更喜欢新的图像，并用 Save LoRA 保存这个 LoRA。"
    ),
    "All {n} steps are done, but the pictures are as they were.": "{n} 步已全部完成，但图像没有变化。",
    "Train again with more steps or a higher learning rate.": "请用更多步数或更高的学习率重新训练。",
    "All {n} steps are done, but the model has begun to forget how good pictures are made.": (
        "{n} 步已全部完成，但模型已开始忘记怎样生成好图像。"
    ),
    "Look closely with Compare Models; if the pictures suffer, train again with fewer steps or a lower learning rate.": (
        "请用“比较模型”仔细查看；如果图像变差，请用更少步数或更低的学习率重新训练。"
    ),
    "Stopped at step {n} of {m}: the model was forgetting how good pictures are made.": (
        "在第 {n} / {m} 步停止：模型正在忘记怎样生成好图像。"
    ),
    "Stopped after step {n} of {m}: there was not enough memory, not even for one picture at a time.": (
        "在第 {n} / {m} 步后停止：内存不足，连一次处理一张图像都不够。"
    ),
    "To train all steps, close other programs that use the graphics card.": "若要训练全部步数，请关闭其他占用显卡的程序。",
    "The LoRA is that of step {n}.": "LoRA 取自第 {n} 步。",
    "A lower learning rate gets further.": "学习率更低，能训练得更远。",
    "Stopped after step {n} of {m}: the loss was no longer a number.": (
        "在第 {n} / {m} 步后停止：损失不再是有效数值。"
    ),
    "The LoRA is that of step {n}, before it went wrong.": "LoRA 取自出错之前的第 {n} 步。",
    "Train again with a lower learning rate.": "请用更低的学习率重新训练。",
}

_WATCHED_GROUPS = {
    "watching": "监测",
    "kept: step {n}": "保留：第 {n} 步",
    "kept: before training": "保留：训练前",
    "{n} steps": "{n} 步",
    "The small plots are about the same seeds: 100% and 0 are as before training.": (
        "小图都针对相同的种子：100% 与 0 表示和训练前一样。"
    ),
    "Gold marks the step that is kept.": "金色标出保留的那一步。",
    "Stopped by the watch at step {n} of {m}: the model began to please your taste by cheating.": (
        "监测在第 {n} / {m} 步停止了训练：模型开始靠作弊讨好您的品味。"
    ),
    "Stopped by the watch at step {n} of {m}: the model began to get worse.": (
        "监测在第 {n} / {m} 步停止了训练：模型开始变差。"
    ),
    "No look before that was both better and free of such signs, so the LoRA is as it was before training.": (
        "此前没有一次查看既更好又没有这些迹象，因此 LoRA 与训练前相同。"
    ),
    "The LoRA is that of step {n}, the best before that.": "LoRA 取自此前最好的第 {n} 步。",
    "The LoRA is that of step {n}, the best by the watch.": "LoRA 取自监测认为最好的第 {n} 步。",
    "Later ones did not please your taste more.": "之后的步骤并没有更合您的品味。",
    "Later ones did not please the second opinion more.": "之后的步骤并没有更合第二意见。",
    "All {n} steps are done, and by the watch the last is the best.": "{n} 步已全部完成，监测认为最后一步最好。",
    "All {n} steps are done, but the model may please your taste by cheating.": (
        "{n} 步已全部完成，但模型可能在靠作弊讨好您的品味。"
    ),
    "The LoRA is that of the last step all the same: look closely with Compare Models.": (
        "LoRA 仍取自最后一步：请用“比较模型”仔细查看。"
    ),
    "All {n} steps are done, but the pictures do not please your taste more than before.": (
        "{n} 步已全部完成，但图像并没有比以前更合您的品味。"
    ),
    "All {n} steps are done, but the pictures do not please the second opinion more than before.": (
        "{n} 步已全部完成，但图像并没有比以前更合第二意见。"
    ),
    "The LoRA is that of the last step all the same: let Compare Models say whether to keep it, or train again with more "
    "steps or a higher learning rate.": (
        "LoRA 仍取自最后一步：请让“比较模型”判断是否保留，或用更多步数或更高的学习率重新训练。"
    ),
    "A lower learning rate, or the method 'pairs', gets further.": "学习率更低，或改用方法“优劣成对”，能训练得更远。",
}

_SIGNS = {
    "pleases your taste": "合您品味的程度",
    "second opinion": "第二意见",
    "still knows good pictures": "仍懂得好图像",
    "fine detail": "细节",
    "variety": "多样性",
    "differences in score": "分数的差异",
    "second opinion agrees": "第二意见也认同",
    "follows the prompt": "符合提示词",
    "fools the newest taste": "骗过最新的品味",
    "size of the last change": "最近一次变化的幅度",
    "best: round {n}": "最佳：第 {n} 轮",
    "best: before training": "最佳：训练前",
    "{n} rounds": "{n} 轮",
    "after {n} rounds": "{n} 轮后",
    "after 1 round": "1 轮后",
    "Every plot is about the same seeds: 100% and 0 are as before training.": (
        "所有曲线都针对相同的种子：100% 与 0 表示和训练前一样。"
    ),
    "Gold marks the best round, which is kept.": "金色标出最佳的一轮，保留的就是它。",
    "Beyond the dashed line the pictures may please your taste by cheating; much farther, training ends by itself.": (
        "越过虚线，图像可能在靠作弊讨好您的品味；再远得多，训练会自行结束。"
    ),
    "For the newest taste, 0 is as good as the liked pictures.": "对最新的品味来说，0 表示与喜欢的图像一样好。",
    "In numbers with a sign, 1 is how much pictures of one prompt usually differ.": (
        "带正负号的数值中，1 表示同一提示词的图像之间通常的差别。"
    ),
}

_ROUNDS = {
    "reading references": "读取参考图像",
    "making ordinary pictures": "生成普通图像",
    "LoRA trained in turn with your taste": "与您的品味轮流训练的 LoRA",
    "LoRA trained in turn with your taste (GRPO)": "与您的品味轮流训练的 LoRA（GRPO）",
    "All {n} rounds are done, and the last is the best.": "{n} 轮已全部完成，最后一轮最好。",
    "All {n} rounds are done.": "{n} 轮已全部完成。",
    "The LoRA is that of round {n}, the best.": "LoRA 取自最好的第 {n} 轮。",
    "The LoRA is that of round {n}, the best before that.": "LoRA 取自此前最好的第 {n} 轮。",
    "Later rounds did not please your taste more.": "之后的各轮并没有更合您的品味。",
    "Later rounds did not please the second opinion more.": "之后的各轮并没有更合第二意见。",
    "{n} of {m} rounds are done.": "{m} 轮中已完成 {n} 轮。",
    "The best so far is that of round {n}.": "目前最好的是第 {n} 轮。",
    "None is better than before training so far.": "目前还没有一轮比训练前更好。",
    "Queue again to go on.": "再次加入队列即可继续。",
    "All {n} rounds are done, but none was better than before training.": "{n} 轮已全部完成，但没有一轮比训练前更好。",
    "No earlier round was better than before training.": "此前没有一轮比训练前更好。",
    "The LoRA is as it was before training.": "LoRA 与训练前相同。",
    "Stopped by the watch after round {n} of {m}: the model began to please your taste by cheating.": (
        "第 {n} / {m} 轮后，监测停止了训练：模型开始靠作弊讨好您的品味。"
    ),
    "Stopped by the watch after round {n} of {m}: the model began to get worse.": (
        "第 {n} / {m} 轮后，监测停止了训练：模型开始变差。"
    ),
    "Stopped by the watch after round {n} of {m}: one round changed the model too much at once.": (
        "第 {n} / {m} 轮后，监测停止了训练：有一轮对模型的改动过大。"
    ),
    "After it, the model began to please your taste by cheating.": "此后，模型开始靠作弊讨好您的品味。",
    "After it, the model began to get worse.": "此后，模型开始变差。",
    "After it, one round changed the model too much at once.": "此后，有一轮对模型的改动过大。",
    "In later rounds, the model began to please your taste by cheating.": "后来，模型开始靠作弊讨好您的品味。",
    "In later rounds, the model began to get worse.": "后来，模型开始变差。",
    "In later rounds, one round changed the model too much at once.": "后来，有一轮对模型的改动过大。",
    "Stopped after round {n} of {m}: the loss was no longer a number.": (
        "在第 {n} / {m} 轮后停止：损失不再是有效数值。"
    ),
    "Stopped after round {n} of {m}: there was not enough memory, not even for one picture at a time.": (
        "在第 {n} / {m} 轮后停止：内存不足，连一次处理一张图像都不够。"
    ),
    "To train all rounds, close other programs that use the graphics card and queue again.": (
        "若要训练全部轮次，请关闭其他占用显卡的程序，然后再次加入队列。"
    ),
    "It was forgetting how good pictures are made.": "它在忘记怎样生成好图像。",
    "It was losing fine detail.": "它在丢失细节。",
    "Its pictures were growing alike.": "它的图像变得彼此雷同。",
    "Your taste could hardly tell its pictures apart.": "您的品味已几乎分不出它的图像的优劣。",
    "The second opinion did not agree that they got better.": ("第二意见并不认同图像变好了。"),
    "Its pictures followed the prompt less.": "它的图像不如以前符合提示词。",
    "Even your newest taste took its pictures for better than the liked ones.": (
        "连您最新的品味也认为它的图像比喜欢的图像更好。"
    ),
    "One round changed it too much.": "有一轮对它的改动过大。",
}

_NEXT_STEPS = {
    "Compare Models shows whether its pictures are better, or only score better; Save LoRA keeps it.": (
        "“比较模型”会显示它的图像是真的更好，还是只是分数更高；Save LoRA 可保存它。"
    ),
    "Train again with a lower learning rate, a stronger anchor, or more pictures per prompt.": (
        "请用更低的学习率、更强的锚定或每组更多的图像重新训练。"
    ),
    "Train again with more rounds, more pictures per prompt, or a higher learning rate.": (
        "请用更多轮数、每组更多的图像或更高的学习率重新训练。"
    ),
    "A lower learning rate or a stronger anchor gets further.": "学习率更低或锚定更强，能训练得更远。",
    "A lower learning rate or more pictures per prompt gets further.": "学习率更低或每组图像更多，能训练得更远。",
    "A lower learning rate or more prompts gets further.": "学习率更低或提示词更多，能训练得更远。",
    "To get further, train your taste again with pictures like these among the ordinary ones.": (
        "若要训练得更远，请把这样的图像放进普通图像，重新训练您的品味。"
    ),
}

LORA_TRAINING: dict[str, str] = {**_ON_GROUPS, **_WATCHED_GROUPS, **_SIGNS, **_ROUNDS, **_NEXT_STEPS}
