"""Chart style for matplotlib: colour themes, an empty chart, axes and text, independent of the global style."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from .fonts import localized
from .system_fonts import cjk_font


@dataclass(frozen=True)
class Theme:
    """Colours of a chart as "#rrggbb". `surface` is the background, `ink` the text."""

    surface: str
    ink: str
    soft_ink: str
    line: str
    liked: str
    ordinary: str


DARK = Theme("#262628", "#ececee", "#9e9ea3", "#444448", "#ffc43d", "#8b8b93")
LIGHT = Theme("#ffffff", "#18181a", "#6a6a70", "#dedee2", "#e8a600", "#a3a3ab")

FONT = "DejaVu Sans"  # comes with matplotlib, so charts look the same on every system
SIZE = 10.0  # points
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]

NO_CHARTS = "Install matplotlib to see the curves."


@lru_cache(maxsize=1)
def fonts() -> list[str]:
    """Font families in order of preference: matplotlib's own, then one of the system with Chinese letters."""
    from matplotlib.font_manager import FontProperties, fontManager

    found = cjk_font()
    if found is None:
        return [FONT]
    fontManager.addfont(found[0])
    return [FONT, FontProperties(fname=found[0]).get_name()]


def charts_available() -> bool:
    """Whether matplotlib can be imported."""
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure
        import matplotlib.layout_engine
        import matplotlib.ticker  # noqa: F401
    # One built for another numpy fails with whatever its compiled parts raise.
    except Exception:
        return False
    return True


def chart(
    width: float,
    height: float,
    theme: Theme,
    dpi: float,
    margins: tuple[float, float, float, float] | None = None,
) -> tuple[Any, Any]:
    """Figure of `width` × `height` inches and its axes.

    `margins` (left, bottom, right, top, in inches) are much faster than a layout fitted to the labels.

    pyplot keeps figures in a global list, and other code in the process may change the global style: hence the bare
    Figure, with every property set explicitly.
    """
    from matplotlib.figure import Figure as Canvas
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1) if margins is None else None
    figure = Canvas(figsize=(width, height), dpi=dpi, facecolor=theme.surface, layout=layout)
    if margins is None:
        axes = figure.add_subplot(facecolor=theme.surface)
    else:
        left, bottom, right, top = margins
        box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        axes = figure.add_axes(box, facecolor=theme.surface)
    bare(axes)
    axes.grid(True, color=theme.line, linewidth=0.8, linestyle="-", alpha=1.0)
    axes.set_axisbelow(True)
    return figure, axes


def bare(axes: Any) -> None:
    """Remove frame and tick marks."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, pad=6)


def rendered(figure: Any) -> Image.Image:
    """The figure as an RGB image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB")


def share_axes(axes: Any, theme: Theme) -> None:
    """Both axes from 0 to 100 %."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    labels = [f"{mark:.0%}" for mark in SHARES]
    axes.set_xticks(SHARES, labels, **tick_text(theme))
    axes.set_yticks(SHARES, labels, **tick_text(theme))


def tick_text(theme: Theme) -> dict[str, Any]:
    """Text properties of tick labels, for matplotlib."""
    return {"color": theme.soft_ink, "family": fonts(), "fontsize": SIZE - 0.5, "usetex": False}


def label_axes(axes: Any, theme: Theme, across: str, upwards: str) -> None:
    style = {"color": theme.ink, "family": fonts(), "fontsize": SIZE, "labelpad": 8, "usetex": False}
    axes.set_xlabel(literal(across), **style)
    axes.set_ylabel(literal(upwards), **style)


def write_in(
    axes: Any,
    theme: Theme,
    place: tuple[float, float],
    text: str,
    *,
    size: float = SIZE,
    soft: bool = False,
    **style: Any,
) -> None:
    """Text at `place` in coordinates of the data; `style` are further text properties of matplotlib."""
    colour = theme.soft_ink if soft else theme.ink
    axes.text(
        *place, literal(text), color=colour, family=fonts(), fontsize=size, usetex=False, zorder=6, **style
    )


def literal(text: str) -> str:
    """Translated `text` with dollar signs escaped, which matplotlib would read as a formula."""
    return localized(text).replace("$", r"\$")


def number_text(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace("-", "−") if math.isfinite(value) else "not known"


def shortened(text: str, longest: int = 44) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
