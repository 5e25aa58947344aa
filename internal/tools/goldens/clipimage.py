"""internal/picture/clipimage/testdata: what CLIP's image encoder is given, digests of fp32 [1, H, W, 3], by diffusers and by Refiners.

diffusers' side is the real load_image and CLIPImageProcessor, which without torchvision is CLIPImageProcessorPil; Refiners' is a copy of its
IPAdapter.preprocess_image (image_prompt.py, with image_to_tensor and normalize of fluxion/utils.py). Run picture.py before.

With --torchvision and that package importable the script prints instead how far the default processor, torchvision's, is from Pillow's.
"""

import json
import sys
import warnings

import numpy
import picture
import reference
import torch
from diffusers.utils import load_image
from PIL import Image
from transformers import CLIPImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

TESTDATA = reference.ROOT / "internal" / "picture" / "clipimage" / "testdata"
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
# as in the small image encoder's preprocessor_config.json: fp32 numbers written in full
WIDENED = {
    "image_mean": [0.48145467042922974, 0.45782750844955444, 0.40821072459220886],
    "image_std": [0.2686295509338379, 0.2613025903701782, 0.27577710151672363],
}
CONFIGS = {
    "64": {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}, "rescale_factor": 0.00392156862745098, "resample": 3, **WIDENED},
    "224": {"size": 224, "crop_size": 224},
    "plain": {},
    "padded": {"size": {"height": 40, "width": 57}, "crop_size": {"height": 51, "width": 48}},
    "levels": {"size": 32, "crop_size": 32, "do_rescale": False, "do_normalize": False},
    "centred": {"size": 32, "crop_size": 32, "do_rescale": False, "image_mean": [120.0, 110.5, 100.25], "image_std": [60.0, 61.5, 62.25]},
    "scaled": {"size": 32, "crop_size": 32, "do_normalize": False, "rescale_factor": 0.007},
    "uncropped": {"size": 48, "do_center_crop": False},
    "as-it-is": {"do_resize": False, "crop_size": {"height": 30, "width": 33}},
}
SIZES = [(64, 64), (65, 64), (100, 37), (37, 100), (224, 224), (500, 333), (333, 500), (7, 5), (1, 1), (640, 481)]


def refiners(image, size):
    """IPAdapter.preprocess_image in fp32."""
    tensor = torch.tensor(numpy.array(image.resize((size, size))).astype(numpy.float32) / 255.0, dtype=torch.float32)
    tensor = tensor.permute(2, 0, 1).unsqueeze(0)
    mean, std = torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    return (tensor - mean) / std


def row(values, **about):
    values = numpy.ascontiguousarray(numpy.asarray(values).transpose(0, 2, 3, 1), dtype="<f4")
    return {**about, "shape": list(values.shape[1:3]), "fp32": picture.sha(values.tobytes())}


def torchvision():
    """The distance of the default processor from Pillow's on the pictures of the guide's sort."""
    for name in sys.argv[2:]:
        image = load_image(name)
        fast = CLIPImageProcessor(size=224, crop_size=224)(image, return_tensors="np").pixel_values
        slow = CLIPImageProcessorPil(size=224, crop_size=224)(image, return_tensors="np").pixel_values
        difference = numpy.abs(fast - slow)
        level = numpy.array(STD).reshape(1, 3, 1, 1) * 255
        print(f"{name}: largest {difference.max():.3g} ({(difference * level).max():.2f} levels), off by half a level or more: "
              f"{(difference * level > 0.5).mean():.2%} of values")  # fmt: skip


def main():
    warnings.simplefilter("ignore")
    processors = {name: CLIPImageProcessor(**config) for name, config in CONFIGS.items()}
    if not all(isinstance(p, CLIPImageProcessorPil) for p in processors.values()):
        raise SystemExit("torchvision is installed: CLIPImageProcessor is not Pillow's; the goldens are made without it")
    made = []
    for k, (w, h) in enumerate(SIZES):
        image = Image.fromarray(picture.noise(w, h, 3, k))
        for name, processor in processors.items():
            made.append(row(processor(image, return_tensors="np").pixel_values, seed=k, size=[w, h], config=name))
        made.append(row(refiners(image, 224), seed=k, size=[w, h], config="refiners"))
    files = []
    for entry in json.loads((picture.PACKAGE / "testdata" / "picture.json").read_text())["files"]:
        path = str(picture.FILES / entry["name"])
        values = processors["64"](load_image(path), return_tensors="np").pixel_values
        files.append(row(values, name=entry["name"], convention="diffusers"))
        files.append(row(refiners(Image.open(path).convert("RGB"), 64), name=entry["name"], convention="refiners"))
    value = {"configs": {name: json.dumps(config) for name, config in CONFIGS.items()}, "made": made, "files": files}
    reference.save_json(TESTDATA / "clipimage.json", value, __file__)


if __name__ == "__main__":
    torchvision() if sys.argv[1:2] == ["--torchvision"] else main()
