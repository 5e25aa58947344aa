"""Goldens of each block of one SDXL model folder: text, UNet, sampling and VAE."""

import torch

from reference import PROMPTS, Capture, noise, save, save_json, thin, to_uint8

# What a tokenizer has to get right besides the prompts; vocabularies differ, so ids are for the folder at hand.
TOKEN_TEXTS = [
    "",
    " ",
    "a",
    "castle",
    "A Futuristic CASTLE",
    "  many \t spaces \n and lines  ",
    "don't can't we'll I'm they've he'd it's 'tis rock'n'roll",
    "DON'T I'LL",
    "1234 7 3.14 1,000 4k 8K",
    "semi;colon: (paren) [[double]] {curly} <angle>",
    "wow!!! ok? yes... no -- maybe",
    "hash #tag @user 50% a+b=c \\ / | ~ ` ^ _under_score_",
    "caf\u00e9 na\u00efve \u00fcber stra\u00dfe \u00c5ngstr\u00f6m",
    "cafe\u0301 with a combining accent",
    "\u017elu\u0165ou\u010dk\u00fd k\u016f\u0148",
    "\u041c\u043e\u0441\u043a\u0432\u0430 \u0437\u0430\u043c\u043e\u043a",
    "\u57ce \u304a\u57ce \uc131",
    "\u0642\u0644\u0639\u0629 \u0937\u093f\u0932\u093e",
    "castle \U0001f3f0 and rocket \U0001f680\U0001f680",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 flag \U0001f1e9\U0001f1ea thumb \U0001f44d\U0001f3fd",
    "roman \u2167 half \u00bd super \u00b2 arabic \u0663",
    "quotes \u201cx\u201d \u2018y\u2019 dash \u2014 ellipsis \u2026",
    "no\u00a0break thin\u2009space zero\u200bwidth ideographic\u3000space",
    "\ufb01 ligature \uff21\uff22 full width \u2122",
    "\u0130stanbul \u03a3\u0391\u03a3",
    "amp &amp; &lt;b&gt;",
    "<|startoftext|>castle<|endoftext|>",
    "castle <|endoftext|> forest",
    "!castle! ! !",
    "x" * 200,
    "castle " * 74,
    "castle " * 75,
    "castle " * 76,
]


def tokens(pipe, out, script):
    """tokens.json: for each text and tokenizer the padded 77 ids and the ids without truncation or padding."""
    rows = []
    for text in [*PROMPTS.values(), *TOKEN_TEXTS]:
        row = {"text": text}
        for key, tokenizer in (("tokenizer", pipe.tokenizer), ("tokenizer_2", pipe.tokenizer_2)):
            ids = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, truncation=True).input_ids
            whole = tokenizer(text, padding=False, truncation=False).input_ids
            row[key] = " ".join(map(str, ids))
            row[key + "_whole"] = " ".join(map(str, whole))
        rows.append(row)
    save_json(out / "tokens.json", {"rows": rows}, script)


def text(pipe, out, script, **notes):
    """text.safetensors: ids, hidden states, prompt_embeds and pooled for the four prompts; returns the last two."""
    tensors, embeds = {}, {}
    for name, prompt in PROMPTS.items():
        parts = []
        for part, tokenizer, encoder in (
            ("text_encoder", pipe.tokenizer, pipe.text_encoder),
            ("text_encoder_2", pipe.tokenizer_2, pipe.text_encoder_2),
        ):
            ids = tokenizer(
                prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
            ).input_ids
            result = encoder(ids, output_hidden_states=True)
            layers = encoder.config.num_hidden_layers
            if len(result.hidden_states) != layers + 1:
                raise ValueError(f"{part}: {len(result.hidden_states)} hidden states of {layers} layers")
            tensors[f"{name}.{part}.ids"] = ids.to(torch.int32)
            for layer, states in enumerate(result.hidden_states):
                tensors[f"{name}.{part}.hidden.{layer}"] = states
            tensors[f"{name}.{part}.last_hidden_state"] = result.last_hidden_state
            parts.append(result.hidden_states[-2])
        tensors[f"{name}.prompt_embeds"] = torch.cat(parts, dim=-1)
        tensors[f"{name}.pooled"] = result.text_embeds
        whole, _, pooled, _ = pipe.encode_prompt(prompt=prompt, do_classifier_free_guidance=False)
        if not torch.equal(whole, tensors[f"{name}.prompt_embeds"]) or not torch.equal(pooled, result.text_embeds):
            raise ValueError(f"{name}: the pipeline's own encode_prompt differs")
        embeds[name] = (whole, pooled)
    save(out / "text.safetensors", tensors, script, prompts=PROMPTS, **notes)
    return embeds


