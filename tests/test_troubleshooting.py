"""What the page on troubleshooting tells readers to run."""

import re
import textwrap

import numpy as np
import pytest
from sources import ROOT
from test_backends import available, run

from ganlib import models

PAGE = (ROOT / "book/troubleshooting.md").read_text(encoding="utf-8")
(CODE,) = (textwrap.dedent(code) for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [None, 3])
def test_a_saved_generator_gives_the_same_images_on_every_backend(tmp_path, classes):
    models.dcgan.generator((8, 8, 1), 5, width=4, classes=classes).save(tmp_path / "saved.keras")
    code = CODE.replace("outputs/dcgan/generator.keras", str(tmp_path / "saved.keras"))
    code = code.replace("predict(given)", "predict(given, verbose=0)")
    code += "print(images.ravel().tolist())"
    backends = [name for name in ("tensorflow", "jax", "torch") if available(name)]
    made = [np.array(eval(run(backend, "-c", code))) for backend in backends]
    assert made[0].size == 16 * 8 * 8
    for others in made[1:]:
        assert np.abs(others - made[0]).max() <= 1  # of 255, where rounding differs
