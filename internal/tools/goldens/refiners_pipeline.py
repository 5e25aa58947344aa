"""Refiners' whole SDXL pipeline on the CPU in fp32, at full size with random weights: refiners_pipeline.py MODEL DIR.

MODEL is the folder that fullsize.py makes. DIR (outside the repository, 17 GB with MODEL's parts converted) gets a random CLIP ViT-H
(image_encoder) and a random IP-Adapter Plus (ip-adapter-plus.bin, as torch saves it); DIR/refiners what Refiners' own recipes make of all
of it; and DIR/goldens what its StableDiffusion_XL computes from that, with self-attention guidance, and with an image prompt besides:
embeddings, image tokens, latents after each step, and of each step the column sums of the attention map and the mask made of them.
Run as refiners_source.py says. Every stage runs in a process of its own; one whose file is there is not run again. 9 GB of memory are enough.
"""

import json
import pathlib
import resource
import shutil
import subprocess
import sys
import time

import refiners_source as source
import reference
import refiners_keys as keys
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from refiners.fluxion import layers as fl
from refiners.foundationals.clip.image_encoder import CLIPImageEncoderH
from refiners.foundationals.latent_diffusion.image_prompt import PerceiverResampler
from refiners.foundationals.latent_diffusion.solvers import DDIM
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.image_prompt import SDXLIPAdapter
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.model import SDXLAutoencoder, StableDiffusion_XL
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.text_encoder import DoubleTextEncoder
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.unet import SDXLUNet

SEED = 20260110
STEPS, SCALE, SAG, IMAGE_SCALE = 3, 5.0, 0.75, 1.0
LATENT = (32, 32)
PICTURE = reference.ROOT / "examples" / "image-prompt" / "reference.png"


def make_image_encoder(model, out):
    """A random CLIP ViT-H, as its class initialises it."""
    torch.manual_seed(SEED)
    transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**keys.VISION_H, hidden_act="gelu")).half().save_pretrained(out / "image_encoder")


def make_adapter(model, out):
    """A random IP-Adapter Plus under its authors' names: matrices of variance 1/inputs, norms near 1."""
    torch.manual_seed(SEED + 1)
    rows = keys.adapter(True)
    shapes = {"image_proj." + k: v.shape for k, v in resampler("meta").state_dict().items()}
    unet = SDXLUNet(in_channels=4, device="meta")
    adapter = SDXLIPAdapter(unet, clip_image_encoder=CLIPImageEncoderH(device="meta"), image_proj=resampler("meta"), fine_grained=True)
    for i, sub in enumerate(adapter.sub_adapters):
        for leaf in ("to_k_ip", "to_v_ip"):
            shapes[f"ip_adapter.{i:03d}.{leaf}.weight"] = sub.image_key_projection.weight.shape
    parts = {"image_proj": {}, "ip_adapter": {}}
    for _, name, refiners in sorted(rows):
        shape = list(shapes[refiners])
        drawn = torch.randn(shape)
        if len(shape) == 2:
            drawn /= shape[1] ** 0.5
        else:
            drawn = 0.1 * drawn + (1 if name.endswith("weight") else 0)
        if name == "image_proj.latents":
            drawn = drawn[None]
        part, rest = name.split(".", 1)
        parts[part][rest] = drawn.half()
    torch.save(parts, out / "ip-adapter-plus.bin")


def resampler(device):
    return PerceiverResampler(latents_dim=1280, num_attention_layers=4, num_attention_heads=20, head_dim=64, num_tokens=16,
                              input_dim=1280, output_dim=2048, device=device, dtype=torch.float32)


def convert(recipe, state, path):
    """What Conversion.convert does between loading and checking."""
    utils = source.importlib.import_module("refiners.conversion.utils")
    state = recipe.translate_keys(utils.Conversion.filter_tensors_state_dict(recipe.flatten_state_dict(state)))
    path.parent.mkdir(parents=True, exist_ok=True)
    utils.save_to_safetensors(path, utils.Conversion.change_dtype(state, torch.float16))


def load_folder(folder):
    """The tensors of all safetensors files of a folder."""
    state = {}
    for file in sorted(folder.glob("*.safetensors")):
        state |= safetensors.torch.load_file(file)
    return state


def convert_unet(model, out):
    convert(source.recipes("unet_sdxl").diffusers_recipe, load_folder(model / "unet"), out / "refiners" / "unet.safetensors")


def convert_vae(model, out):
    convert(source.recipes("autoencoder_sdxl").diffusers_recipe, load_folder(model / "vae"), out / "refiners" / "lda.safetensors")


def convert_image_encoder(model, out):
    """The image encoder, in a folder of its own, where flow looks for its config.json."""
    path = out / "refiners" / "clip_image" / "model.safetensors"
    convert(source.recipes("clip_image_sd21").diffusers_recipe, load_folder(out / "image_encoder"), path)
    shutil.copy(out / "image_encoder" / "config.json", path.parent)


