"""Goldens of LoRAs in every format that flow reads, each loaded by the library that has it on the same base model.

testdata/lora/oddball/ holds small random adapters for the oddball model, and golden.safetensors what one UNet evaluation
(and, where an adapter has layers for them, the text encoders) give with each: under diffusers 0.42.1 (kohya's, peft's and
diffusers' own keys, DoRA), peft's layers (LoHa, LoKr) and LyCORIS' modules (LoCon with a middle convolution, LoHa and LoKr with
cores, DoRA by outputs and by inputs, whole differences, norms). oddball/sampling.safetensors holds the latents after 30 steps with each,
from the model's own prompts. testdata/lora/castle/ holds the same for the castle's model: its
two LoRAs at the stages of the tutorial, whole sampling runs, and convolutions under the names of the original layout.

Inputs are those of oddball/unet.safetensors and castle/unet.safetensors. Run oddball.py and castle.py before.
"""

import contextlib
import json
import math

import reference
import diffusers
import lycoris
import oddball
import peft
import safetensors.torch
import torch
from diffusers.utils.peft_utils import set_weights_and_activate_adapters
from lycoris.modules.full import FullModule
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule

OUT = reference.TESTDATA / "lora"
EXAMPLES = reference.ROOT / "examples"
SCI_FI = EXAMPLES / "sci-fi" / "loras" / "sci-fi.safetensors"
PIXEL_ART = EXAMPLES / "pixel-art" / "loras" / "pixel-art.safetensors"
TIMESTEP = {"oddball": 733, "castle": 981}
SAMPLING = dict(steps=30, guidance=3.5, seed=11, size=(64, 48))
SENSITIVITY = 1e-3  # every adapter moves its output by at least ten times the bound of a step


class Random:
    """Seeded matrices of values that fp16 holds. Seeds go by the name, so that a case more does not change the others."""

    def __init__(self, name):
        self.generator = torch.Generator("cpu").manual_seed(sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31)

    def __call__(self, *shape, std=0.3):
        return (torch.randn(shape, generator=self.generator) * std).half().float()


def flat(name):
    return name.replace(".", "_")


def linear(model, *ends):
    """Names of the linear layers (and 1x1 convolutions) that end in one of ends."""
    return [n for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)) and n.endswith(ends)]


ATTENTION = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0")
OTHERS = ("proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "time_emb_proj")
CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "conv_in", "conv_out")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def pair(random, module, rank):
    """A and B of a layer: for a convolution A has its kernel and B is 1x1."""
    w = module.weight
    a = random(rank, *w.shape[1:])
    return a, random(w.shape[0], rank, *([1] * (w.dim() - 2)))


def text_name(name):
    """Names in files have text_model., which newer transformers leave out of CLIPTextModel."""
    return name if name.startswith(("text_model.", "text_projection")) else "text_model." + name


# Files: each gives {key: tensor} and the metadata.


def kohya(pipe, random, unet_names):
    """kohya's keys with the names of diffusers' or the original blocks, by unet_names(layer). Layers of attention share an alpha:
    diffusers 0.42.1 does not find theirs where they differ."""
    out = {}
    for i, name in enumerate(linear(pipe.unet, *ATTENTION, *OTHERS, *CONVOLUTIONS)):
        a, b = pair(random, pipe.unet.get_submodule(name), 3 if name.endswith(ATTENTION) else 2)
        key = "lora_unet_" + flat(unet_names(name))
        alpha = 1.5 if name.endswith(ATTENTION) else (1.0, 0.5, 2.0)[i % 3]
        out |= {f"{key}.lora_down.weight": a, f"{key}.lora_up.weight": b, f"{key}.alpha": torch.tensor(alpha)}
    for prefix, encoder in (("lora_te1_", pipe.text_encoder), ("lora_te2_", pipe.text_encoder_2)):
        for name in linear(encoder, *TEXT):
            a, b = pair(random, encoder.get_submodule(name), 2)
            key = prefix + flat(text_name(name))
            out |= {f"{key}.lora_down.weight": a, f"{key}.lora_up.weight": b, f"{key}.alpha": torch.tensor(1.0)}
    return out


def dotted(pipe, random, a_key, b_key, ends=ATTENTION + OTHERS, ranks=(2, 4), text=TEXT, prefix="unet.", text_keys=None):
    out = {}
    for i, name in enumerate(linear(pipe.unet, *ends)):
        a, b = pair(random, pipe.unet.get_submodule(name), ranks[i % len(ranks)])
        out |= {f"{prefix}{name}.{a_key}": a, f"{prefix}{name}.{b_key}": b}
    for part in ("text_encoder", "text_encoder_2") if text else ():
        encoder = getattr(pipe, part)
        for name in linear(encoder, *text):
            a, b = pair(random, encoder.get_submodule(name), 2)
            for key, value in zip(text_keys or (a_key, b_key), (a, b)):
                out[f"{part}.{text_name(name)}.{key}"] = value
    return out


