"""Simplified Chinese translations of text in reports and charts; templates as in `chinese_drawings`."""

from __future__ import annotations

_CHARTS = {
    "Install matplotlib to see the curves.": "安装 matplotlib 后即可看到曲线。",
    "loss": "损失",
    "AUC so far": "目前的 AUC",
    "{known}  {n}": "{known}  {n}",
    "chosen: lowest held-out loss": "所选：留出图像上损失最低",
    "strong": "强",
    "weak": "弱",
    "regularisation": "正则化",
    "before, then after each round": "开始时，以及每轮之后",
    "epoch": "周期",
    "ordinary pictures wrongly accepted": "误收的普通图像",
    "liked pictures accepted": "收下的喜欢图像",
    "{n} interval: {m} to {k}": "{n} 区间：{m} 至 {k}",
    "a coin toss": "抛硬币",
    "liked ({n} pictures)": "喜欢（{n} 张）",
    "ordinary ({n} pictures)": "普通（{n} 张）",
    "{n}: {known}": "{n}：{known}",
    "score the model gave": "模型给出的分数",
    "share of pictures": "图像占比",
    "share that was liked": "其中喜欢图像的占比",
    "off by {n}": "偏差 {n}",
    "chance alone: {n}": "仅凭偶然：{n}",
    "dotted: as promised": "虚线：与分数相符",
    "the best balance": "最佳平衡点",
    "at most {n} in 100 ordinary pass": "每 100 张普通图像至多放过 {n} 张",
}

