"""Why the curriculum keeps short palindromes and waits until it is right: its rules taken away one by one.

python part1/experiments/curriculum_rules.py

A vanilla RNN with default weights is trained on one-hot palindromes by each of RULES, many seeds. Writes
curriculum_rules.csv (where each run ended) and curriculum_states.csv (hidden states of one seed, by two of the rules);
part1/experiments/plot_curriculum_rules.py draws them.
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part1/experiments/curriculum_rules.py`: import from the checkout, not from there
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
import torch.nn.functional as F
from torch import nn

from common.arguments import Parser, whole_number
from common.files import write_atomically
from common.progress import Progress
from part1.curriculum import RIGHT, Curriculum
from part1.dataset import PalindromeDataset, encode
from part1.train import OPTIMIZERS, prepare_process
from part1.vanilla_rnn import VanillaRNN

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
    torch.manual_seed(seed)
    model = VanillaRNN(10, 128, 10)
    optimizer = OPTIMIZERS["rmsprop"](model.parameters(), 0.001)
    curriculum = (Curriculum if short_half else AllLong)(goal, seed)
    updates = at_goal = 0
    while updates < most_updates and at_goal < AFTER:
        losses = [F.cross_entropy(model(encode(digits, 10)), target) for digits, target in curriculum.batches(128)]
        optimizer.zero_grad()
        (sum(losses) / len(losses)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0, foreach=True)
        optimizer.step()
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


def main(argv=None):
    parser = Parser(__doc__.split("\n")[0])
    parser.add_argument("--input_length", type=whole_number(10, 10_000), default=1000, help="the goal")
    parser.add_argument("--seeds", type=whole_number(1, 1_000), default=10, help="seeds 0, 1, … of every rule")
    parser.add_argument("--train_steps", type=whole_number(1, 10**6), default=1_000, help="updates at the most")
    parser.add_argument("--output_dir", default=str(ROOT / "results/part1"), help="folder for the CSV files")
    config = parser.parse_args(argv)
    prepare_process()
    goal = config.input_length
    ends = ["rule,seed,updates,bound,accuracy,digits_told_apart"]
    states = ["rule,seed,digit,component_1,component_2"]
    worst = None  # a seed on which the first rule merges digits
    bare, *_, full = RULES
    try:
        folder = Path(config.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(len(RULES) * config.seeds, unit="run") as progress:
            for rule in RULES:
                for seed in range(config.seeds):
                    model, updates, bound = train_by_rule(rule, goal, seed, config.train_steps)
                    h, target, answer = final_states(model, goal, seed, 1_000)
                    accuracy, apart = (answer == target).float().mean().item(), told_apart(target, answer)
                    ends.append(f'"{rule}",{seed},{updates},{bound},{accuracy:.4f},{apart}')
                    if rule == bare and (worst is None or accuracy < worst[1]):
                        worst = seed, accuracy, (h, target)
                    elif rule == full and seed == worst[0]:
                        for name, (h_end, digit) in ((bare, worst[2]), (full, (h, target))):
                            kept = torch.cat([(digit == d).nonzero()[:SHOWN, 0] for d in range(10)])
                            points = zip(digit[kept].tolist(), projected(h_end[kept]).tolist(), strict=True)
                            states += [f'"{name}",{seed},{d},{a:.4f},{b:.4f}' for d, (a, b) in points]
                    progress.advance(f"{rule}, seed {seed}: bound {bound}, accuracy {accuracy:.3f}")
        write_atomically(folder / "curriculum_rules.csv", "\n".join(ends) + "\n")
        write_atomically(folder / "curriculum_states.csv", "\n".join(states) + "\n")
    except (ValueError, OSError) as error:
        parser.error(error)


if __name__ == "__main__":
    main()
