"""Where Refiners' SDLoraManager attaches the pairs of LoRA files, at SDXL's full architecture.

Models and matrices are shapes without values (torch's meta device). Writes lora/testdata/refiners.json.gz: the shapes of
SDXL's linear layers and convolutions under diffusers' names, and for each case the layer that every key landed on, as the
real manager attaches it; null where it found none. Beside requirements.txt it needs

    pip install --no-deps refiners==0.4.0 jaxtyping==0.3.11 wadler_lindig==0.1.8
"""

import gzip
import json
import pathlib
import re
import types
import warnings

import diffusers
import refiners.fluxion.layers as fl
import torch
import transformers
from refiners.foundationals.latent_diffusion import lora
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.text_encoder import DoubleTextEncoder
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.unet import SDXLUNet

OUT = pathlib.Path(__file__).resolve().parents[2] / "sdxl" / "lora" / "testdata" / "refiners.json.gz"
META = torch.device("meta")


def canonical(path):
    """diffusers' name of a layer of Refiners' models, by its path."""
    ends = {
        "TimestepEncoder.Sum.Chain.RangeEncoder.Linear_1": "time_embedding.linear_1", "TimestepEncoder.Sum.Chain.RangeEncoder.Linear_2": "time_embedding.linear_2",
        "TimestepEncoder.Sum.TextTimeEmbedding.Linear_1": "add_embedding.linear_1", "TimestepEncoder.Sum.TextTimeEmbedding.Linear_2": "add_embedding.linear_2",
        "DownBlocks.Chain_1.Conv2d": "conv_in", "OutputBlock.Conv2d": "conv_out",
    }
    if path in ends:
        return "unet", ends[path]
    if path.startswith("Parallel."):
        return text(path)
    if m := re.fullmatch(r"(Down|Up)Blocks\.Chain_(\d+)\.(.*)", path):
        side, n, rest = m[1], int(m[2]), m[3]
        block, layer = divmod(n - 2, 3) if side == "Down" else divmod(n - 1, 3)
        base = f"{side.lower()}_blocks.{block}"
        if rest == "Downsample.Conv2d":
            return "unet", f"{base}.downsamplers.0.conv"
        if rest == "Upsample.Conv2d":
            return "unet", f"{base}.upsamplers.0.conv"
        return "unet", inner(base, layer, rest)
    m = re.fullmatch(r"MiddleBlock\.(ResidualBlock_(\d)|SDXLCrossAttention)\.(.*)", path)
    if m[2]:
        return "unet", inner("mid_block", int(m[2]) - 1, "ResidualBlock." + m[3])
    return "unet", inner("mid_block", 0, "SDXLCrossAttention." + m[3])


def inner(base, layer, rest):
    """A layer of a residual block or a transformer."""
    if rest.startswith("ResidualBlock."):
        return f"{base}.resnets.{layer}." + {
            "Chain.RangeAdapter2d.Conv2d": "conv1", "Chain.RangeAdapter2d.Chain.Linear": "time_emb_proj", "Chain.Conv2d": "conv2", "Conv2d": "conv_shortcut",
        }[rest.removeprefix("ResidualBlock.")]
    rest = rest.removeprefix("SDXLCrossAttention.")
    base = f"{base}.attentions.{layer}"
    if rest in ("Chain_1.Linear", "Chain_3.Linear"):
        return f"{base}." + {"Chain_1.Linear": "proj_in", "Chain_3.Linear": "proj_out"}[rest]
    m = re.fullmatch(r"Chain_2\.CrossAttentionBlock_(\d+)\.Residual_(\d)\.(.*)", rest)
    names = {"Distribute.Linear_1": "to_q", "Distribute.Linear_2": "to_k", "Distribute.Linear_3": "to_v", "Linear": "to_out.0"}
    if m[2] == "3":
        leaf = {"Linear_1": "ff.net.0.proj", "Linear_2": "ff.net.2"}[m[3]]
    else:
        leaf = f"attn{m[2]}." + names[m[3].split(".", 1)[1]]
    return f"{base}.transformer_blocks.{int(m[1]) - 1}.{leaf}"


def text(path):
    """A layer of the text encoders."""
    component = "text_encoder" if "CLIPTextEncoderL" in path else "text_encoder_2"
    if path.endswith("Parallel.Chain.Linear"):
        return component, "text_projection"
    m = re.search(r"TransformerLayer(?:_(\d+))?\.Residual_\d\.(?:SelfAttention|FeedForward)\.(.*)", path)
    index = int(m[1]) - 1 if m[1] else 31
    leaf = {"Distribute.Linear_1": "self_attn.q_proj", "Distribute.Linear_2": "self_attn.k_proj", "Distribute.Linear_3": "self_attn.v_proj",
            "Linear": "self_attn.out_proj", "Linear_1": "mlp.fc1", "Linear_2": "mlp.fc2"}[m[2]]
    return component, f"text_model.encoder.layers.{index}.{leaf}"


