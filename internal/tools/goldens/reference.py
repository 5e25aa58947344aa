"""The reference's surroundings: one thread count, one instruction set, fp32, and how a golden is written.

Import this module before torch: it fixes the instruction set that torch dispatches to, on which the
bits of torch.randn depend.
"""

import json
import os
import pathlib

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import diffusers  # noqa: E402
import numpy  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
TESTDATA = ROOT / "internal" / "sdxl" / "testdata"
CASTLE = ROOT / "examples" / "castle" / "model"

PROMPTS = {
    "positive": "a futuristic castle surrounded by a forest, mountains in the background, best quality, high quality",
    "negative": "monochrome, lowres, bad anatomy, worst quality, low quality",
    "empty": "",
    "long": "a very long prompt about a castle: " + ", ".join(f"tower number {i} with blue flags" for i in range(1, 40)),
}

torch.set_num_threads(2)
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(False)
diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()


def versions(script):
    """Who made a golden: the script and the versions of what it ran."""
    return {
        "script": f"internal/tools/goldens/{pathlib.Path(script).name}",
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def save(path, tensors, script, **notes):
    """Writes tensors as safetensors; notes (text, or anything JSON can hold) join the versions in __metadata__."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = versions(script)
    for key, value in notes.items():
        metadata[key] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    owned = {name: tensor.detach().clone().contiguous() for name, tensor in sorted(tensors.items())}
    for name, tensor in owned.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name}: {name} is not finite")
    safetensors.torch.save_file(owned, path, metadata=metadata)
    print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}: {len(owned)} tensors, {path.stat().st_size:,} bytes")


def save_json(path, value, script):
    """Writes {"made_by": versions, **value} with one line a list item at depth one, so that a diff can be read."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"made_by": versions(script), **value}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def pipeline(model):
    """The folder as a StableDiffusionXLPipeline in fp32, with DDIM made from the folder's scheduler config.

    Folders differ in the scheduler that they name; DDIMScheduler.from_config keeps the values that DDIM knows
    (beta range and schedule, spacing, steps_offset, set_alpha_to_one, clip_sample, prediction_type).
    """
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float32, add_watermarker=False)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        part.eval()
        for name, value in part.named_parameters():
            if value.dtype != torch.float32:
                raise ValueError(f"{name} is {value.dtype}, not float32")
    return pipe


class Capture:
    """Forward hooks that keep the outputs (and, when asked, the first input) of named modules of one call."""

    def __init__(self, module, names, inputs=()):
        self.tensors = {}
        self.handles = []
        for name in names:
            self.handles.append(module.get_submodule(name).register_forward_hook(self._keep(name, name in inputs)))

    def _keep(self, name, with_input):
        def hook(module, args, output):
            if isinstance(output, tuple):
                output = output[0]
            if hasattr(output, "sample"):
                output = output.sample
            self.tensors[name] = output.clone()
            if with_input and args:
                self.tensors[name + ".input"] = args[0].clone()

        return hook

    def __enter__(self):
        return self.tensors

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def thin(tensors, limit=16384):
    """Keeps every n-th channel (dimension 1) of tensors of more than limit elements, n a power of two.

    Returns the thinned tensors and {name: n} for those that lost channels; channel 0 is always kept.
    """
    kept, strides = {}, {}
    for name, tensor in tensors.items():
        stride = 1
        while tensor.dim() > 1 and tensor[:, ::stride].numel() > limit and stride < tensor.shape[1]:
            stride *= 2
        kept[name] = tensor[:, ::stride].clone()
        if stride > 1:
            strides[name] = stride
    return kept, strides


def noise(shape, seed):
    """torch.manual_seed(seed); torch.randn(shape) in fp32 on the CPU."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def to_uint8(image):
    """NCHW float image in [-1, 1] as diffusers' postprocess makes it: HWC uint8, rounded half to even."""
    image = (image * 0.5 + 0.5).clamp(0, 1)
    array = image[0].permute(1, 2, 0).numpy()
    return torch.from_numpy((array * 255).round().astype(numpy.uint8))
