"""Figures, as PNG, SVG or PDF by the file's ending: the wall's (curve) and one session's (session).

Floor 1: writes the file it is given. Colours are Okabe and Ito's, which the colour-blind tell apart, and nothing is
said by colour alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from rig.errors import RecordError

INK, GREY, PALE = "#222222", "#8c8c8c", "#d9d9d9"
GROUPS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # Okabe & Ito: blue, orange, green, purple
MARKERS = ("o", "s", "^", "v")
LIGHT, SHADE = "#D55E00", "#cfe8f7"
ENDINGS = (".png", ".svg", ".pdf")
PNG_DPI = 150


def new_figure(width_in: float, height_in: float, layout: Literal["constrained"] | None = "constrained") -> Any:
    """An empty figure in the house's style; no window, no global state. ``layout`` None: places are the caller's."""
    from matplotlib import rc_context, rcParamsDefault  # noqa: PLC0415 (a third of a second, for those who draw)
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(rcParamsDefault):
        return Figure(figsize=(width_in, height_in), layout=layout, facecolor="white")


def tidy(axes: Any, *, x: str = "", y: str = "", title: str = "") -> Any:
    """Open axes with labels."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, length=3, color=INK)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    if title:
        axes.set_title(title, fontsize=9.5, loc="left", fontweight="bold", color=INK)
    return axes


def save(figure: Any, path: Path) -> None:
    """Write a figure. Raises RecordError for an ending that is no figure's, or a place that cannot be written."""
    if path.suffix.lower() not in ENDINGS:
        raise RecordError(f"{path}: a figure's file ends in {', '.join(ENDINGS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".png":
            _save_png(figure, path)
            return
        # No date and no chance inside: the same study gives the same file.
        from matplotlib import rc_context  # noqa: PLC0415

        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        with rc_context({"svg.hashsalt": "rig"}):
            figure.savefig(path, metadata=metadata[path.suffix.lower()])
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror or error}") from None


def _save_png(figure: Any, path: Path) -> None:
    """A PNG of 256 colours: a third of the size, and nobody sees the difference."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415 (comes with matplotlib)

    figure.set_dpi(PNG_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, compress_level=6)
