"""In which numbers the model computes while it is trained; weights, gradients and the optimizer are always float32."""

from contextlib import nullcontext

import torch

PRECISIONS = ("float32", "bfloat16")
BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # what torch calls a CPU's instructions for it, on x86 and on ARM


def check_precision(precision, device):
    """Raise ValueError, in one line, if a torch.device has no instructions for products in one of PRECISIONS."""
    if precision == "float32":
        return
    there = False  # on mps: never tried
    if device.type == "cpu":
        there = any(torch.cpu.get_capabilities().get(name) for name in BFLOAT16)
    elif device.type == "cuda":
        with torch.cuda.device(device):
            there = torch.cuda.is_bf16_supported(including_emulation=False)
    if not there:
        which = "CPUs and CUDA devices that have instructions for it"
        raise ValueError(f"--precision {precision} is for {which}; this {device.type} device is none of them")


def computing_in(precision, device):
    """A context in which layers on a torch.device compute in one of PRECISIONS, their weights staying float32."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)
