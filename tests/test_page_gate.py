"""The page of the time gate, in a real browser: it computes what torch does, and asks for nothing."""

import numpy as np
import pytest
import torch

from part1.lstm import LSTM
from part2 import playground as gate
from part2.time_gate import TimeGate
from part2.time_gated_lstm import TimeGatedLSTM
from tests.browser import parts_of
from tests.scripts import ROOT

PAGE = ROOT / "results/part2/playground.html"


@torch.no_grad()
def test_the_gate_computes_what_torch_does(browser):
    """Openness and states, at random parameters and random times, with the sliders set as a person would."""
    assert parts_of(PAGE.read_text()) == parts_of(gate.gate_page())
    browser.open(PAGE)
    model = TimeGatedLSTM(1, 1, 2).double()
    browser.click("[value=irregular]"), browser.click("[data-input=noise]")
    rng = np.random.default_rng(6)
    for values in rng.uniform((0.5, 0, 0.01, 0, -2), (20, 20, 0.99, 0.5, 6), (8, 5)).tolist():
        wanted = dict(zip(("tau", "s", "r_on", "leak", "b_f"), values, strict=True))
        browser.run(f"Object.entries({wanted}).forEach(([name, value]) => {{ $(name).value = value; }})")
        browser.click("#anew")
        tau, s, r_on, leak, b_f = browser.run("[...Object.values(gate), unit.b_f]")  # as the sliders' steps round them
        assert [tau, s, r_on, leak, b_f] == pytest.approx(values, abs=0.051)
        t = torch.tensor(browser.run("times"), dtype=torch.float64)
        x = torch.tensor(browser.run("times.map(inputAt)"), dtype=torch.float64)
        for name, value in {**gate.UNIT, "b_f": b_f}.items():
            getattr(model, name).fill_(value)
        model.gate = TimeGate(1, tau, s, r_on, leak, leak_in_eval=True)
        _, (h, c) = model.eval()(x[None, :, None], return_states=True, t=t)
        expected = torch.stack([model.gate(t)[:, 0], h[0, :, 0], c[0, :, 0]], dim=1)
        found = browser.run("run(true).map(step => [step.k, step.h, step.c])")
        assert np.array(found) == pytest.approx(expected.numpy(), abs=1e-6)
        _, (_, c) = LSTM.forward(model, x[None, :, None], return_states=True)
        assert browser.run("run(false).map(step => step.c)") == pytest.approx(c[0, :, 0].tolist(), abs=1e-6)
    times = [0.0, 1e-9, *rng.uniform(0, 1e6, 200).tolist()]
    expected = model.gate(torch.tensor(times, dtype=torch.float64))[:, 0].tolist()
    assert browser.run(f"{times}.map(openness)") == pytest.approx(expected, abs=1e-6)
    assert browser.is_quiet()


def test_the_gate_is_used(browser):
    """An input drawn with the mouse and by keys; the numbers are those of the step pointed at."""
    browser.open(PAGE)
    browser.click("[data-input=nothing]")
    box = browser.run("$('input').getBoundingClientRect().toJSON()")
    x, y = box["left"] + 36, box["top"] + 12  # at t = 0, near 1
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}
    browser.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **mouse)
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=x + box["width"] / 2, y=y, **mouse)
    browser.send("Input.dispatchMouseEvent", type="mouseReleased", x=x + box["width"] / 2, y=y, **mouse)
    drawn = browser.run("times.map(inputAt)")
    assert min(drawn[:19]) > 0.9 and drawn[25:] == [0] * 15
    browser.run("$('input').focus()")
    before = browser.run("current")
    browser.press("ArrowRight"), browser.press("ArrowDown")
    assert browser.run("current") == before + 1
    assert browser.run("inputAt(times[current - 1])") == pytest.approx(drawn[before] - 0.1, abs=0.11)
    step = browser.run("run(true)[current - 1]")
    for name in ("phi", "k", "c", "h"):
        shown = browser.run(f"document.querySelector('[data-n={name}]').textContent").replace("−", "-")
        assert float(shown) == pytest.approx(step[name], abs=0.0051)
    assert browser.is_quiet()
