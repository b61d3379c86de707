"""part3/optimizer.py: the learning rate over a run; an optimizer resumed from another device's checkpoint."""

import copy

import pytest
import torch

from common.checkpoint import restore
from part3.optimizer import OPTIMIZERS, build_optimizer, learning_rate_at
from part3.train import settings


def test_learning_rate_schedules():
    config = settings(learning_rate=0.1, train_steps=100, learning_rate_step=30)
    assert [learning_rate_at(step, config) for step in (0, 29, 30, 60)] == pytest.approx([0.1, 0.1, 0.096, 0.09216])
    config.schedule = "cosine"
    assert [learning_rate_at(step, config) for step in (0, 50, 100)] == pytest.approx([0.1, 0.051, 0.002])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("fused", "plain"), [("cuda", "mps"), ("cpu", "mps")])
def test_a_resumed_optimizer_computes_as_its_device_does(name, fused, plain):
    """On a CPU and on CUDA the update is fused, on mps not; a run from one is resumed there, with the same numbers."""

    def update(model, optimizer):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).pow(2).sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    config, there = settings(optimizer=name, learning_rate=0.01), torch.nn.Linear(3, 4)
    optimizer = build_optimizer(there, config, torch.device(fused))  # the weights themselves are on the CPU
    assert optimizer.param_groups[0].get("fused") is (None if name == "rmsprop" else True)
    update(there, optimizer)
    here = copy.deepcopy(there)
    resumed = build_optimizer(here, config, torch.device(plain))
    restore({"optimizer": resumed}, {"optimizer": copy.deepcopy(optimizer.state_dict())})
    assert not resumed.param_groups[0].get("fused")
    update(there, optimizer)
    update(here, resumed)
    torch.testing.assert_close(here.weight, there.weight, rtol=0, atol=1e-6)