def sdxl():
    """Shapes of SDXL's layers: diffusers' UNet and transformers' text encoders by the configurations of single_file.json."""
    configs = json.loads((OUT.parents[2] / "keymap" / "testdata" / "single_file.json").read_text())["cases"]["sdxl"]["config"]
    with META:
        parts = {
            "unet": diffusers.UNet2DConditionModel.from_config(configs["unet"]),
            "text_encoder": transformers.CLIPTextModel(transformers.CLIPTextConfig(**configs["text_encoder"])),
            "text_encoder_2": transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig(**configs["text_encoder_2"])),
        }
    shapes = {}
    for part, model in parts.items():
        prefix = "text_model." if part == "text_encoder" and not any(n.startswith("text_model") for n, _ in model.named_modules()) else ""
        shapes[part] = {
            prefix + n: list(m.weight.shape) for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))
        }
    return shapes


def attach(files):
    """Attaches files {name: {key: shape}} one after another; gives for each key "component/layer" or None."""
    target = types.SimpleNamespace(unet=SDXLUNet(4, device=META), clip_text_encoder=DoubleTextEncoder(device=META), device=META, dtype=torch.float32)
    where = {}
    for chain in (target.unet, target.clip_text_encoder):
        for path, module in chain.named_modules():
            if isinstance(module, (fl.Linear, fl.Conv2d)):
                where[id(module)] = "/".join(canonical(path))
                check = where[id(module)].split("/")
                if SHAPES[check[0]][check[1]] != list(module.weight.shape):
                    raise ValueError(f"{path} is not {check}")
    found = {}
    real = lora.auto_attach_loras

    def spy(loras, *args, **kwargs):
        failed = real(loras, *args, **kwargs)
        for key, one in loras.items():
            found[name, key] = None if key in failed else where[id(one.parent.target)]
        return failed

    lora.auto_attach_loras = spy
    manager = lora.SDLoraManager(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, shapes in files.items():
            manager.add_loras(name, tensors={k: torch.empty(s, device=META) for k, s in sorted(shapes.items())})
    lora.auto_attach_loras = real
    return found


def original(name):
    """A layer's name in the original layout, by single_file.json."""
    return ORIGINAL.get(name)


def pairs(names, spell, down, up, rank=4):
    """Keys and shapes of the pairs for layers {(component, name): shape}."""
    out = {}
    for (component, name), w in names.items():
        key = spell(component, name)
        out |= {f"{key}.{down}": [rank, *w[1:]], f"{key}.{up}": [w[0], rank, *([1] * (len(w) - 2))]}
    return out


def kohya(component, name):
    prefix = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}[component]
    return prefix + (ORIGINAL[name] if component == "unet" else name).replace(".", "_")


def choose(component, *ends):
    return {(component, n): s for n, s in SHAPES[component].items() if n.endswith(ends)}


ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
SHAPES = sdxl()
rows = json.loads((OUT.parents[2] / "keymap" / "testdata" / "single_file.json").read_text())["cases"]["sdxl"]["tensors"]["unet"]
ORIGINAL = {t.removesuffix(".weight"): n.removeprefix("model.diffusion_model.").removesuffix(".weight") for n, _, ts in rows for t in ts if n.endswith(".weight")}


def main():
    k = ("lora_down.weight", "lora_up.weight")
    everything = choose("unet", *ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
    cases = {
        "kohya": pairs(everything, kohya, *k),
        "kohya attention": pairs(choose("unet", *ATTENTION), kohya, *k),
        "kohya text": pairs(choose("text_encoder", *TEXT) | choose("text_encoder_2", *TEXT), kohya, *k),
        "peft": pairs(everything, lambda c, n: f"{c}.{n}", "lora_A.weight", "lora_B.weight"),
        "bare": pairs(choose("unet", *ATTENTION), lambda c, n: n, "lora_A.weight", "lora_B.weight"),
        "convolutions": pairs({("unet", n): s for n, s in SHAPES["unet"].items()}, lambda c, n: f"{c}.{n}", *k),
        "processors": pairs(choose("unet", "attn1.to_q", "attn1.to_k", "attn1.to_v"), lambda c, n: f"unet.{n}_lora".replace(".to_", ".processor.to_"), "down.weight", "up.weight"),
    }
    document = {"made_by": {"script": "internal/tools/goldens/refiners_order.py", "refiners": "0.4.0", "torch": torch.__version__, "diffusers": diffusers.__version__},
                "shapes": SHAPES, "cases": {}}
    for name, keys in cases.items():
        found = attach({name: keys})
        named = list(keys)[::2]
        rows = []
        for down, up in zip(list(keys)[::2], list(keys)[1::2]):
            key = ".".join(down.split(".")[:-2])
            hit = [v for (_, k), v in found.items() if k in (key, "unet_" + key)]
            rows.append([down, up, keys[down], keys[up], hit[0] if hit else None])
        document["cases"][name] = rows
        print(name, len(named), "pairs,", sum(r[-1] is None for r in rows), "not attached")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0))
    print(OUT.stat().st_size)


if __name__ == "__main__":
    main()
