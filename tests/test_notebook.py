"""docs/notebook.ipynb: it is kept without outputs, and every cell works."""

import json
import sys

import pytest

from tests.scripts import ROOT

NOTEBOOK = ROOT / "docs/notebook.ipynb"


def test_the_notebook_is_kept_without_outputs_and_small():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5 and not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert NOTEBOOK.stat().st_size < 300_000


@pytest.mark.long
def test_every_cell_runs_and_shows_figures_texts_and_the_page(tmp_path, monkeypatch):
    """With SHORT=1, from docs/, as a notebook server starts it; what it makes is nowhere in the checkout."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    kernels = pytest.importorskip("jupyter_client.kernelspec")
    monkeypatch.setenv("SHORT", "1")
    monkeypatch.setenv("NOTEBOOK_RUNS", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(kernels.KernelSpecManager, "get_kernel_spec", this_python(kernels))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    printed = "".join(output.get("text", "") for output in outputs)
    assert kinds.count("image/png") == 4 and kinds.count("text/html") == 1
    assert "--- temperature 2\n" in printed and "The miller" in printed and "held-out palindromes" in printed
    assert {path.name for path in tmp_path.iterdir()} >= {"RNN", "LSTM", "book", "book.png", "book.html"}


def this_python(kernels):
    """The kernel of the Python that runs the tests, whatever others the machine has."""
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    return lambda self, name: kernels.KernelSpec(argv=command, display_name="Python", language="python")
