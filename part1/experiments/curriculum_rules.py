"""Why the curriculum keeps short palindromes and waits until it is right: its rules taken away one by one.

python part1/experiments/curriculum_rules.py

A vanilla RNN with default weights is trained on one-hot palindromes by each of RULES, many seeds. Writes
curriculum_rules.csv (where each run ended) and curriculum_states.csv (hidden states of one seed, by two of the rules);
plot_curriculum_rules.py draws them.
"""

import sys
from itertools import product
from pathlib import Path

if not __package__:  # run as `python part1/experiments/curriculum_rules.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import torch.nn.functional as F

from common.arguments import Parser, whole_number
from common.files import write_table
from common.progress import Progress
from part1.curriculum import RIGHT, Curriculum
from part1.dataset import PalindromeDataset, encode
from part1.train import OPTIMIZERS, build_model, prepare_process, settings, update

ROOT = Path(__file__).resolve().parents[2]
# (whether half of every batch stays short, the loss in nats below which the bound grows)
RULES = {
    "all long, grows at loss 0.1": (False, 0.1),
    "all long, grows at loss 0.01": (False, RIGHT),
    "half short, grows at loss 0.1": (True, 0.1),
    "half short, grows at loss 0.01": (True, RIGHT),
}
AFTER = 20  # updates that are made once the bound has reached the goal
SHOWN = 20  # palindromes per first digit whose hidden states are kept


class AllLong(Curriculum):
    """The curriculum without its short half: the whole batch has the long length."""

    def batches(self, batch_size):
        return super().batches(2 * batch_size)[1:]


def train_by_rule(rule, goal, seed, most_updates):
    """A VanillaRNN trained by one of RULES until AFTER updates at the goal: model, updates made, bound reached."""
    short_half, right = RULES[rule]
    config = settings(input_dim=10, input_length=goal, seed=seed)
    model = build_model(config)
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    curriculum = (Curriculum if short_half else AllLong)(goal, seed)
    updates = at_goal = 0
    while updates < most_updates and at_goal < AFTER:
        batches = curriculum.batches(config.batch_size)
        losses = [F.cross_entropy(model(encode(digits, 10)), target) for digits, target in batches]
        update(model, optimizer, sum(losses) / len(losses), config.max_norm)
        updates += 1
        curriculum.grow(losses[-1].item(), right)
        at_goal += curriculum.bound == goal
    return model, updates, curriculum.bound


@torch.no_grad()
def final_states(model, length, seed, count):
    """Hidden states (N, H) after `length` digits of `count` held-out palindromes, their first digits, the answers."""
    digits, target = PalindromeDataset(length + 1, seed, held_out=True).batch(count)
    p, h = model(encode(digits, 10), return_states=True)
    return h[:, -1], target, p.argmax(dim=1)


def told_apart(target, answer):
    """How many of the ten digits are answered rightly in at least 9 of 10 cases."""
    right = [answer[target == digit] == digit for digit in range(10)]
    return sum(10 * r.sum().item() >= 9 * len(r) for r in right)


def projected(h):
    """Two principal components of h (N, H): (N, 2)."""
    h = h - h.mean(dim=0)
    return h @ torch.linalg.svd(h, full_matrices=False).Vh[:2].T


def shown_states(h, target):
    """[(digit, first, second principal component)] of SHOWN palindromes of every first digit; h (N, H), target (N,)."""
    shown = torch.cat([(target == digit).nonzero()[:SHOWN, 0] for digit in range(10)])
    points = zip(target[shown].tolist(), projected(h[shown]).tolist(), strict=True)
    return [(digit, f"{first:.4f}", f"{second:.4f}") for digit, (first, second) in points]


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", type=whole_number(10, 10_000), default=1000, help="digits to read at last")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=10, help="seeds 0, 1, … of every rule")
    parser.add_argument("--train_steps", type=whole_number(1, 10**6), default=1_000, help="updates at most")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the two tables")
    config = parser.parse_args(argv)
    goal, seeds = config.input_length, range(config.seeds)
    ends, states, accuracies = [], {}, {}
    try:
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        prepare_process()
        with Progress(len(RULES) * len(seeds), unit="run") as progress:
            for rule, seed in product(RULES, seeds):
                model, updates, bound = train_by_rule(rule, goal, seed, config.train_steps)
                h, target, answer = final_states(model, goal, seed, 1_000)
                accuracy = accuracies[rule, seed] = (answer == target).float().mean().item()
                ends.append((rule, seed, updates, bound, f"{accuracy:.4f}", told_apart(target, answer)))
                states[rule, seed] = shown_states(h, target)
                progress.advance(f"{rule}, seed {seed}: bound {bound}, accuracy {accuracy:.3f}")
        columns = ("rule", "seed", "updates", "bound", "accuracy", "digits_told_apart")
        write_table(folder / "curriculum_rules.csv", columns, ends)
        bare, *_, full = RULES
        worst = min(seeds, key=lambda seed: accuracies[bare, seed])  # on it the bare rule merges digits
        rows = [(rule, worst, *state) for rule in (bare, full) for state in states[rule, worst]]
        write_table(folder / "curriculum_states.csv", ("rule", "seed", "digit", "component_1", "component_2"), rows)
    except (ValueError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    main()
