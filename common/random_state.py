"""torch's random numbers, as a part of a run that a checkpoint can hold."""

import torch


class TorchRandom:
    """The state of torch's global generators, on the CPU and on the CUDA devices there are."""

    def state_dict(self):
        return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def load_state_dict(self, state):
        torch.set_rng_state(state["cpu"])
        if len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
