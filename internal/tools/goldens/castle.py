"""Goldens of the small model in examples/castle/model. An argument names a PNG to look at (not committed)."""

import sys

import reference
import blocks
from PIL import Image


def main():
    pipe = reference.pipeline(reference.CASTLE)
    pixels = blocks.make(pipe, reference.TESTDATA / "castle", __file__, model="examples/castle/model")
    if len(sys.argv) > 1:
        Image.fromarray(pixels.numpy()).save(sys.argv[1])


if __name__ == "__main__":
    main()
