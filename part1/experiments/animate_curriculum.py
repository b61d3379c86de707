"""Ten clusters form: an animation of hidden states while the curriculum teaches a vanilla RNN longer palindromes.

python part1/experiments/animate_curriculum.py

Each frame shows states after the goal's last digit, in the plane of the last frame's two principal components, however
few digits the network has been taught so far.
"""

import sys
import tempfile
from pathlib import Path

if not __package__:  # run as `python part1/experiments/animate_curriculum.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch
from matplotlib.animation import PillowWriter

from common.arguments import Parser, new_file, whole_number
from common.device import prepare_process
from common.figures import RESULTS, house_style, new_figure
from common.files import try_output, write_atomically
from part1.dataset import PalindromeDataset, encode
from part1.experiments.curriculum_rules import RULES, train_by_rule
from part1.experiments.plot_curriculum_rules import COLOURS

DRAWN = 200  # palindromes
PER_SECOND, HELD = 5, 12  # frames a second; how many the last one stays


def frames_of(goal, seed, every, most_updates):
    """Of a training [(updates, digits taught at most, share of right answers, states (DRAWN, H))]; the first digits."""
    digits, target = PalindromeDataset(goal + 1, seed, held_out=True).batch(DRAWN)
    frames = []

    @torch.no_grad()
    def watch(model, updates, bound):
        if updates % every == 0:
            p, h = model(encode(digits, 10), return_states=True)
            frames.append((updates, bound, (p.argmax(dim=1) == target).double().mean().item(), h[:, -1]))

    train_by_rule([*RULES][-1], goal, seed, most_updates, watch)
    return frames, target


def animation(fig, ax, frames, target, goal):
    """The frames drawn into these axes: the bytes of a GIF."""
    states = frames[-1][-1]
    centre = states.mean(dim=0)
    axes = torch.linalg.svd(states - centre, full_matrices=False).Vh[:2].T
    places = [(h - centre) @ axes for *_, h in frames]
    reach = 1.2 * max(place.abs().max().item() for place in places)
    dots = ax.scatter(*places[0].T, s=22, c=[COLOURS[digit] for digit in target.tolist()], lw=0)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
    ax.set(
        xlabel=f"an RNN's state after {goal:,} digits, two components;\na dot a palindrome, its colour the first digit"
    )
    ax.grid(False)
    for digit in range(10):  # at the places where they will be
        look = {"ha": "center", "va": "center", "fontsize": 12, "weight": "bold", "color": "0.6"}
        ax.text(*(1.13 * places[-1][target == digit].median(dim=0).values), digit, **look)
    writer = PillowWriter(fps=PER_SECOND)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.gif")
        with writer.saving(fig, path, dpi=90):
            for (updates, bound, right, _), place in zip(frames, places, strict=True):
                dots.set_offsets(place)
                ax.set_title(f"update {updates}, taught to {bound:,} digits\n{100 * right:.0f} % right after {goal:,}")
                for _ in range(HELD if updates == frames[-1][0] else 1):
                    writer.grab_frame()
        return path.read_bytes()


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--input_length", type=whole_number(10, 10_000), default=1_000, help="the goal, digits to read")
    parser.add_argument("--seed", type=whole_number(0, 2**63 - 1), default=0, help="seed of weights and palindromes")
    parser.add_argument("--every", type=whole_number(1, 10**6), default=5, help="updates between frames")
    parser.add_argument("--train_steps", type=whole_number(1, 10**6), default=1_000, help="updates at most")
    parser.add_argument("--output", type=new_file, default=RESULTS / "part1/curriculum.gif", help="GIF file")
    config = parser.parse_args(argv)
    with parser.printing(), house_style():
        try_output(config.output)
        fig, ax = new_figure(width=4.6, height=4.2)
        prepare_process()
        frames, target = frames_of(config.input_length, config.seed, config.every, config.train_steps)
        write_atomically(config.output, animation(fig, ax, frames, target, config.input_length))


if __name__ == "__main__":
    main()
