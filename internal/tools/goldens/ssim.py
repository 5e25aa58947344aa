"""ssim.json: structural similarity and signal-to-noise ratio of pairs of pictures, by scikit-image.

It needs numpy, pillow and scikit-image alone, and no torch. The changes are integer arithmetic, so that the Go test makes the same pictures.
"""

import json
import pathlib

import numpy
import PIL
import skimage
from PIL import Image
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

ROOT = pathlib.Path(__file__).resolve().parents[3]
PICTURES = "examples/guide/pictures"


def noise(n, amplitude):
    """Whole numbers from -amplitude to amplitude, of a linear congruential generator."""
    out, state = numpy.empty(n, dtype=numpy.int64), 42
    for i in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = (state >> 16) % (2 * amplitude + 1) - amplitude
    return out


def change(picture, how, by):
    p = picture.astype(numpy.int64)
    if how == "add":
        p = p + by
    elif how == "noise":
        p = p + noise(p.size, by).reshape(p.shape)
    elif how == "invert":
        p = 255 - p
    elif how == "flat":
        p = numpy.full_like(p, by)
    elif how == "shift":
        p = numpy.roll(p, by, axis=1)
    return numpy.clip(p, 0, 255).astype(numpy.uint8)


def measure(a, b):
    luma = [0.299 * x[..., 0].astype(float) + 0.587 * x[..., 1].astype(float) + 0.114 * x[..., 2].astype(float) for x in (a, b)]
    # Wang et al. (2004): a Gaussian window of 11x11 with sigma 1.5, weighted moments of the whole population
    ssim = structural_similarity(*luma, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    mse = float(mean_squared_error(a, b))
    psnr = float(peak_signal_noise_ratio(a, b, data_range=255)) if mse else None
    return {"ssim": float(ssim), "mse": mse, "psnr": psnr}


def main():
    rows = []
    for a, how, by, size in [
        ("1-baseline", "none", 0, None),
        ("1-baseline", "add", 12, None),
        ("1-baseline", "add", -90, None),
        ("1-baseline", "noise", 1, None),
        ("1-baseline", "noise", 40, None),
        ("2-lora", "invert", 0, None),
        ("2-lora", "flat", 128, None),
        ("3-loras", "shift", 1, None),
        ("4-image-prompt", "shift", 5, [64, 48]),
        ("4-image-prompt", "noise", 20, [12, 11]),
        ("4-image-prompt", "noise", 20, [11, 11]),
    ]:
        x = numpy.asarray(Image.open(ROOT / PICTURES / f"{a}.png").convert("RGB"))
        if size:
            x = x[: size[1], : size[0]]
        rows.append({"picture": a, "change": how, "by": by, "size": size, **measure(x, change(x, how, by))})
    names = ["1-baseline", "2-lora", "3-loras", "4-image-prompt"]
    for a, b in zip(names, names[1:]):
        x, y = (numpy.asarray(Image.open(ROOT / PICTURES / f"{n}.png").convert("RGB")) for n in (a, b))
        rows.append({"picture": a, "other": b, **measure(x, y)})
    doc = {
        "script": "internal/tools/goldens/ssim.py",
        "scikit-image": skimage.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "pictures": PICTURES,
        "rows": rows,
    }
    path = ROOT / "internal" / "golden" / "testdata" / "ssim.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(doc, indent=1) + "\n")


if __name__ == "__main__":
    main()