_CARD = {
    "AUC on pictures it had not seen": "在未见过的图像上的 AUC",
    "0.5 · a coin toss": "0.5 · 抛硬币",
    "1 · never wrong": "1 · 从不出错",
    "Worth knowing": "值得注意",
    "How the scores spread": "分数的分布",
    "Liked pictures rise, ordinary ones hang; the less they share the same scores, the better. Keep what lies to the "
    "right of a line.": "喜欢的图像向上，普通的向下；两者的分数重叠越少越好。保留竖线右边的图像。",
    "Whether scores mean what they say": "分数是否名副其实",
    "Of the pictures scored 0.8, eight in ten should be liked ones; dots near the dotted line keep that promise. "
    "Larger dots stand for more pictures.": (
        "得 0.8 分的图像里，十张中应有八张是喜欢的；点越靠近虚线，分数越可信。点越大，代表的图像越多。"
    ),
    "Regularisation chosen by held-out loss": "按留出图像上的损失选择正则化",
    "Each point is one strength, tried on pictures held out of the fit. Too strong learns too little (left), too weak "
    "learns single pictures by heart (right); the marked one, of the lowest loss, was taken. The AUC of this curve "
    "only compares strengths.": (
        "每个点是一种强度，在未参与拟合的图像上试验。太强学得太少（左），太弱则死记单张图像（右）；"
        "选用了标出的、损失最低的一个。此曲线的 AUC 只用于比较强度。"
    ),
    "How the fit went": "拟合的过程",
    "One fit, watched on pictures held out of it: loss should fall and AUC should rise. Where they no longer do, more "
    "steps would not help. The AUC of this curve is of those few pictures only.": (
        "一次拟合，用未参与拟合的图像观察：损失应下降，AUC 应上升。不再变化时，更多步数也无益。"
        "此曲线的 AUC 只来自这少量图像。"
    ),
    "Liked, scored highest": "喜欢，分数最高",
    "What the model takes for the heart of your taste; these should feel right.": "模型眼中您品味的核心，看起来应当合您心意。",
    "Ordinary, scored highest": "普通，分数最高",
    "The most convincing mistakes: ordinary pictures the model would hand you. If some are lovely, they belong with "
    "the liked ones.": "最像样的误判：模型会当作佳作交给您的普通图像。若其中有您喜爱的，就该归入喜欢的图像。",
    "Liked, scored lowest": "喜欢，分数最低",
    "Liked pictures the model would throw away. If some do not fit the others, take them out; if they do, add more "
    "like them.": "模型会舍弃的喜欢图像。若有的与其他格格不入，请移除；若并非如此，请多添加一些类似的。",
    "What a stricter choice costs": "更严格的选择有何代价",
    "Each point of the curve is one threshold; the closer it comes to the top left corner, the better. The dot is "
    "{n}.": "曲线上每个点是一个阈值；越靠近左上角越好。圆点处的阈值为 {n}。",
    "There are too few pictures to say how well the model tells liked from ordinary.": (
        "图像太少，无法判断模型区分喜欢与普通图像的能力。"
    ),
    "Given a liked and an ordinary picture it had not seen, the model scores the liked one higher {n} times out of "
    "100.": "面对未见过的一张喜欢图像和一张普通图像，模型在 100 次中有 {n} 次给喜欢的打分更高。",
    "With so few pictures, or sets so alike, that may be luck: it is not safely better than a coin toss.": (
        "图像这么少，或两组这么相似，可能只是运气：不能确定它胜过抛硬币。"
    ),
    "That is a sharp eye for your taste.": "它对您的品味有敏锐的眼光。",
    "That is a good eye for your taste.": "它对您的品味有不错的眼光。",
    "That is a fair eye for your taste.": "它对您的品味有尚可的眼光。",
    "That is only a weak eye for your taste.": "它对您的品味把握还很弱。",
    "Liked pictures": "喜欢的图像",
    "Ordinary pictures": "普通的图像",
    "Sorted rightly": "判断正确",
    "{n} to {m} ({k} interval), at {v}": "{n} 至 {m}（{k} 区间），阈值 {v}",
    "Scores are off by": "分数的偏差",
    "by chance alone: up to {n}": "仅凭偶然：至多 {n}",
    "Keep from score": "从此分数起保留",
    "Backbone": "主干网络",
    "Same picture": "同图测试",
    "Training": "训练",
    "Learned from": "学习自",
    "{n} liked": "{n} 张喜欢的",
    "and {n} ordinary, in {known}": "和 {n} 张普通的，用时 {known}",
    "and {n} ordinary, kept from before": "和 {n} 张普通的，沿用先前的结果",
    "reused": "沿用",
    "nothing had changed": "没有任何变化",
    "{n} s": "{n} 秒",
    "{n} min": "{n} 分钟",
    "{n} to {m} ({k})": "{n} 至 {m}（{k}）",
    "{n} more in the report.": "报告中还有 {n} 条。",
    "{name}, evaluated": "{name}，评估",
    "On pictures it was trained on, which says little of what it is worth.": "用的是训练过的图像，说明不了它的真实水平。",
    "clean": "无异常",
    "The same picture keeps its score when it is saved, sized or shifted in another way.": (
        "同一张图像换一种方式保存、缩放或平移后，分数不变。"
    ),
    "The same picture scores higher than its twin ({change}) {n} of the time, by {m} of the spread inside a folder.": (
        "同一张图像有 {n} 的情况得分高于其改动版（{change}），相差文件夹内离散度的 {m}。"
    ),
    "The same picture scores lower than its twin ({change}) {n} of the time, by {m} of the spread inside a folder.": (
        "同一张图像有 {n} 的情况得分低于其改动版（{change}），相差文件夹内离散度的 {m}。"
    ),
    "That may be your taste.": "这可能正是您的品味。",
    "The model {known}.": "模型{known}。",
    "{known}: {also}": "{known}：{also}",
    "half size and back": "缩小一半再放大",
    "colour tags": "色彩标签",
    "shifted by a pixel": "平移一个像素",
    "2 % larger": "放大 2 %",
    "2 % smaller": "缩小 2 %",
    "prefers uncompressed files": "偏好未压缩的文件",
    "prefers compressed files": "偏好压缩的文件",
    "reacts to size": "受尺寸影响",
    "reacts to framing": "受取景影响",
    "prefers crisp pictures": "偏好清晰的图像",
    "prefers soft pictures": "偏好柔和的图像",
    "reacts to colour tags": "受色彩标签影响",
}