def unet_names(unet):
    """The modules of the UNet whose outputs are kept: stages, and the parts of the first resnet and transformer."""
    names = ["time_embedding", "add_embedding", "conv_in", "mid_block", "conv_norm_out"]
    names += [f"down_blocks.{i}" for i in range(len(unet.down_blocks))]
    names += [f"up_blocks.{i}" for i in range(len(unet.up_blocks))]
    detailed = []
    for i, block in enumerate(unet.down_blocks):
        if getattr(block, "attentions", None):
            first = f"down_blocks.{i}.attentions.0"
            inner = f"{first}.transformer_blocks.0"
            detailed = [first, inner, f"{inner}.attn1", f"{inner}.attn2", f"{inner}.ff"]
            break
    detailed.append("down_blocks.0.resnets.0")
    for i, block in enumerate(unet.down_blocks):
        if getattr(block, "downsamplers", None):
            detailed.append(f"down_blocks.{i}.downsamplers.0")
            break
    for i, block in enumerate(unet.up_blocks):
        if getattr(block, "upsamplers", None):
            detailed.append(f"up_blocks.{i}.upsamplers.0")
            break
    return names + detailed, detailed


def step(unet, latents, t, embeds, height, width):
    """One UNet evaluation; the six time ids are those of StableDiffusionXLPipeline for a picture of height x width."""
    ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32)
    added = {"text_embeds": embeds[1], "time_ids": ids}
    result = unet(latents, torch.tensor(t), encoder_hidden_states=embeds[0], added_cond_kwargs=added).sample
    return result, ids


def unet_steps(pipe, embeds, out, script, timesteps=(981, 1), latent=(16, 16), **notes):
    """unet.safetensors: one evaluation a timestep at batch 1, with what the hooks saw."""
    names, detailed = unet_names(pipe.unet)
    factor = pipe.vae_scale_factor
    latents = noise((1, pipe.unet.config.in_channels, *latent), 1)
    tensors = {"latents": latents, "prompt_embeds": embeds["positive"][0], "pooled": embeds["positive"][1]}
    strides = {}
    for t in timesteps:
        with Capture(pipe.unet, names, inputs=detailed) as seen:
            result, ids = step(pipe.unet, latents, t, embeds["positive"], latent[0] * factor, latent[1] * factor)
        tensors["time_ids"] = ids
        kept, lost = thin(seen, 1 << 15)
        tensors |= {f"t{t}.{name}": value for name, value in kept.items()} | {f"t{t}.sample": result}
        strides |= {f"t{t}.{name}": n for name, n in lost.items()}
    save(out / "unet.safetensors", tensors, script, prompt=PROMPTS["positive"], latents_seed="1", channel_strides=strides, **notes)


def unet_sizes(pipe, embeds, out, script, sizes=((26, 38), (25, 17)), t=481, **notes):
    """unet_sizes.safetensors: inputs and outputs at other sizes, among them one whose halves do not come out even."""
    tensors = {"prompt_embeds": embeds["positive"][0], "pooled": embeds["positive"][1]}
    factor = pipe.vae_scale_factor
    for height, width in sizes:
        latents = noise((1, pipe.unet.config.in_channels, height, width), height * 1000 + width)
        result, ids = step(pipe.unet, latents, t, embeds["positive"], height * factor, width * factor)
        tensors |= {f"{height}x{width}.latents": latents, f"{height}x{width}.time_ids": ids, f"{height}x{width}.sample": result}
    save(out / "unet_sizes.safetensors", tensors, script, timestep=str(t), latents_seed="height*1000 + width", **notes)


