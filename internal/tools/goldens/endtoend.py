"""Goldens of whole renders by the small model in examples/castle/model at sizes that are not square.

castle/denoise.safetensors holds the square render of 128x128; these are the shapes of 832x1216 and 1000x712,
scaled down by 8 (1000 / 8 rounded up to a multiple of 8), each with the autoencoder's blocks both ways. Every size gets
the picture as PNG too, which is what a whole run is compared with.
"""

import reference
import blocks
import safetensors.torch
from PIL import Image

SIZES = ((104, 152), (128, 88))  # height, width; latents 13x19 and 16x11 come out odd when halved


def main():
    out = reference.TESTDATA / "endtoend"
    pipe = reference.pipeline(reference.CASTLE)
    square = safetensors.torch.load_file(reference.TESTDATA / "castle" / "denoise.safetensors")
    image = pipe.vae.decode(square["latents.30"] / pipe.vae.config.scaling_factor).sample
    off = (reference.to_uint8(image).int() - square["pixels"].int()).abs()  # another processor may move a pixel by a level
    if off.max() > 1 or (off > 0).float().mean() > 1e-3:
        raise ValueError("castle/denoise.safetensors is not of this model or these versions: run castle.py")
    Image.fromarray(square["pixels"].numpy()).save(out / "128x128.png", optimize=True)
    for height, width in SIZES:
        name = f"{height}x{width}"
        final, pixels = blocks.denoise(pipe, out / name, __file__, size=(height, width), model="examples/castle/model")
        blocks.vae(pipe, final, pixels, out / name, __file__, limit=2048, model="examples/castle/model")
        Image.fromarray(pixels.numpy()).save(out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
