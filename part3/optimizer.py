"""The update rule of part3/train.py, and how its learning rate falls."""

import math

import torch

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
SCHEDULES = ("step", "cosine")


def learning_rate_at(step, config):
    """The learning rate of update `step`, counted from 0: falling by steps, or by half a cosine to 2 %."""
    if config.schedule == "step":
        return config.learning_rate * config.learning_rate_decay ** (step // config.learning_rate_step)
    return config.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * step / config.train_steps)) / 2)


def build_optimizer(model, config, device):
    """The optimizer of the settings, fused into one kernel on a CPU and on CUDA where torch has that."""
    fused = {"fused": True} if device.type in ("cpu", "cuda") and config.optimizer != "rmsprop" else {}
    return OPTIMIZERS[config.optimizer](model.parameters(), lr=config.learning_rate, **fused)
