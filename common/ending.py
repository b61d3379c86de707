"""How a training ends, turned into one line and an exit status."""

import sys

from common.checkpoint import CheckpointError


class DivergedError(RuntimeError):
    """The loss, the gradient or the weights are not finite any more; the message gives the step and the values."""


def run_to_the_end(train, run, stop, again, advice):
    """Call `train()`, write what it returns to the run's result.json, and return it.

    Exits instead with one line on stderr if training was stopped (train() returned None; the signal's status), if it
    diverged (3, with the advice on what to try), or if the disk failed or damaged a file (1). `again` is the command
    that goes on.
    """
    try:
        result = train()
        if result is not None:
            run.finish(result)
            return result
        line, status = f"stopped by {stop.signal.name}, saved in {run.path}; go on with: {again}", stop.exit_status
    except DivergedError as error:
        line = f"{error}: stopped before that update, the last good checkpoint is in {run.path}. Try {advice}."
        status = 3
    except (OSError, CheckpointError) as error:
        line, status = f"{error}; go on with: {again}", 1
    print(line, file=sys.stderr)
    sys.exit(status)
