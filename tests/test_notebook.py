"""The notebook of examples/, executed from the first cell to the last."""

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
def test_the_notebook_runs_and_shows_what_it_promises(tmp_path):
    reason = 'nbclient and ipykernel are not installed: pip install -e ".[book]"'
    nbclient = pytest.importorskip("nbclient", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    pytest.importorskip("ipykernel", reason=reason)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells)  # none are kept in the repository
    (stop,) = [cell for cell in cells if "training.join(15)" in cell.source]
    stop.source = stop.source.replace("training.join(15)", "while training.is_alive() and not seen: training.join(0.1)")
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    results = [cell.outputs[-1].data for cell in cells[1:]]
    assert ["image/png" in result for result in results] == [True, True, False, False, True]
    assert float(results[2]["text/plain"]) < 1e-7
    assert 0 < int(results[3]["text/plain"]) < 100_000
