"""Which sizes of images come from a small map that doubles, and which of them is the nearest."""


def doublings(size: tuple[int, int]) -> int:
    """How often a map with a shorter side of 4 to 7 pixels doubles to reach `size`, (height,
    width): `doublings((28, 28)) == doublings((28, 44)) == 2`.

    Raises:
        ValueError: no whole number of doublings does.
    """
    short, long = sorted(size)
    steps = 0
    while short >= 8 and short % 2 == 0 and long % 2 ** (steps + 1) == 0:
        short, steps = short // 2, steps + 1
    if not (4 <= short <= 7 and steps):
        raise ValueError(
            f"No map with a shorter side of 4, 5, 6 or 7 pixels doubles to {size[0]}x{size[1]}: "
            "resize the images to {}x{}, say.".format(*nearest(size))
        )
    return steps


def nearest(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) nearest to `size` that such a map doubles to; `size` itself if one does.

    That is the one `closest` finds: (28, 44) for (30, 45), (8, 8) for anything smaller.
    """
    most = max(2, min(size).bit_length())
    return closest(size, {m << i: 1 << i for i in range(1, most) for m in (4, 5, 6, 7)})


def closest(size: tuple[int, int], units: dict[int, int]) -> tuple[int, int]:
    """The nearest (height, width) whose shorter side is one of `units`, and the longer a multiple
    of its value there.

    The longer side is in proportion to the shorter, rounded to a multiple. Nearest is where the two
    together change least, each relative to its length; of two as near, the smaller.
    """
    short, long = sorted(size)
    candidates = [  # in whole numbers, rounded half up
        (side, (2 * side * long + short * unit) // (2 * short * unit) * unit)
        for side, unit in units.items()
    ]

    def change(candidate):  # the sum of both relative changes, as a whole number
        return abs(candidate[0] - short) * long + abs(candidate[1] - long) * short

    found = min(candidates, key=lambda candidate: (change(candidate), candidate))
    return found if size[0] <= size[1] else found[::-1]
