"""One quiet style for every figure. ``show`` puts it into the page as SVG, whose colours follow light and dark."""

import html
import io
import itertools
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display

matplotlib.use("agg")

# Each colour is drawn as this number and replaced by a variable of the page (book.css).
INK, FAINT, BLUE, ORANGE, GREEN, PURPLE = "#010203", "#a1a2a3", "#0072b2", "#d55e00", "#009e73", "#cc79a7"
FIGURES = itertools.count(1)
VARIABLES = {INK: "ink", FAINT: "faint", BLUE: "blue", ORANGE: "orange", GREEN: "green", PURPLE: "purple"}

plt.rcParams |= {
    "figure.figsize": (6.4, 3.2),
    "figure.constrained_layout.use": True,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "tinygan",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=[BLUE, ORANGE, GREEN, PURPLE]),
    "axes.formatter.use_mathtext": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "patch.edgecolor": INK,
    "image.cmap": "RdBu_r",
    "image.interpolation": "none",
}


def show(caption: str, alt: str, figure: plt.Figure | None = None) -> None:
    """Show the current figure with a caption, and with ``alt`` for those who do not see it."""
    figure = figure or plt.gcf()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for number, name in VARIABLES.items():
        svg = svg.replace(number, f"var(--book-{name})")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    # Figures of a page have names such as axes_1 each, and clip by them: the page needs every name once.
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1figure{next(FIGURES)}-", svg)
    label = html.escape(alt, quote=True)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    display(HTML(f'<figure class="drawn">{svg}<figcaption>{html.escape(caption)}</figcaption></figure>'))


def tile(images: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Images (N, H, W, 3) side by side in rows of ``columns``, as one picture with clear gaps (RGBA)."""
    N, H, W, _ = images.shape
    rows = -(-N // columns)
    page = np.zeros((rows * (H + gap) - gap, columns * (W + gap) - gap, 4))
    for k, image in enumerate(images):
        i, j = divmod(k, columns)
        page[i * (H + gap) : i * (H + gap) + H, j * (W + gap) : j * (W + gap) + W] = np.dstack([image, np.ones((H, W))])
    return page.clip(0, 1)


def bare(*axes: plt.Axes) -> None:
    """No ticks and no frame: for pictures."""
    for one in axes:
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(False)


def numbers(axes: plt.Axes, matrix: np.ndarray, form: str = "{:g}") -> None:
    """Write every value of a small matrix into its cell."""
    for (i, j), value in np.ndenumerate(matrix):
        # Black in the dark too: it stands on a cell, not on the page.
        axes.text(j, i, form.format(value), ha="center", va="center", fontsize=9, color="black")