_REFINING = {
    "Round by round": "逐轮变化",
    "Measured on liked and ordinary pictures held out of the fit, which the pool is never part of. The first point is "
    "the model as it was; a last point that is no better was not kept.": (
        "在未参与拟合的喜欢和普通图像上测量，图像池从不参与。第一个点是原来的模型；最后一个点若没有更好，则未被采用。"
    ),
    "In figures": "数据",
    "Taken as liked": "当作喜欢",
    "The pool's highest scores, and how much each counted: 1 is as much as a picture you chose. If these look wrong to "
    "you, set bottom only.": (
        "图像池中分数最高的，以及各自的权重：1 等同于您亲自选的图像。若看起来不对，请打开“仅用末尾”。"
    ),
    "Taken as ordinary": "当作普通",
    "The pool's lowest scores. Nothing here should be lovely.": "图像池中分数最低的。其中不应有佳作。",
    "The model is unchanged: learning from the pool did not make it rank unseen pictures better, so the first round "
    "was not kept.": "模型没有变化：从图像池学习并未使它对未见图像的排序变好，因此未采用第一轮。",
    "1 round was kept: the held-out AUC went from {n} to {m}.": "采用了 1 轮：留出图像上的 AUC 从 {n} 变为 {m}。",
    "{k} rounds were kept: the held-out AUC went from {n} to {m}.": "采用了 {k} 轮：留出图像上的 AUC 从 {n} 变为 {m}。",
    "Round {n} made it no better and was not kept.": "第 {n} 轮没有更好，未采用。",
    "With so few pictures so small a gain may still be luck.": "图像这么少，这么小的提升仍可能只是运气。",
    "Round {n}: held-out AUC {a} to {b} ({g} [{l}, {h}]), loss {c} to {d}, kept.": (
        "第 {n} 轮：留出图像上的 AUC 从 {a} 到 {b}（{g} [{l}, {h}]），损失从 {c} 到 {d}，已采用。"
    ),
    "Round {n}: held-out AUC {a} to {b} ({g} [{l}, {h}]), loss {c} to {d}, not kept.": (
        "第 {n} 轮：留出图像上的 AUC 从 {a} 到 {b}（{g} [{l}, {h}]），损失从 {c} 到 {d}，未采用。"
    ),
    "Round {n}": "第 {n} 轮",
    "not kept": "未采用",
    "AUC {n} to {m}": "AUC 从 {n} 到 {m}",
    "Pool: {pool}; each round takes the best {n} as liked and the last {m} as ordinary.": (
        "图像池：{pool}；每轮取最好的 {n} 张作为喜欢图像，最后 {m} 张作为普通图像。"
    ),
    "Pool: {pool}; each round takes the last {m} as ordinary.": "图像池：{pool}；每轮取最后 {m} 张作为普通图像。",
    "{n} pictures (1 more is in the training sets, or nearly, and left out)": (
        "{n} 张图像（另有 1 张与训练集相同或相近，已略去）"
    ),
    "{n} pictures ({k} more are in the training sets, or nearly, and left out)": (
        "{n} 张图像（另有 {k} 张与训练集相同或相近，已略去）"
    ),
}

