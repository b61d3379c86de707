"""Make a web page in which trained networks hold the first digit while one types more, and show how.

python part1/playground.py --output page.html
"""

import argparse
import copy
import sys
from pathlib import Path

if not __package__:  # run as `python part1/playground.py`: import from the checkout, not from part1/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

import torch

from assets.page import half, make_page, refuse_overwriting, write_page
from common.arguments import Parser, new_file
from common.checkpoint import LATEST, CheckpointError, check_entries, read_checkpoint, write_checkpoint
from part1.dataset import PalindromeDataset, encode
from part1.train import MODELS, build_model

NETWORKS = Path(__file__).resolve().parents[1] / "results/part1/networks"
SETTINGS = {  # that say what a network is, and of which kind each is
    **{"model_type": "", "init": "", "seed": 0},
    **{"input_length": 0, "input_dim": 0, "num_hidden": 0, "num_classes": 0},
}
MOST_UNITS = 1_000
DIGITS, PALINDROMES = 10, 1_000  # read by each of so many held-out palindromes, to find the clusters of the states


def read_network(path):
    """The settings of a run and its network, in float16, from a checkpoint or the folder of one.

    Raises CheckpointError for a file that part 1 did not write, ValueError for one that the page cannot show, OSError.
    """
    path = Path(path) / LATEST if Path(path).is_dir() else Path(path)
    state = read_checkpoint(path)
    check_entries(path, state, {"step": 0, "settings": SETTINGS}, most=2**63)
    settings = argparse.Namespace(**state["settings"])
    if settings.model_type not in MODELS or settings.input_dim not in (1, 10) or settings.num_classes != 10:
        raise CheckpointError(f"{path} is no network of part1/train.py that answers with one of ten digits")
    if not 1 <= settings.num_hidden <= MOST_UNITS:
        raise CheckpointError(f"{path} has {settings.num_hidden} units: the page shows 1 to {MOST_UNITS:,}")
    untrained = build_model(settings)
    check_entries(path, state, {"model": untrained.state_dict()})
    trained = copy.deepcopy(untrained)
    trained.load_state_dict(state["model"])
    return settings, untrained.half().float(), trained.half().float()


def told(settings, step):
    """What the network is, in words."""
    cell = {"RNN": "Vanilla RNN", "LSTM": "LSTM"}[settings.model_type]
    inputs = "" if settings.input_dim == 10 else ", raw digits"
    taught = "by a curriculum up to" if getattr(settings, "curriculum", False) else "at"
    how = f"taught {taught} {settings.input_length:,} digits" if step else "untrained"
    init = "" if settings.init == "default" else f", {settings.init}"
    return f"{cell}{init}{inputs}, {how}"


@torch.no_grad()
def shown(name, model, input_dim):
    """A network as the page has it: weights, the plane of its states' two main directions, the clusters therein.

    The directions are the principal components of the hidden states after DIGITS digits of held-out palindromes; a
    cluster's place is the mean of the states with one first digit.
    """
    digits, _ = PalindromeDataset(DIGITS + 1, held_out=True).batch(PALINDROMES)
    _, states = model(encode(digits, input_dim), return_states=True)
    h = (states if torch.is_tensor(states) else states[0])[:, -1]  # (N, H)
    directions = torch.linalg.svd(h - h.mean(dim=0), full_matrices=False).Vh[:2]  # (2, H)
    places = h @ directions.T
    return {
        "name": name,
        "cell": type(model).__name__,
        "inputs": input_dim,
        "hidden": h.shape[1],
        "weights": {name: half(weight) for name, weight in model.state_dict().items()},
        "directions": half(directions),
        "clusters": [[round(x, 3) for x in places[digits[:, 0] == digit].mean(dim=0).tolist()] for digit in range(10)],
    }


def memory_page(runs):
    """The page, a str, of runs' settings and networks as `read_network` gives them, each also before its training."""
    networks = {}
    for settings, untrained, trained in runs:
        for step, model in enumerate((untrained, trained)):
            networks.setdefault(name := told(settings, step), shown(name, model, settings.input_dim))
    return make_page("memory", "The memory", {"networks": [*networks.values()]})


def main(argv=None):
    parser = Parser(__doc__)
    words = "checkpoints of part1/train.py, or folders of its runs; none: the committed networks"
    parser.add_argument("runs", nargs="*", metavar="RUN", help=words)
    parser.add_argument("--output", type=new_file, required=True, metavar="FILE", help="the page")
    parser.add_argument("--keep", metavar="FOLDER", help="also keep the networks there, small: float16 weights alone")
    config = parser.parse_args(argv)
    with parser.printing():
        paths = config.runs or sorted(map(str, NETWORKS.glob("*.pt")))
        refuse_overwriting(config.output, *paths)
        runs = [read_network(path) for path in paths]
        page = memory_page(runs)
        for settings, _, trained in runs if config.keep else ():
            kind = "curriculum" if settings.curriculum else settings.input_length
            state = {"step": 1, "settings": vars(settings), "model": trained.half().state_dict()}
            Path(config.keep).mkdir(parents=True, exist_ok=True)
            write_checkpoint(Path(config.keep) / f"{settings.model_type}_{kind}.pt", state)
        write_page(config.output, page)
        print(f"{config.output}: {len(page) / 1e6:.1f} MB, {len(runs)} trained networks")


if __name__ == "__main__":
    main()
