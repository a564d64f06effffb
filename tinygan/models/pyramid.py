"""The sizes that an image goes through in D, for any even width and height (notes A2)."""

from tinygan.errors import UsageError

SMALLEST_SIDE = 8

Size = tuple[int, int]  # (height, width) in pixels


def default_levels(size: Size) -> int:
    """Halve the longer side, rounding up, while it is at least 8: 32 -> 3, 64 -> 4, 128 and 160 -> 5."""
    side, levels = max(size), 0
    while side >= SMALLEST_SIDE:
        side, levels = (side + 1) // 2, levels + 1
    return levels


def pyramid(size: Size, levels: int | None = None) -> tuple[list[Size], list[Size]]:
    """The sizes (H, W) of all levels from the image inwards, and the convolutions' padding between them.

    A 4×4 kernel with stride 2 and padding 1 halves an even side. Where half of the side would be odd (side mod 4 is
    2) and another level follows, the padding is one larger, each axis on its own: 178, 90, 46, 24, 12, 6. There is one
    size more than paddings. Raises UsageError for odd or too small sides, and for more levels than have room.
    """
    for side in size:
        if side % 2 or side < 2:
            nearest = max(2, side + side % 2)
            raise UsageError(f"image size {size[1]}x{size[0]}: width and height must be even; try {nearest}")
    if max(size) < SMALLEST_SIDE:
        raise UsageError(f"image size {size[1]}x{size[0]} is too small: one side must be at least {SMALLEST_SIDE}")
    levels = default_levels(size) if levels is None else levels
    if levels < 1:
        raise UsageError(f"levels is {levels}: it must be at least 1")
    sides, pads = [tuple(size)], []
    for level in range(levels):
        extra = [int(side % 4 == 2 and level < levels - 1) for side in sides[-1]]
        pads.append(tuple(1 + e for e in extra))
        sides.append(tuple((side + 2 * e) // 2 for side, e in zip(sides[-1], extra, strict=True)))
        if max(sides[-1]) == max(sides[-2]):
            raise UsageError(f"{levels} levels are too many for images of {size[1]}x{size[0]}: at most {level + 1}")
    return sides, pads