def processors(pipe, random):
    """The keys of diffusers' attention processors, and of its first text encoder LoRAs."""
    out = {}
    for name in linear(pipe.unet, *ATTENTION):
        a, b = pair(random, pipe.unet.get_submodule(name), 2)
        block, layer = name.removesuffix(".0").rsplit(".", 1)
        out |= {f"unet.{block}.processor.{layer}_lora.down.weight": a, f"unet.{block}.processor.{layer}_lora.up.weight": b}
    for part in ("text_encoder", "text_encoder_2"):
        encoder = getattr(pipe, part)
        for name in linear(encoder, "q_proj", "k_proj", "v_proj", "out_proj"):
            a, b = pair(random, encoder.get_submodule(name), 2)
            block, layer = text_name(name).rsplit(".", 1)
            key = f"{part}.{block}.to_{layer.removesuffix('_proj')}_lora"
            out |= {f"{key}.down.weight": a, f"{key}.up.weight": b}
    return out


def with_settings(pipe, random):
    """peft's keys with the header's lora_adapter_metadata: ranks and alphas by patterns."""
    tensors = dotted(pipe, random, "lora_A.weight", "lora_B.weight", ranks=(4,), text=None)
    for name in linear(pipe.unet, "ff.net.2"):
        a, b = pair(random, pipe.unet.get_submodule(name), 2)
        tensors |= {f"unet.{name}.lora_A.weight": a, f"unet.{name}.lora_B.weight": b}
    targets = sorted({k.removeprefix("unet.").split(".lora_")[0] for k in tensors})
    settings = {
        "unet.r": 4, "unet.lora_alpha": 3, "unet.rank_pattern": {"ff.net.2": 2}, "unet.target_modules": targets,
        "unet.alpha_pattern": {"ff.net.2": 5, "attn1.to_k": 1, r"up_blocks.*attn2\.to_v": 7},
    }
    return tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(settings, sort_keys=True)}


def magnitudes(pipe, random):
    """peft's DoRA: magnitudes of all outputs, here those of the weight times a random factor."""
    out = dotted(pipe, random, "lora_A.weight", "lora_B.weight", ends=ATTENTION + ("ff.net.2", "conv1", "downsamplers.0.conv"), ranks=(3,), text=None)
    for key in [k for k in out if k.endswith("lora_A.weight")]:
        w = pipe.unet.get_submodule(key.removeprefix("unet.").removesuffix(".lora_A.weight")).weight
        lengths = w.flatten(1).norm(dim=1) * (1 + random(w.shape[0], std=0.2))
        out[key.replace("lora_A.weight", "lora_magnitude_vector")] = lengths if w.dim() == 2 else lengths[None, :, None, None]
    return out


# References: each is a context in which the pipeline has the adapter.


@contextlib.contextmanager
def loaded(pipe, *files, unet_only=False):
    """Adapters loaded by diffusers: (path, scale) each. Every layer of the files must be in the pipeline."""
    names = []
    for i, (path, scale) in enumerate(files):
        name = f"adapter_{i}"
        if unet_only:
            pipe.unet.load_lora_adapter(str(path), prefix=None, adapter_name=name)
        else:
            pipe.load_lora_weights(str(path), adapter_name=name)
        keys = safetensors.torch.load_file(path)
        wanted = sum(k.endswith(("lora_down.weight", "lora_A.weight", "down.weight")) for k in keys)
        found = sum(
            name in getattr(m, "lora_A", {}) for part in (pipe.unet, pipe.text_encoder, pipe.text_encoder_2) for m in part.modules()
        )
        if wanted != found:
            raise ValueError(f"{path}: {wanted} layers, {found} in the pipeline")
        names.append((name, scale))
    for part in (pipe.unet, pipe.text_encoder, pipe.text_encoder_2):  # what set_adapters does, which wants whole layers_per_block
        set_weights_and_activate_adapters(part, [n for n, _ in names], [s for _, s in names])
    yield
    pipe.unload_lora_weights()


@contextlib.contextmanager
def by_peft(pipe, config, path, random):
    """An adapter of another of peft's methods on the UNet, with random weights, which are written to path."""
    model = peft.inject_adapter_in_model(config, pipe.unet, "adapter")
    tensors = {}
    for name, value in model.named_parameters():
        if ".adapter" in name or name.endswith("adapter"):
            value.data = random(*value.shape)
            tensors["unet." + name.replace(".adapter", "")] = value.data.clone()
    write(path, tensors)
    yield
    pipe.unet = restored(pipe)


