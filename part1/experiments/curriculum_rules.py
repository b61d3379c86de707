"""Why the curriculum keeps short palindromes and waits until it is right: its rules taken away one by one.

python part1/experiments/curriculum_rules.py

A vanilla RNN with default weights is trained on one-hot palindromes by each of RULES, many seeds. Writes
curriculum_rules.csv (where each run ended) and curriculum_states.csv (hidden states of one seed, by two of the rules);
plot_curriculum_rules.py draws them.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/curriculum_rules.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from common.figures import table_script
from part1.curriculum import RIGHT, Curriculum
from part1.dataset import PalindromeDataset, encode
from part1.experiments.length_tested import score
from part1.train import OPTIMIZERS, build_model, loss_of, settings, update

# (whether half of every batch stays short, the loss in nats below which the bound grows)
RULES = {
    "all long, grows at loss 0.1": (False, 0.1),
    "all long, grows at loss 0.01": (False, RIGHT),
    "half short, grows at loss 0.1": (True, 0.1),
    "half short, grows at loss 0.01": (True, RIGHT),
}
AFTER = 20  # updates that are made once the bound has reached the goal
SHOWN = 20  # palindromes per first digit whose hidden states are kept


def draw_batches(curriculum, batch_size, short_half):
    """The two halves of a batch, or, without the short half, one batch that is as long as its long half."""
    return curriculum.batches(batch_size) if short_half else curriculum.batches(2 * batch_size)[1:]


def train_by_rule(rule, goal, seed, most_updates, watch=lambda model, updates, bound: None):
    """A VanillaRNN trained by one of RULES until AFTER updates at the goal: model, updates made, bound reached.

    `watch` is called with the three before each update.
    """
    short_half, right = RULES[rule]
    config = settings(input_dim=10, input_length=goal, seed=seed)
    model, curriculum = build_model(config), Curriculum(goal, seed)
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), config.learning_rate)
    updates = at_goal = 0
    while updates < most_updates and at_goal < AFTER:
        watch(model, updates, curriculum.bound)
        batches = draw_batches(curriculum, config.batch_size, short_half)
        losses = [loss_of(model, digits, target, 10) for digits, target in batches]
        update(model, optimizer, sum(losses) / len(losses), config.max_norm)
        updates += 1
        curriculum.grow(losses[-1].item(), right)
        at_goal += curriculum.bound == goal
    return model, updates, curriculum.bound


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


def measure(flags, points):
    """Yield both tables."""
    goal, seeds = flags.input_length, range(flags.seeds)
    ends, states, accuracies = [], {}, {}

    def run(rule, seed):
        model, updates, bound = train_by_rule(rule, goal, seed, flags.train_steps)
        digits, target = PalindromeDataset(goal + 1, seed, held_out=True).batch(1_000)
        with torch.no_grad():
            p, h = model(encode(digits, 10), return_states=True)
        accuracy, *drawn_and_solved = score(model, goal, seed, 10)
        end = updates, bound, told_apart(target, p.argmax(dim=1)), accuracy, *drawn_and_solved
        return accuracy, end, shown_states(h[:, -1], target)

    for point, (accuracy, end, shown) in points.each(run, RULES, seeds):
        accuracies[point], states[point] = accuracy, shown
        ends.append((*point, *end))
    columns = ("rule", "seed", "updates", "bound", "digits_told_apart", "accuracy", "palindromes", "solved")
    yield "curriculum_rules", columns, ends
    bare, *_, full = RULES
    worst = min(seeds, key=lambda seed: accuracies[bare, seed])  # on it the bare rule merges digits
    rows = [(rule, worst, *state) for rule in (bare, full) for state in states[rule, worst]]
    yield "curriculum_states", ("rule", "seed", "digit", "component_1", "component_2"), rows


if __name__ == "__main__":
    table_script(
        __doc__,
        measure,
        "part1",
        input_length=(10, 10_000, 1_000, "digits to read at last"),
        seeds=(1, 1_000, 10, "seeds 0, 1, … of every rule"),
        train_steps=(1, 10**6, 1_000, "updates at most"),
    )