def convert_adapter(model, out):
    convert(source.recipes("ipadapter_sdxl").plus_diffusers_recipe, torch.load(out / "ip-adapter-plus.bin"), out / "refiners" / "ip_adapter.safetensors")


def convert_text(model, out):
    """Refiners' own text conversion, whose checks of sums and the hub are left out."""
    module = source.recipes("clip_text_sdxl")
    duo = module.ModelConverterHubDuo(str(model), module.Hub(repo_id="refiners", filename="text_encoder.safetensors"), torch.float16)
    module.Hub.local_path = property(lambda hub: out / hub.repo_id / hub.filename)
    module.Hub.check_local_hash = module.Hub.check_remote_hash = lambda hub: True
    duo.convert()


def load(module, path):
    """A Refiners model from a file, in fp32."""
    with safetensors.safe_open(path, "pt") as file:
        module.load_state_dict({k: file.get_tensor(k).float() for k in file.keys()}, assign=True)
    return module


def load_unet(out):
    """The UNet, whose matrices stay in the file's fp16 and are widened to fp32 as each layer reads them: half the memory, the same bits.

    The embedding of timesteps is widened at once: Refiners looks there for the type to compute in.
    """
    unet = SDXLUNet(in_channels=4, device="meta")
    with safetensors.safe_open(out / "refiners" / "unet.safetensors", "pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    matrix = {k for k, v in tensors.items() if v.dim() > 1 and not k.startswith("TimestepEncoder")}
    unet.load_state_dict({k: v if k in matrix else v.float() for k, v in tensors.items()}, assign=True)
    unet.to = lambda *args, **kwargs: unet
    fl.Linear.forward = lambda self, x: F.linear(x, self.weight.float(), None if self.bias is None else self.bias.float())
    fl.Conv2d.forward = lambda self, x: self._conv_forward(x, self.weight.float(), None if self.bias is None else self.bias.float())
    return unet


def golden_text(model, out):
    """The embeddings of the prompts, by Refiners' own tokenizer."""
    encoder = load(DoubleTextEncoder(device="meta"), out / "refiners" / "text_encoder.safetensors")
    tensors = {}
    for name in ("positive", "negative"):
        tensors[name + ".prompt_embeds"], tensors[name + ".pooled"] = encoder(reference.PROMPTS[name])
    save(out, "text", tensors)


def golden_image(model, out):
    """The picture as Refiners preprocesses it, and its tokens: [of a picture of zeros, of the picture]."""
    encoder = load(CLIPImageEncoderH(device="meta"), out / "refiners" / "clip_image" / "model.safetensors")
    with safetensors.safe_open(out / "refiners" / "ip_adapter.safetensors", "pt") as file:
        weights = {k: file.get_tensor(k).float() for k in file.keys() if k.startswith("image_proj.")}
    projection = resampler("cpu")
    projection.load_state_dict({k.removeprefix("image_proj."): v for k, v in weights.items()})
    unet = SDXLUNet(in_channels=4, device="meta")
    adapter = SDXLIPAdapter(unet, clip_image_encoder=encoder, image_proj=projection, fine_grained=True)
    unet.to = lambda *args, **kwargs: unet
    picture = Image.open(PICTURE).convert("RGB")
    pixels = adapter.preprocess_image.__func__(Preprocess(adapter), picture)
    tokens = adapter.compute_clip_image_embedding(pixels)
    save(out, "image", {"pixels": pixels, "hidden": adapter.grid_image_encoder(pixels), "zeros": adapter.grid_image_encoder(torch.zeros_like(pixels)), "tokens": tokens})


class Preprocess:
    """What preprocess_image reads of an adapter: where its target is. The UNet stays without storage."""

    def __init__(self, adapter):
        self.target = fl.Linear(1, 1, device="cpu", dtype=torch.float32)


def golden_sag(model, out, images=False):
    """STEPS steps of StableDiffusion_XL with self-attention guidance; with the IP-Adapter when images is true."""
    text = safetensors.torch.load_file(out / "goldens" / "text.safetensors")
    unet = load_unet(out)
    sdxl = StableDiffusion_XL(unet=unet, lda=fl.Chain(fl.Identity()), clip_text_encoder=fl.Chain(fl.Identity()), solver=DDIM(STEPS))
    if images:
        with safetensors.safe_open(out / "refiners" / "ip_adapter.safetensors", "pt") as file:
            weights = {k: file.get_tensor(k).float() for k in file.keys()}
        adapter = SDXLIPAdapter(unet, clip_image_encoder=CLIPImageEncoderH(device="meta"), image_proj=resampler("cpu"), scale=IMAGE_SCALE,
                                fine_grained=True, weights=weights)
        adapter.inject()
        adapter.set_clip_image_embedding(safetensors.torch.load_file(out / "goldens" / "image.safetensors")["tokens"])
    sdxl.set_self_attention_guidance(enable=True, scale=SAG)
    sag = sdxl._find_sag_adapter()
    tensors, mask, degraded = {"latents.0": reference.noise((1, 4, *LATENT), 1)}, sag.compute_sag_mask, sag.compute_degraded_latents

    def recorded_mask(latents, classifier_free_guidance=True):
        attention = sag.use_context("self_attention_map")["middle_block_attn_map"]
        tensors[f"columns.{step}"] = attention.chunk(2)[0].mean(dim=1).sum(dim=1)
        tensors[f"mask.{step}"] = mask(latents, classifier_free_guidance)
        return tensors[f"mask.{step}"]

    def recorded_degraded(solver, latents, noise, step, classifier_free_guidance=True):
        tensors[f"unconditional.{step}"] = noise
        tensors[f"degraded.{step}"] = degraded(solver, latents, noise, step, classifier_free_guidance)
        return tensors[f"degraded.{step}"]

    sag.compute_sag_mask, sag.compute_degraded_latents = recorded_mask, recorded_degraded
    x, started = tensors["latents.0"], time.perf_counter()
    for step in sdxl.steps:
        x = sdxl(
            x, step=step, condition_scale=SCALE, time_ids=sdxl.default_time_ids,
            clip_text_embedding=torch.cat([text[n + ".prompt_embeds"] for n in ("negative", "positive")]),
            pooled_text_embedding=torch.cat([text[n + ".pooled"] for n in ("negative", "positive")]),
        )
        tensors[f"latents.{step + 1}"] = x
    save(out, "sag-ip" if images else "sag", tensors, steps=STEPS, guidance_scale=SCALE, sag_scale=SAG, sag_sigma=1, image_scale=IMAGE_SCALE if images else 0)
    return {"seconds": round(time.perf_counter() - started, 1)}


def golden_sag_ip(model, out):
    return golden_sag(model, out, images=True)


def golden_decode(model, out):
    """The last latents of both runs as pictures in fp32, before rounding."""
    lda = load(SDXLAutoencoder(device="meta"), out / "refiners" / "lda.safetensors")
    tensors = {}
    for name in ("sag", "sag-ip"):
        tensors[name] = lda.decode(safetensors.torch.load_file(out / "goldens" / (name + ".safetensors"))[f"latents.{STEPS}"])
    save(out, "decode", tensors)


def golden_small(model, out):
    """What the tests without the model need: of the run with the image prompt, what the SAGAdapter was given and what it made of that."""
    tensors = safetensors.torch.load_file(out / "goldens" / "sag-ip.safetensors")
    kept = {k: v for k, v in tensors.items() if k.split(".")[0] in ("latents", "columns", "unconditional", "degraded")}
    reference.save(reference.TESTDATA / "refiners" / "sag.safetensors", kept, __file__, refiners=source.COMMIT, steps=STEPS, sag_sigma=1)


def save(out, name, tensors, **notes):
    reference.save(out / "goldens" / (name + ".safetensors"), tensors, __file__, refiners=source.COMMIT, **notes)


STAGES = {  # what makes it, and the file that says that it is made
    "make_image_encoder": (make_image_encoder, "image_encoder/config.json"), "make_adapter": (make_adapter, "ip-adapter-plus.bin"),
    "convert_unet": (convert_unet, "refiners/unet.safetensors"), "convert_vae": (convert_vae, "refiners/lda.safetensors"),
    "convert_text": (convert_text, "refiners/text_encoder.safetensors"),
    "convert_image_encoder": (convert_image_encoder, "refiners/clip_image/model.safetensors"),
    "convert_adapter": (convert_adapter, "refiners/ip_adapter.safetensors"),
    "golden_text": (golden_text, "goldens/text.safetensors"), "golden_image": (golden_image, "goldens/image.safetensors"),
    "golden_sag": (golden_sag, "goldens/sag.safetensors"), "golden_sag_ip": (golden_sag_ip, "goldens/sag-ip.safetensors"),
    "golden_decode": (golden_decode, "goldens/decode.safetensors"), "golden_small": (golden_small, reference.TESTDATA / "refiners" / "sag.safetensors"),
}


def main():
    model, out = map(pathlib.Path, sys.argv[1:3])
    if len(sys.argv) > 3:
        said = STAGES[sys.argv[3]][0](model, out) or {}
        print(json.dumps({**said, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
        return
    (out / "goldens").mkdir(parents=True, exist_ok=True)
    for name, (_, proof) in STAGES.items():
        if not (out / proof).exists():
            started = time.perf_counter()
            text = subprocess.run([sys.executable, __file__, str(model), str(out), name], check=True, stdout=subprocess.PIPE, text=True).stdout
            print(f"{name}: {time.perf_counter() - started:.0f} s, {text.splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
