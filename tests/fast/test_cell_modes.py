"""The three cells under torch's other modes: each gives there what it gives in plain eager float32."""

import copy

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN
from part2.time_gate import TimeGate
from part2.time_gated_lstm import TimeGatedLSTM

B, T, D, H, K = 3, 4, 2, 5, 6
GATED = ("t", "lengths")  # further arguments of the gated cell, a row for each sequence
CASES = pytest.mark.parametrize(
    "cell, names", [(VanillaRNN, ()), (LSTM, ()), (TimeGatedLSTM, ()), (TimeGatedLSTM, GATED)]
)


def new(cell):
    """The cell; the gate's units are open at most steps, so that all of it counts."""
    gate = {"gate": TimeGate(H, r_on=0.9, leak=0.1)} if cell is TimeGatedLSTM else {}
    torch.manual_seed(0)
    return cell(D, H, K, **gate)


def arguments(names, batch=B):
    """Inputs (batch, T, D), and those of `names`: late time stamps (batch, T), lengths (batch,)."""
    generator = torch.Generator().manual_seed(batch)
    x = torch.randn(batch, T, D, generator=generator)
    t = 1e6 * torch.rand(batch, T, generator=generator, dtype=torch.float64)
    more = {"t": t, "lengths": torch.arange(batch) % T + 1}
    return x, {name: more[name] for name in names}


def assert_near(found, wanted, share):
    """Of the logits and of each gradient the difference is at most this share of the length.

    One by one is too much to ask: the gate's gradients grow with the time stamps and are computed from float32.
    """
    for name, value in found.items():
        assert (value - wanted[name]).norm() <= share * wanted[name].norm(), name


def logits_and_gradients(call, model, x, more):
    model.zero_grad()
    logits = call(x, **more)
    logits.float().square().sum().backward()
    return {"logits": logits.detach(), **{name: p.grad.clone() for name, p in model.named_parameters()}}


@CASES
def test_autocast_to_bfloat16(cell, names):
    model, (x, more) = new(cell), arguments(names)
    wanted = logits_and_gradients(model, model, x, more)
    with torch.autocast("cpu", torch.bfloat16):
        found = logits_and_gradients(model, model, x, more)
    assert found["logits"].dtype == torch.bfloat16
    assert_near(found, wanted, 0.05)


@CASES
def test_compile_without_a_break_in_the_graph(cell, names):
    model, (x, more) = new(cell), arguments(names)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    wanted = logits_and_gradients(model, model, x, more)
    assert_near(logits_and_gradients(compiled, model, x, more), wanted, 1e-5)


@CASES
def test_export_for_any_batch(cell, names):
    model, (x, more) = new(cell).eval(), arguments(names)
    batch = torch.export.Dim("batch")
    shapes = {name: {0: batch} for name in ("x", *names)}
    exported = torch.export.export(model, (x,), more, dynamic_shapes=shapes).module()
    x, more = arguments(names, batch=B + 4)
    torch.testing.assert_close(exported(x, **more), model(x, **more))


@CASES
def test_onnx(cell, names):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model, (x, more) = new(cell).eval(), arguments(names)
    program = torch.onnx.export(model, (x,), kwargs=more, dynamo=True, verbose=False)
    session = runtime.InferenceSession(program.model_proto.SerializeToString())
    found = session.run(None, {name: value.numpy() for name, value in {"x": x, **more}.items()})
    torch.testing.assert_close(torch.from_numpy(found[0]), model(x, **more).detach())


@CASES
def test_vmap_over_networks_and_over_sequences(cell, names):
    models, (x, more) = [new(cell), new(cell)], arguments(names)
    with torch.no_grad():
        for p in models[1].parameters():
            p.mul_(0.9)
    parameters, buffers = stack_module_state(models)
    both = vmap(lambda *state: functional_call(models[0], state, (x,), more))(parameters, buffers)
    torch.testing.assert_close(both, torch.stack([model(x, **more) for model in models]))

    def loss(parameters, x, *more):
        more = {name: value[None] for name, value in zip(names, more, strict=True)}
        return functional_call(models[0], parameters, (x[None],), more).square().sum()

    parameters = {name: p.detach() for name, p in models[0].named_parameters()}
    each = vmap(grad(loss), (None, *[0] * (1 + len(more))))(parameters, x, *more.values())
    wanted = logits_and_gradients(models[0], models[0], x, more)
    assert_near({name: gradient.sum(0) for name, gradient in each.items()}, wanted, 1e-5)


@CASES
def test_float64_a_batch_of_one_and_a_deep_copy(cell, names):
    model, (x, more) = new(cell), arguments(names)
    wanted = model(x, **more)
    copied = copy.deepcopy(model)
    torch.testing.assert_close(copied(x, **more), wanted, rtol=0, atol=0)
    double = copied.double()(x.double(), **more)
    assert double.dtype == torch.float64 and next(model.parameters()).dtype == torch.float32
    torch.testing.assert_close(double.float(), wanted)
    for row in range(B):
        one = {name: value[row : row + 1] for name, value in more.items()}
        torch.testing.assert_close(model(x[row : row + 1], **one), wanted[row : row + 1])
