"""What the page of recipes tells readers to run."""

import re
import subprocess
import sys

import pytest
from sources import ROOT
from test_run import environment, notebook

from ganlib import sweep

PAGE = (ROOT / "book/recipes.md").read_text(encoding="utf-8")
RECIPES = {
    heading: "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    for heading, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


@pytest.mark.slow
def test_a_sweep_on_a_cluster(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path / "book/dcgan.ipynb", parameters="batch_size: int = 8\nseed: int = 0\n")
    code = RECIPES["A sweep on a cluster"].replace("seeds=3", "seeds=1")
    (tmp_path / "recipe.py").write_text(code)
    niceness = {"RAY_worker_niceness": "0"}  # on a busy machine too
    subprocess.run([sys.executable, "recipe.py"], env=environment() | niceness, check=True)
    varied = ["--vary", "batch_size=32,64,128", "--seeds", "1", "--output", "outputs/batches"]
    assert sweep.main(["book/dcgan.ipynb", *varied]) == 0
    assert capsys.readouterr().out.startswith("3 runs, of which 3 are there already.")