def restored(pipe):
    """The UNet without peft's wrappers."""
    for name, module in list(pipe.unet.named_modules()):
        if hasattr(module, "base_layer") and not isinstance(module, torch.nn.Sequential):
            parent, leaf = name.rsplit(".", 1)
            setattr(pipe.unet.get_submodule(parent), leaf, module.base_layer)
    if hasattr(pipe.unet, "peft_config"):
        del pipe.unet.peft_config
    return pipe.unet


@contextlib.contextmanager
def by_lycoris(pipe, path, random, scale, make, names, prefix="lora_unet_"):
    """Modules of LyCORIS on layers of the UNet, made by make(i, name, layer), with random weights, which are written to path."""
    tensors, modules = {}, []
    for i, name in enumerate(names):
        layer = pipe.unet.get_submodule(name)
        module = make(i, flat(name), layer)
        for key, value in module.named_parameters():
            if key == "dora_scale":
                value.data = value.data * (1 + random(*value.shape, std=0.2))
            else:
                value.data = random(*value.shape)
        module.multiplier = scale
        if getattr(module, "wd", False):  # LyCORIS' own multiplier blends the lengths alone; programs scale the whole change
            module.multiplier, whole = 1.0, module.forward
            module.forward = lambda x, module=module, whole=whole: torch.lerp(module.org_forward(x), whole(x), scale)
        module.apply_to()
        state = module.custom_state_dict() or module.state_dict()
        for key, value in state.items():
            tensors[f"{prefix}{flat(name)}.{key}"] = value.detach().clone().float()
        modules.append(module)
    write(path, tensors)
    yield
    for module in modules:
        module.restore()