_WARNINGS = {
    "Only {n} liked pictures: expect a rough model. {m} or more of each are better, a few hundred are good.": (
        "只有 {n} 张喜欢的图像，模型会比较粗略。每类 {m} 张以上更好，几百张最佳。"
    ),
    "Only {n} ordinary pictures: expect a rough model. {m} or more of each are better, a few hundred are good.": (
        "只有 {n} 张普通的图像，模型会比较粗略。每类 {m} 张以上更好，几百张最佳。"
    ),
    "{n} liked files are exact copies of others and count once.": "有 {n} 个喜欢的文件与其他文件完全相同，只计一次。",
    "{n} ordinary files are exact copies of others and count once.": "有 {n} 个普通的文件与其他文件完全相同，只计一次。",
    "1 picture looks nearly the same in both sets (such as {names}). They are kept, and kept together in every split.": (
        "有 1 张图像在两组中几乎相同（例如 {names}）。它们会保留，并在每次划分中放在一起。"
    ),
    "{n} pictures look nearly the same in both sets (such as {names}). They are kept, and kept together in every "
    "split.": "有 {n} 张图像在两组中几乎相同（例如 {names}）。它们会保留，并在每次划分中放在一起。",
    "The held-out AUC is {n}, which is too good to be taste alone in most cases: the sets may differ in file format, "
    "size or compression. Bring both to one format and size to be sure.": (
        "留出图像上的 AUC 为 {n}，通常好得不像只是品味：两组的文件格式、尺寸或压缩可能不同。请统一格式和尺寸以确认。"
    ),
    "1 file was skipped: {names}.": "跳过了 1 个文件：{names}。",
    "{n} files were skipped: {names}.": "跳过了 {n} 个文件：{names}。",
    "The liked pictures are the very ones this model was trained on, so these figures are too good. Evaluate on "
    "pictures it has not seen.": "这些喜欢的图像正是此模型训练用的，因此数字偏好。请用它未见过的图像评估。",
    "The ordinary pictures are the very ones this model was trained on, so these figures are too good. Evaluate on "
    "pictures it has not seen.": "这些普通的图像正是此模型训练用的，因此数字偏好。请用它未见过的图像评估。",
    "The liked and the ordinary pictures are the very ones this model was trained on, so these figures are too good. "
    "Evaluate on pictures it has not seen.": "这两组图像正是此模型训练用的，因此数字偏好。请用它未见过的图像评估。",
    "The ordinary pictures score higher than the liked ones. Are the two datasets connected the wrong way round?": (
        "普通图像的分数比喜欢的还高。两个数据集是否接反了？"
    ),
    "It was evened out in both for training.": "训练时已在两组中消除。",
    "Nothing was done about it, since neutralise is off.": "由于“中和”为 off，未作处理。",
    "It was left as it is; neutralise: full takes it out.": "保持原样；将“中和”设为 full 可消除。",
    "This may be the very taste you mean, or only how the files were made: the pictures alone cannot say which.": (
        "这可能正是您的品味，也可能只是文件的制作方式不同：单凭图像无法判断。"
    ),
    "Your two folders can be told apart without looking at the pictures: the liked ones are {one}, the ordinary ones "
    "{other} (AUC {n}).": "不看图像也能区分您的两个文件夹：喜欢的是 {one}，普通的是 {other}（AUC {n}）。",
    "Your two folders can be told apart without looking at the pictures: the liked ones take {one}, the ordinary ones "
    "{other} (AUC {n}).": "不看图像也能区分您的两个文件夹：喜欢的占 {one}，普通的占 {other}（AUC {n}）。",
    "Busy pictures take more bytes than plain ones, so part of it may be what they show.": (
        "内容繁复的图像比简单的占更多字节，所以部分差别可能来自内容。"
    ),
    "Your two folders can be told apart by their sharpness alone: the liked ones have {one}, the ordinary ones {other} "
    "(AUC {n}).": "仅凭清晰度就能区分您的两个文件夹：喜欢的{one}，普通的{other}（AUC {n}）。",
    "Your two folders can be told apart by their overall colour alone: the liked ones are {one}, the ordinary ones "
    "{other} (AUC {n}).": "仅凭整体颜色就能区分您的两个文件夹：喜欢的{one}，普通的{other}（AUC {n}）。",
    "Your two folders can be told apart by their borders alone: the liked ones have {one}, the ordinary ones {other} "
    "(AUC {n}).": "仅凭边框就能区分您的两个文件夹：喜欢的有 {one}，普通的有 {other}（AUC {n}）。",
    "about {n} bytes per pixel": "每像素约 {n} 字节",
    "{n} to {m} bytes per pixel": "每像素 {n} 至 {m} 字节",
    "{known}s": "{known}",
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WebP": "WebP",
    "lossless WebP": "无损 WebP",
    "{known} of quality about {n}": "质量约为 {n} 的 {known}",
    "{known} of quality {n} to {m}": "质量为 {n} 至 {m} 的 {known}",
    "{known} with traces of an earlier, stronger JPEG compression": "带有先前更强 JPEG 压缩痕迹的 {known}",
    "{p} {known} and {k} others": "{p} 为 {known}，{k} 为其他",
    "{p} {known} and {k} {also}": "{p} 为 {known}，{k} 为 {also}",
    "less {known}": "{known}较少",
    "more {known}": "{known}较多",
    "more {known} ({n} times the power)": "{known}较多（强度 {n} 倍）",
    "more {known} (by far)": "{known}多得多",
    "more ({n} times the power)": "较多（强度 {n} 倍）",
    "more (by far)": "多得多",
    "less": "较少",
    "coarse structure": "粗略结构",
    "medium detail": "中等细节",
    "fine detail": "细节",
    "very fine detail": "极细的细节",
    "one balance of coarse and fine detail": "是一种粗细比例",
    "another": "是另一种",
    "a border of {n} px": "{n} px 的边框",
    "about {n} × {m} px": "约 {n} × {m} px",
    "no border": "无边框",
    "brighter": "更亮",
    "darker": "更暗",
    "warmer in colour": "色调更暖",
    "cooler in colour": "色调更冷",
    "greener": "更偏绿",
    "more magenta": "更偏品红",
    "more saturated": "饱和度更高",
    "less saturated": "饱和度更低",
    "richer in contrast": "对比更强",
    "flatter in contrast": "对比更弱",
    "Left out of {folder} as earlier results: {names}.": "已略去 {folder} 中先前的结果：{names}。",
}

REPORTS: dict[str, str] = {**_CHARTS, **_CARD, **_REFINING, **_WARNINGS}
