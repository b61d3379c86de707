"""Make a web page in which one moves the time gate and sees a unit's state under it, beside the same unit without.

python part2/playground.py --output page.html
"""

import sys
from pathlib import Path

if not __package__:  # run as `python part2/playground.py`: import from the checkout, not from part2/
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import common  # noqa: F401, from here on Ctrl-C ends it without a word

from assets.page import make_page, write_page
from common.arguments import Parser, new_file

# A unit simple enough to be followed: what it takes in is the input, squashed; its gates i, f and o stay as they are.
UNIT = {
    **{"W_gx": 2.0, "W_gh": 0.0, "b_g": 0.0, "W_ix": 0.0, "W_ih": 0.0, "b_i": 2.0},
    **{"W_fx": 0.0, "W_fh": 0.0, "b_f": 1.0, "W_ox": 0.0, "W_oh": 0.0, "b_o": 2.0},
}
DURATION = 40  # units of time that are shown


def gate_page():
    """The page, a str."""
    return make_page("gate", "The gate", {"unit": UNIT, "duration": DURATION})


def main(argv=None):
    parser = Parser(__doc__)
    parser.add_argument("--output", type=new_file, required=True, metavar="FILE", help="the page")
    config = parser.parse_args(argv)
    with parser.printing():
        write_page(config.output, gate_page())
        print(f"{config.output}: written")


if __name__ == "__main__":
    main()