def write(path, tensors, metadata=None):
    """Writes an adapter, in fp16 what fp16 holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owned = {}
    for key, value in sorted(tensors.items()):
        half = value.detach().half().contiguous()
        owned[key] = half.clone() if torch.equal(half.float(), value.detach().float()) else value.detach().float().clone().contiguous()
    safetensors.torch.save_file(owned, path, metadata=metadata)


class Golden:
    """What a model gives with each adapter."""

    def __init__(self, pipe, model):
        self.pipe, self.model, self.tensors, self.latents = pipe, model, {}, {}
        self.inputs = safetensors.torch.load_file(reference.TESTDATA / model / "unet.safetensors")
        self.base = self.step(), self.text()
        if model == "oddball":
            self.plain = self.sample()

    def step(self):
        i = self.inputs
        added = {"text_embeds": i["pooled"], "time_ids": i["time_ids"]}
        return self.pipe.unet(i["latents"], torch.tensor(TIMESTEP[self.model]), i["prompt_embeds"], added_cond_kwargs=added).sample

    def text(self, prompt="positive"):
        context, _, pooled, _ = self.pipe.encode_prompt(prompt=reference.PROMPTS[prompt], do_classifier_free_guidance=False)
        return context, pooled

    def sample(self):
        """Latents after 30 steps, from the prompts without adapters: what an adapter does to the UNet."""
        text = safetensors.torch.load_file(reference.TESTDATA / self.model / "text.safetensors")
        height, width = SAMPLING["size"]
        scale = self.pipe.vae_scale_factor
        noise = reference.noise((1, 4, height // scale, width // scale), SAMPLING["seed"])
        self.latents["latents.0"] = noise
        prompts = {f"{negative}{key}": text[f"{prompt}.{tensor}"] for negative, prompt in (("", "positive"), ("negative_", "negative"))
                   for key, tensor in (("prompt_embeds", "prompt_embeds"), ("pooled_prompt_embeds", "pooled"))}
        return self.pipe(**prompts, height=height, width=width, num_inference_steps=SAMPLING["steps"],
                         guidance_scale=SAMPLING["guidance"], latents=noise.clone(), output_type="latent").images

    def add(self, name, text=True, unet=True):
        """Keeps the outputs under name; raises where the adapter moves them too little to tell."""
        if unet:
            self.keep(f"{name}.sample", self.step(), self.base[0], SENSITIVITY)
        if unet and self.model == "oddball":
            final = self.sample()
            print(f"  {name + '.latents':50} {oddball.difference(final, self.plain):.2e}")
            if not final.isfinite().all() or oddball.difference(final, self.plain) < 10 * 1e-3:
                raise ValueError(f"{name} moves the latents too little")
            self.latents[f"{name}.latents.{SAMPLING['steps']}"] = final
        if text:
            for part, value, base in zip(("prompt_embeds", "pooled"), self.text(), self.base[1]):
                self.keep(f"{name}.{part}", value, base, 1e-4)

    def keep(self, name, value, base, least):
        moved = oddball.difference(value, base)
        print(f"  {name:50} {moved:.2e}")
        if not math.isfinite(moved) or moved < least:
            raise ValueError(f"{name} moves by {moved}")
        self.tensors[name] = value

    def save(self, **notes):
        moved = oddball.difference(self.step(), self.base[0])
        if moved > 1e-6:
            raise ValueError(f"an adapter is left on the model: {moved}")
        reference.save(OUT / self.model / "golden.safetensors", self.tensors, __file__, timestep=str(TIMESTEP[self.model]),
                       peft=peft.__version__, lycoris=lycoris.__version__ if hasattr(lycoris, "__version__") else "4.1.3", **notes)


def formats(pipe, folder, golden):
    """The formats that diffusers loads."""
    def case(name, tensors, scale=1.0, metadata=None, text=True, **how):
        path = folder / f"{name}.safetensors"
        write(path, tensors, metadata)
        with loaded(pipe, (path, scale), **how):
            golden.add(f"{name}@{scale}", text=text)

    case("kohya", kohya(pipe, Random("kohya"), lambda n: n), 0.8)
    case("peft", dotted(pipe, Random("peft"), "lora_A.weight", "lora_B.weight"), 1.0)
    case("bare", dotted(pipe, Random("bare"), "lora_A.weight", "lora_B.weight", text=None, prefix=""), 1.0, text=False, unet_only=True)
    case("diffusers", dotted(pipe, Random("diffusers"), "lora.down.weight", "lora.up.weight",
                             text_keys=("lora_linear_layer.down.weight", "lora_linear_layer.up.weight")), -0.5)
    case("processors", processors(pipe, Random("processors")), 0.9)
    case("settings", *(lambda t, m: (t, 1.0, m))(*with_settings(pipe, Random("settings"))), text=False)
    tensors = magnitudes(pipe, Random("magnitudes"))
    case("magnitudes", tensors, 1.0, text=False)
    case("magnitudes", tensors, 0.6, text=False)
    with loaded(pipe, (folder / "peft.safetensors", 0.7), (folder / "kohya.safetensors", 1.3)):
        golden.add("peft@0.7+kohya@1.3")


def peft_methods(pipe, folder, golden):
    targets = linear(pipe.unet, *ATTENTION, "ff.net.2", "conv1", "downsamplers.0.conv")
    for name, config in {
        "peft-loha": peft.LoHaConfig(r=3, alpha=3, target_modules=targets, use_effective_conv2d=False),
        "peft-loha-cores": peft.LoHaConfig(r=3, alpha=3, target_modules=targets, use_effective_conv2d=True),
        "peft-lokr": peft.LoKrConfig(r=2, alpha=2, target_modules=targets, use_effective_conv2d=False, decompose_both=False),
        "peft-lokr-cores": peft.LoKrConfig(r=1, alpha=1, target_modules=targets, use_effective_conv2d=True, decompose_both=True),
    }.items():
        with by_peft(pipe, config, folder / f"{name}.safetensors", Random(name)):
            golden.add(f"{name}@1.0", text=False)


def lycoris_methods(pipe, folder, golden):
    names = linear(pipe.unet, *ATTENTION, "ff.net.2", "conv1", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "proj_in")
    norms = [n for n, m in pipe.unet.named_modules() if isinstance(m, (torch.nn.LayerNorm, torch.nn.GroupNorm))]

    def case(name, make, names=names, scale=1.0):
        with by_lycoris(pipe, folder / f"{name}.safetensors", Random(name), scale, make, names):
            golden.add(f"{name}@{scale}", text=False)

    def module(kind, **arguments):
        return lambda i, name, layer: kind(name, layer, multiplier=1.0, **{"lora_dim": 3, "alpha": 1 + i % 3, **arguments})

    case("locon-mid", module(LoConModule, use_tucker=True))
    case("locon-mid", module(LoConModule, use_tucker=True), scale=0.4)
    case("loha", module(LohaModule))
    case("loha-cores", module(LohaModule, use_tucker=True), scale=0.7)
    case("lokr", module(LokrModule, lora_dim=2, factor=2))
    case("lokr-cores", module(LokrModule, lora_dim=1, factor=4, use_tucker=True, decompose_both=True), scale=1.2)
    case("lokr-whole", module(LokrModule, lora_dim=100000, factor=2, full_matrix=True))
    case("dora-outputs", module(LoConModule, weight_decompose=True, wd_on_out=True))
    case("dora-outputs", module(LoConModule, weight_decompose=True, wd_on_out=True), scale=0.6)
    case("dora-loha", module(LohaModule, weight_decompose=True, wd_on_out=True), scale=1.2)
    case("dora-inputs", module(LoConModule, weight_decompose=True, wd_on_out=False))
    case("differences", lambda i, name, layer: difference(name, layer), scale=0.5)
    case("norms", lambda i, name, layer: NormModule(name, layer), names=norms, scale=0.5)


def difference(name, layer):
    return FullModule(name, layer, multiplier=1.0)


def original(name):
    """The name of a layer of the castle's UNet in the original layout: two residual blocks a down block, three an up block."""
    parts = name.split(".")
    inner = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
             "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    if parts[0] in ("conv_in", "conv_out"):
        return {"conv_in": "input_blocks.0.0", "conv_out": "out.2"}[parts[0]]
    rest = parts[3:] if parts[0] == "mid_block" else parts[4:]
    rest = [inner.get(rest[0], rest[0]), *rest[1:]] if "resnets" in parts else rest
    if parts[0] == "mid_block":
        return ".".join([f"middle_block.{0 if parts[1:3] == ['resnets', '0'] else 1 if parts[1] == 'attentions' else 2}", *rest])
    block, kind, layer = int(parts[1]), parts[2], int(parts[3])
    if kind == "downsamplers":
        return f"input_blocks.{3 * block + 3}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{3 * block + 2}.{1 if block == 2 else 2}.conv"
    at = f"input_blocks.{3 * block + layer + 1}" if parts[0] == "down_blocks" else f"output_blocks.{3 * block + layer}"
    return ".".join([at, "0" if kind == "resnets" else "1", *rest])


