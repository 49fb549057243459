import numpy as np
import pytest
from keras import ops

from ganlib.checks import ClaimFailed, check


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0.51, {"equals": 0.5, "tol": 0.02}),
        (0.52, {"equals": 0.5, "tol": 0.02}),  # tol is included, whatever the last bit
        (3, {"equals": 3}),
        (2.0, {"above": 1.0}),
        (2.0, {"above": 1.0, "below": 3.0}),
        (np.array([1.0, 2.0]), {"above": 0.5, "below": 2.5}),
        (np.ones((2, 3)), {"equals": np.ones(3)}),
        (True, {}),
        (np.array([True, True]), {}),
        (np.float32(0.1) > 0, {}),
        (ops.convert_to_tensor([0.5, 0.5]), {"equals": 0.5}),
        ([1, 2], {"equals": [1, 2]}),
    ],
)
def test_a_claim_that_holds_is_printed_without_its_number(capsys, value, bounds):
    check("it is so", value, **bounds)
    assert capsys.readouterr().out == "✓ it is so\n"


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (0.731, {"equals": 0.5, "tol": 0.02}, "✗ c: 0.731 is not within 0.02 of 0.5"),
        (1, {"equals": 2}, "✗ c: 1 is not 2"),
        (0.5, {"above": 0.5}, "✗ c: 0.5 is not above 0.5"),
        (0.5, {"below": 0.5}, "✗ c: 0.5 is not below 0.5"),
        (0.50001, {"equals": 0.5}, "✗ c: 0.50001 is not 0.5"),
        (np.array([[0.0, 3.0], [9.0, 1.0]]), {"below": 2}, "✗ c: 9 at [1, 0] is not below 2"),
        ([1.0, 2.0], {"equals": [1.0, 4.0], "tol": 1}, "✗ c: 2 at [1] is not within 1 of 4"),
        (np.nan, {"equals": 0.0, "tol": np.inf}, "✗ c: nan is not finite"),
        ([1.0, np.inf], {"above": 0.0}, "✗ c: inf at [1] is not finite"),
        (np.nan, {"below": 0.0}, "✗ c: nan is not finite"),
        (False, {}, "✗ c: False is not true"),
        ([True, False], {}, "✗ c: False at [1] is not true"),
    ],
)
def test_a_claim_that_fails_names_the_worst_number(capsys, value, bounds, sentence):
    with pytest.raises(ClaimFailed) as failure:
        check("c", value, **bounds)
    assert str(failure.value) == sentence
    assert capsys.readouterr().out == ""


def test_a_bound_that_is_nan_fails():
    with pytest.raises(ClaimFailed, match="is not above nan"):
        check("c", 1.0, above=np.nan)


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (0.7, {}, "needs equals=, above= or below="),
        ([], {"above": 0}, "array is empty"),
        (0.7, {"above": 0, "tol": 0.1}, "tol= without equals="),
        (np.ones(3), {"equals": np.ones(2)}, r"shape \(3,\) with shape \(2,\)"),
    ],
)
def test_a_claim_that_compares_nothing_is_an_error_of_its_own(value, bounds, sentence):
    with pytest.raises(ValueError, match=sentence):
        check("c", value, **bounds)
