"""How the project's pictures look: for reading, in colour, in grey, and without a screen."""

import functools
import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.files import write_atomically

# Okabe & Ito (2008): told apart with any colour vision; the order alternates dark and light for readers in grey.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"

STYLE = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}


def in_house_style(draw):
    """Decorate a function that draws a figure: it draws in the house style, and nobody else's settings change."""

    @functools.wraps(draw)
    def drawn(*args, **options):
        with matplotlib.rc_context(STYLE):
            return draw(*args, **options)

    return drawn


@in_house_style
def new_figure(rows=1, columns=1, width=8.0, height=3.4, **options):
    """A figure of width × height inches, and its axes; `options` are those of `Figure.subplots`."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)  # draws into memory: no screen is asked for
    return figure, figure.subplots(rows, columns, **options)


@in_house_style
def save_figure(figure, path):
    """Write the figure to `path`, PNG or PDF by its name; the same data give the same bytes."""
    buffer = io.BytesIO()
    kind = str(path).rsplit(".", 1)[-1]
    figure.savefig(buffer, format=kind, metadata={"CreationDate": None} if kind == "pdf" else {"Software": None})
    write_atomically(path, buffer.getvalue())
