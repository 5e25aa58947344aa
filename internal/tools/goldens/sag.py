"""Goldens of self-attention guidance by the small model in examples/castle/model.

diffusers has it for Stable Diffusion 1 only (StableDiffusionSAGPipeline, deprecated). Its functions are called here as they are -
the stored attention map, pred_x0, pred_epsilon, sag_masking - around SDXL's UNet in the loop of that pipeline.
"""

import types

import reference
import torch
from diffusers.pipelines.deprecated.stable_diffusion_sag.pipeline_stable_diffusion_sag import (
    CrossAttnStoreProcessor,
    StableDiffusionSAGPipeline,
)

CASES = (  # folder, height, width, guidance scale, SAG scale, steps, kept steps
    ("128x128", 128, 128, 5.0, 0.75, 30, (1, 10, 20, 30)),
    ("104x152", 104, 152, 5.0, 1.5, 8, (1, 4, 8)),
    ("alone", 128, 88, 1.0, 0.75, 6, (1, 6)),
)


def render(pipe, height, width, guidance, scale, steps, keep, seed=42, images=None):
    """Latents, columns of the attention and degraded latents of the kept steps. images is what an IP-Adapter reads, [entries,n,...]."""
    sag = types.SimpleNamespace(unet=pipe.unet, scheduler=pipe.scheduler)
    call = lambda name, *args: getattr(StableDiffusionSAGPipeline, name)(sag, *args)  # noqa: E731
    positive = pipe.encode_prompt(reference.PROMPTS["positive"], negative_prompt=reference.PROMPTS["negative"], do_classifier_free_guidance=True)
    states, negative, pooled, negative_pooled = positive
    two = guidance != 1
    if two:
        states, pooled = torch.cat([negative, states]), torch.cat([negative_pooled, pooled])
    ids = torch.tensor([[height, width, 0, 0, height, width]]).float().repeat(len(states), 1)
    factor = pipe.vae_scale_factor
    latents = reference.noise((1, pipe.unet.config.in_channels, height // factor, width // factor), seed)
    out = {"latents.0": latents}
    store, shapes = CrossAttnStoreProcessor(), []
    middle = pipe.unet.mid_block.attentions[0]
    before = middle.transformer_blocks[0].attn1.processor
    middle.transformer_blocks[0].attn1.processor = store
    hook = middle.register_forward_hook(lambda _m, _i, output: shapes.append(output[0].shape[-2:]))
    pipe.scheduler.set_timesteps(steps)
    for i, t in enumerate(pipe.scheduler.timesteps):
        added = {"text_embeds": pooled, "time_ids": ids} | ({} if images is None else {"image_embeds": [images]})
        noise = pipe.unet(latents.repeat(len(states), 1, 1, 1), t, states, added_cond_kwargs=added).sample
        uncond = noise[:1]
        guided = uncond + guidance * (noise[1:] - uncond) if two else uncond
        heads = store.attention_probs.shape[0] // len(states)
        attention = store.attention_probs[:heads]
        columns = attention.mean(0).sum(0)
        degraded = call("sag_masking", call("pred_x0", latents, uncond, t), attention, shapes[-1], t, call("pred_epsilon", latents, uncond, t))
        added = {"text_embeds": pooled[:1], "time_ids": ids[:1]} | ({} if images is None else {"image_embeds": [images[:1]]})
        led = pipe.unet(degraded, t, states[:1], added_cond_kwargs=added).sample
        latents = pipe.scheduler.step(guided + scale * (uncond - led), t, latents).prev_sample
        if i + 1 in keep:
            out |= {f"latents.{i + 1}": latents, f"columns.{i + 1}": columns, f"degraded.{i + 1}": degraded}
    hook.remove()
    middle.transformer_blocks[0].attn1.processor = before
    return out


def main():
    pipe = reference.pipeline(reference.CASTLE)
    pipe.unet.set_default_attn_processor()
    for name, height, width, guidance, scale, steps, keep in CASES:
        tensors = render(pipe, height, width, guidance, scale, steps, keep)
        reference.save(
            reference.TESTDATA / "sag" / name / "denoise.safetensors", tensors, __file__, model="examples/castle/model", steps=str(steps),
            guidance_scale=str(guidance), sag_scale=str(scale), sag_sigma="1.0", seed="42",
        )


if __name__ == "__main__":
    main()