def sampling(pipe, folder, steps=30, seed=42, guidance=5.0):
    """Prompts and latents of a whole run of the pipeline as it stands."""
    tensors = {}
    for prompt in ("positive", "negative"):
        context, _, pooled, _ = pipe.encode_prompt(prompt=reference.PROMPTS[prompt], do_classifier_free_guidance=False)
        tensors |= {f"{prompt}.prompt_embeds": context, f"{prompt}.pooled": pooled}
    reference.save(folder / "text.safetensors", tensors, __file__)
    noise = reference.noise((1, 4, 16, 16), seed)
    tensors = {"latents.0": noise}

    def keep(_pipe, index, _t, state):
        if index + 1 in (1, 10, 30):
            tensors[f"latents.{index + 1}"] = state["latents"].clone()
        return state

    pipe(prompt=reference.PROMPTS["positive"], negative_prompt=reference.PROMPTS["negative"], height=128, width=128, output_type="latent",
         num_inference_steps=steps, guidance_scale=guidance, latents=noise.clone(), callback_on_step_end=keep)
    reference.save(folder / "denoise.safetensors", tensors, __file__, steps=str(steps), guidance_scale=str(guidance), seed=str(seed))


def castle(pipe, folder, golden):
    """The tutorial's stages, and kohya's keys with the names of the original layout on every layer that diffusers 0.42.1 finds."""
    for name, files in (("sci-fi@1.0", ((SCI_FI, 1.0),)), ("sci-fi@1.0+pixel-art@1.4", ((SCI_FI, 1.0), (PIXEL_ART, 1.4)))):
        with loaded(pipe, *files):
            golden.add(name)
            sampling(pipe, folder / name)
    tensors = {k: v for k, v in kohya(pipe, Random("original"), original).items() if "_attn" not in k and "lora_te" not in k}
    path = folder / "original.safetensors"
    write(path, tensors)
    with loaded(pipe, (path, 0.25)):
        golden.add("original@0.25", text=False)


def main():
    pipe = reference.pipeline(reference.CASTLE)
    golden = Golden(pipe, "castle")
    castle(pipe, OUT / "castle", golden)
    golden.save(model="examples/castle/model")
    pipe = oddball.load()
    golden = Golden(pipe, "oddball")
    folder = OUT / "oddball"
    formats(pipe, folder, golden)
    peft_methods(pipe, folder, golden)
    lycoris_methods(pipe, folder, golden)
    golden.save(model="testdata/oddball/model")
    reference.save(folder / "sampling.safetensors", golden.latents, __file__, steps=str(SAMPLING["steps"]),
                   guidance_scale=str(SAMPLING["guidance"]), seed=str(SAMPLING["seed"]), model="testdata/oddball/model")


if __name__ == "__main__":
    main()
