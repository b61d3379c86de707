"""part3/optimizer.py: the learning rate over a run; an optimizer resumed from another device's checkpoint."""

import copy

import pytest
import torch

from part3.optimizer import OPTIMIZERS, build_optimizer, learning_rate_at
from part3.train import settings


def test_learning_rate_schedules():
    config = settings(learning_rate=0.1, train_steps=100, learning_rate_step=30)
    assert [learning_rate_at(step, config) for step in (0, 29, 30, 60)] == pytest.approx([0.1, 0.1, 0.096, 0.09216])
    config.schedule = "cosine"
    assert [learning_rate_at(step, config) for step in (0, 50, 100)] == pytest.approx([0.1, 0.051, 0.002])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_optimizer_computes_as_its_device_does(name):
    """On CUDA the update is fused; a run from there is resumed here unfused, with the same numbers."""
    config = settings(optimizer=name, learning_rate=0.01)
    cpu = torch.device("cpu")

    def updated(model, optimizer):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).pow(2).sum().backward()
        optimizer.step()
        return model.weight.detach().clone()

    torch.manual_seed(0)
    there = torch.nn.Linear(3, 4)
    optimizer = build_optimizer(there, config, torch.device("cuda"))  # the weights themselves are on the CPU
    assert optimizer.param_groups[0].get("fused") is (None if name == "rmsprop" else True)
    updated(there, optimizer)
    here = torch.nn.Linear(3, 4)
    here.load_state_dict(there.state_dict())
    resumed = build_optimizer(here, config, cpu, copy.deepcopy(optimizer.state_dict()))
    assert not resumed.param_groups[0].get("fused")
    torch.testing.assert_close(updated(here, resumed), updated(there, optimizer), rtol=0, atol=1e-6)
