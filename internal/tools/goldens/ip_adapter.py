"""Goldens of the image prompt on the small model in examples/castle: the image encoder, both sorts of IP-Adapter, single UNet
evaluations and a whole render, as diffusers' load_ip_adapter makes them. An argument names a PNG to look at (not committed).

The second picture is the first one without its upper quarter. The base adapter has a random projection and the attentions of the
Plus adapter; its projection lies in the golden, under base.image_proj.
"""

import sys
import tempfile

import reference
import sag
import safetensors.torch
import torch
from diffusers.models.embeddings import MultiIPAdapterImageProjection
from PIL import Image

ADAPTER = reference.ROOT / "examples" / "image-prompt" / "ip-adapter"
PICTURE = reference.ROOT / "examples" / "image-prompt" / "reference.png"
SCALES = {"down": 0.5, "mid": 1.25, "up": 0.25}
WEIGHTS = (0.7, 1.3)
TIMESTEP = 481


def pictures():
    first = Image.open(PICTURE).convert("RGB")
    return [first, first.crop((0, 64, 256, 256))]


def load(pipe, folders, names):
    pipe.unload_ip_adapter()
    folders = [str(f) for f in folders] if isinstance(folders, list) else str(folders)
    pipe.load_ip_adapter(folders, subfolder="", weight_name=names, image_encoder_folder=str(ADAPTER / "image_encoder"))
    pipe.image_encoder.to(torch.float32).eval()


def base_adapter(context, width):
    """The image_proj of a base adapter, drawn as its trainer initialises it."""
    torch.manual_seed(4)
    linear, norm = torch.nn.Linear(width, 4 * context), torch.nn.LayerNorm(context)
    norm.weight.data += 0.1 * torch.randn(context)
    norm.bias.data += 0.1 * torch.randn(context)
    return {
        "proj.weight": linear.weight, "proj.bias": linear.bias, "norm.weight": norm.weight, "norm.bias": norm.bias,
    }


def tokens(pipe, images, hidden):
    """Conditional [n,Q,C] and unconditional [1,Q,C] tokens as the pipeline makes them."""
    cond, none = pipe.encode_image(images, "cpu", 1, hidden)
    project = pipe.unet.encoder_hid_proj.image_projection_layers[0]
    return project(cond), project(none[:1]), cond, none


def weighted(weights):
    """Makes the pipeline multiply the conditional tokens of each picture by its weight, as Refiners does."""
    forward = MultiIPAdapterImageProjection.forward

    def patched(self, embeds):
        out = forward(self, embeds)
        out[0][1] *= torch.tensor(weights)[:, None, None]
        return out

    MultiIPAdapterImageProjection.forward = patched
    return lambda: setattr(MultiIPAdapterImageProjection, "forward", forward)


def evaluate(pipe, embeds, latents, cond, none):
    """One evaluation with the entries [unconditional, conditional]; cond and none are what the encoder gave of n pictures."""
    return evaluate_all(pipe, embeds, latents, [torch.stack([none, cond])])


def evaluate_all(pipe, embeds, latents, images):
    """The same with one tensor for each adapter."""
    ids = torch.tensor([[128, 128, 0, 0, 128, 128]] * 2, dtype=torch.float32)
    added = {"text_embeds": embeds[1], "time_ids": ids, "image_embeds": images}
    return pipe.unet(latents, torch.tensor(TIMESTEP), encoder_hidden_states=embeds[0], added_cond_kwargs=added).sample


def main():
    pipe = reference.pipeline(reference.CASTLE)
    images = pictures()
    load(pipe, ADAPTER, "ip-adapter-plus.safetensors")
    out = {"pixels": pipe.feature_extractor(images, return_tensors="pt").pixel_values}
    states = pipe.image_encoder(out["pixels"], output_hidden_states=True)
    for i, hidden in enumerate(states.hidden_states[:-1]):
        if i >= len(states.hidden_states) - 3:
            out[f"hidden.{i}"] = hidden
    out["embeds"] = states.image_embeds

    embeds = [torch.cat(pair) for pair in zip(*(
        pipe.encode_prompt(prompt=reference.PROMPTS[name], do_classifier_free_guidance=False)[::2] for name in ("negative", "positive")
    ))]
    latents = reference.noise((1, 4, 16, 16), 7).repeat(2, 1, 1, 1)
    out["evaluation.latents"] = latents[:1]
    out["plus.tokens"], out["plus.none"], cond, none = tokens(pipe, images, True)
    out["zero_hidden"] = none[:1]
    pipe.set_ip_adapter_scale(1.0)
    out["plus.one"] = evaluate(pipe, embeds, latents, cond[:1], none[:1])
    pipe.set_ip_adapter_scale(SCALES)
    restore = weighted(WEIGHTS)
    out["plus.two"] = evaluate(pipe, embeds, latents, cond, none)
    restore()

    seen = {}

    def callback(_pipe, index, _t, state):
        if index + 1 in (1, 10, 30):
            seen[f"latents.{index + 1}"] = state["latents"].clone()
        return state

    pipe.set_ip_adapter_scale(1.0)
    start = reference.noise((1, 4, 16, 16), 42)
    picture = pipe(
        prompt=reference.PROMPTS["positive"], negative_prompt=reference.PROMPTS["negative"], ip_adapter_image=images[0], height=128, width=128,
        num_inference_steps=30, guidance_scale=5.0, latents=start.clone(), callback_on_step_end=callback, output_type="pil",
    ).images[0]
    out |= {"latents.0": start, **seen}
    if len(sys.argv) > 1:
        picture.save(sys.argv[1])

    plus = safetensors.torch.load_file(ADAPTER / "ip-adapter-plus.safetensors")
    base = {f"image_proj.{k}": v.detach().clone() for k, v in base_adapter(160, states.image_embeds.shape[1]).items()}
    out |= {f"base.{k}": v for k, v in base.items()}
    guided = sag.render(pipe, 128, 128, 5.0, 0.75, 6, (1, 6), images=torch.stack([none[:1], cond[:1]]))
    out |= {f"sag.{name}": value for name, value in guided.items() if name.startswith("latents.")}
    with tempfile.TemporaryDirectory() as folder:
        whole = base | {k: v for k, v in plus.items() if k.startswith("ip_adapter.")}
        safetensors.torch.save_file(whole, f"{folder}/base.safetensors")
        load(pipe, folder, "base.safetensors")
        out["base.tokens"], out["base.none"], cond, none = tokens(pipe, images, False)
        pipe.set_ip_adapter_scale(0.8)
        out["base.two"] = evaluate(pipe, embeds, latents, cond, none)

        load(pipe, [ADAPTER, folder], ["ip-adapter-plus.safetensors", "base.safetensors"])
        pipe.set_ip_adapter_scale([0.5, 0.75])
        states = [pipe.encode_image(images[0], "cpu", 1, hidden) for hidden in (True, False)]
        out["both"] = evaluate_all(pipe, embeds, latents, [torch.stack([none, cond]) for cond, none in states])
    reference.save(
        reference.TESTDATA / "castle" / "ip_adapter.safetensors", out, __file__, model="examples/castle/model", picture="examples/image-prompt/reference.png",
        timestep=str(TIMESTEP), scales=SCALES, weights=WEIGHTS, base_scale="0.8", steps="30", guidance_scale="5.0", size="128",
    )


if __name__ == "__main__":
    main()
