"""Simplified Chinese translations of what is drawn while a LoRA is trained on groups; templates as in `chinese_drawings`."""

from __future__ import annotations

LORA_TRAINING: dict[str, str] = {
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
