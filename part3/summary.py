"""What TensorBoard shows of a run while it trains."""

import sys


class Summary:
    """Writes the events that TensorBoard reads into a folder, made if need be.

    Where tensorboard is not installed, a line on stderr says how to get it, and nothing is written.
    """

    def __init__(self, path):
        self._writer = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print("--summary_path needs tensorboard: pip install tensorboard; training without it", file=sys.stderr)
        else:
            self._writer = SummaryWriter(path)

    def add(self, step, values):
        """Write the numbers {name: value} of an update."""
        if self._writer:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