def denoise(pipe, out, script, steps=30, keep=(1, 10, 20, 30), guidance=5.0, seed=42, size=(128, 128), **notes):
    """denoise.safetensors: the whole pipeline with guidance; returns the final latents and the uint8 picture."""
    seen = {}

    def callback(_pipe, index, _t, state):
        if index + 1 in keep:
            seen[f"latents.{index + 1}"] = state["latents"].clone()
        return state

    arguments = dict(
        prompt=PROMPTS["positive"], negative_prompt=PROMPTS["negative"], height=size[0], width=size[1],
        num_inference_steps=steps, guidance_scale=guidance, callback_on_step_end=callback,
    )
    generator = torch.Generator("cpu").manual_seed(seed)
    picture = pipe(**arguments, generator=generator, output_type="np").images[0]
    factor = pipe.vae_scale_factor
    initial = noise((1, pipe.unet.config.in_channels, size[0] // factor, size[1] // factor), seed)
    final = pipe(**arguments, latents=initial.clone(), output_type="latent").images
    if not torch.equal(final, seen[f"latents.{steps}"]):
        raise ValueError("the pipeline's own noise is not torch.randn of the seed")
    image = pipe.vae.decode(final / pipe.vae.config.scaling_factor).sample
    pixels = to_uint8(image)
    if not torch.equal(pixels, torch.from_numpy((picture * 255).round().astype("uint8"))):
        raise ValueError("decoding by hand differs from the pipeline")
    tensors = {"latents.0": initial, **seen, "image": image, "pixels": pixels, "timesteps": pipe.scheduler.timesteps.to(torch.int32)}
    save(
        out / "denoise.safetensors", tensors, script, prompt=PROMPTS["positive"], negative_prompt=PROMPTS["negative"],
        steps=str(steps), guidance_scale=str(guidance), seed=str(seed), scheduler=dict(pipe.scheduler.config), **notes,
    )
    return final, pixels


def decoder_names(model):
    """The blocks of an autoencoder's decoder that goldens keep."""
    names = ["post_quant_conv", "decoder.conv_in", "decoder.mid_block", "decoder.conv_norm_out"]
    names += [f"decoder.mid_block.{part}" for part in ("resnets.0", "attentions.0", "resnets.1")]
    return names + [f"decoder.up_blocks.{i}" for i in range(len(model.decoder.up_blocks))]


def vae(pipe, final, pixels, out, script, limit=8192, **notes):
    """vae.safetensors: decode of the final latents and encode of the picture, both with their blocks."""
    model = pipe.vae
    with Capture(model, decoder_names(model)) as seen:
        image = model.decode(final / model.config.scaling_factor).sample
    tensors = {"latents": final, "image": image, **seen}
    picture = pixels.permute(2, 0, 1)[None].float() / 255 * 2 - 1
    names = ["encoder.conv_in", "encoder.mid_block", "encoder.mid_block.attentions.0"]
    names += [f"encoder.down_blocks.{i}" for i in range(len(model.encoder.down_blocks))]
    with Capture(model, names) as seen:
        moments = model.encode(picture).latent_dist.parameters
    tensors |= {"picture": picture, **seen}
    kept, strides = thin(tensors, limit)
    for whole in ("latents", "image", "picture"):
        kept[whole] = tensors[whole]
        strides.pop(whole, None)
    kept["pixels"] = pixels
    del kept["picture"]
    kept["moments"] = moments
    save(out / "vae.safetensors", kept, script, picture="pixels / 255 * 2 - 1, NCHW", channel_strides=strides, **notes)


def make(pipe, out, script, unet=None, sampling=None, **notes):
    """All goldens of one model folder, written to out; returns the picture (HWC, uint8)."""
    tokens(pipe, out, script)
    embeds = text(pipe, out, script, **notes)
    unet_steps(pipe, embeds, out, script, **(unet or {}), **notes)
    unet_sizes(pipe, embeds, out, script, **notes)
    final, pixels = denoise(pipe, out, script, **(sampling or {}), **notes)
    vae(pipe, final, pixels, out, script, **notes)
    return pixels
