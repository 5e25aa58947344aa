"""A second tiny model, unlike SDXL and unlike the castle wherever its configuration can differ, and its goldens.

The weights are the reference's own initialisation, seeded, in mixed precisions and file layouts: the UNet sharded in
fp16, the VAE in bf16, one text encoder in fp32, the other present as an fp16 variant only. An argument names a PNG of
the final picture (not committed; random weights draw nothing one would recognise).

Before anything is kept, controls are run: with a head count, an activation, an epsilon or another value of the
configuration changed, the output has to move by ten times the bound of the parity tests, or the model shows nothing.
"""

import collections
import json
import shutil
import sys

import reference
import blocks
import diffusers
import torch
import transformers
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel

OUT = reference.TESTDATA / "oddball"
MODEL = OUT / "model"
SEED = 20260101

UNET = dict(
    sample_size=24, in_channels=4, out_channels=4, block_out_channels=(8, 20, 28), layers_per_block=(1, 2, 1),
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=(1, 2, 3), attention_head_dim=(2, 2, 7), cross_attention_dim=68, norm_num_groups=4,
    norm_eps=1e-3, act_fn="gelu", use_linear_projection=False, flip_sin_to_cos=False, freq_shift=1,
    addition_embed_type="text_time", addition_time_embed_dim=14, projection_class_embeddings_input_dim=52 + 6 * 14,
)
VAE = dict(
    sample_size=96, block_out_channels=(8, 12, 20), layers_per_block=2, latent_channels=4, norm_num_groups=4,
    down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, act_fn="silu",
    scaling_factor=0.2, force_upcast=False,
)
TEXT = dict(
    hidden_size=36, intermediate_size=60, num_hidden_layers=2, num_attention_heads=3, hidden_act="gelu",
    layer_norm_eps=1e-4, projection_dim=36, initializer_factor=2.0, max_position_embeddings=77,
)
TEXT_2 = dict(  # eos_token_id 2 is the old rule of transformers: the pooled row is the first of the largest id
    hidden_size=32, intermediate_size=96, num_hidden_layers=4, num_attention_heads=2, hidden_act="quick_gelu",
    layer_norm_eps=1e-3, projection_dim=52, initializer_factor=1.5, max_position_embeddings=77,
)
SCHEDULER = dict(
    num_train_timesteps=800, beta_schedule="linear", beta_start=0.001, beta_end=0.015, prediction_type="v_prediction",
    timestep_spacing="trailing", steps_offset=0, set_alpha_to_one=True, clip_sample=False,
)
TIMESTEPS = (733, 6)
SAMPLING = dict(steps=7, keep=(1, 3, 5, 7), guidance=3.5, seed=7, size=(104, 72))
BATCH_SIZES = ((26, 38), (25, 17))
WORDS = (
    "a castle with a tall tower by the river in a forest of stone and the moon above the mountains "
    "the best quality of a castle at night and the blue flags on the number of the towers"
)


def merges(words, count):
    """The first count merges of byte pair encoding on words, each a pair of strings, by frequency and then by text."""
    texts = collections.Counter(tuple(word[:-1]) + (word[-1] + "</w>",) for word in words.split())
    learnt = []
    while len(learnt) < count:
        pairs = collections.Counter()
        for text, times in texts.items():
            for pair in zip(text, text[1:]):
                pairs[pair] += times
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        learnt.append(best)
        joined = collections.Counter()
        for text, times in texts.items():
            out, i = [], 0
            while i < len(text):
                step = 2 if text[i : i + 2] == best else 1
                out.append("".join(text[i : i + step]))
                i += step
            joined[tuple(out)] += times
        texts = joined
    return learnt


def tokenizer(folder, count, pad):
    """Writes a CLIP tokenizer of 514 + count entries in the old form: vocab.json, merges.txt and two small configs."""
    letters = sorted(ByteLevel.alphabet())  # the order of CLIP
    learnt = merges(WORDS, count)
    entries = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in learnt]
    start, end = "<|startoftext|>", "<|endoftext|>"
    vocab = {entry: i for i, entry in enumerate(entries + [start, end])}
    if len(vocab) != 514 + count:
        raise ValueError(f"{folder.name}: two merges make the same entry")
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in learnt))
    special = dict(bos_token=start, eos_token=end, pad_token=pad, unk_token=end)
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    config = dict(special, tokenizer_class="CLIPTokenizer", model_max_length=77, do_lower_case=True, errors="replace")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    return vocab[start], vocab[end], vocab[pad], len(vocab)


def text_encoder(make, config, ids, eos=None):
    """A text encoder of the configuration, initialised by transformers."""
    start, end, pad, size = ids
    config = transformers.CLIPTextConfig(**config, vocab_size=size, bos_token_id=start, eos_token_id=eos or end, pad_token_id=pad)
    return make(config)


def write():
    """Makes the model folder anew; returns it loaded in fp32."""
    shutil.rmtree(MODEL, ignore_errors=True)
    ids = tokenizer(MODEL / "tokenizer", 44, "!")
    ids_2 = tokenizer(MODEL / "tokenizer_2", 71, "<|endoftext|>")
    torch.manual_seed(SEED)
    unet = diffusers.UNet2DConditionModel.from_config(UNET)
    vae = diffusers.AutoencoderKL.from_config(VAE)
    text = text_encoder(transformers.CLIPTextModel, TEXT, ids)
    text_2 = text_encoder(transformers.CLIPTextModelWithProjection, TEXT_2, ids_2, eos=2)
    unet.half().save_pretrained(MODEL / "unet", max_shard_size="300KB")
    vae.bfloat16().save_pretrained(MODEL / "vae")
    text.save_pretrained(MODEL / "text_encoder")
    text_2.half().save_pretrained(MODEL / "text_encoder_2", variant="fp16")
    diffusers.DDIMScheduler(**SCHEDULER).save_pretrained(MODEL / "scheduler")
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": diffusers.__version__, "force_zeros_for_empty_prompt": False}
    for part, library, name in (
        ("scheduler", "diffusers", "DDIMScheduler"), ("text_encoder", "transformers", "CLIPTextModel"),
        ("text_encoder_2", "transformers", "CLIPTextModelWithProjection"), ("tokenizer", "transformers", "CLIPTokenizer"),
        ("tokenizer_2", "transformers", "CLIPTokenizer"), ("unet", "diffusers", "UNet2DConditionModel"), ("vae", "diffusers", "AutoencoderKL"),
    ):
        index[part] = [library, name]
    (MODEL / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    return load()


def load():
    """The folder as a pipeline in fp32; the variant holds for the one text encoder that comes as a variant only."""
    second = transformers.CLIPTextModelWithProjection.from_pretrained(MODEL / "text_encoder_2", variant="fp16", dtype=torch.float32)
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(
        MODEL, text_encoder_2=second, torch_dtype=torch.float32, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        part.eval()
        wrong = [name for name, value in part.named_parameters() if value.dtype != torch.float32]
        if wrong:
            raise ValueError(f"not float32: {wrong}")
    return pipe


def unet_batch(pipe, embeds, out, script, t=481, **notes):
    """unet_batch.safetensors: two unlike prompts, noises and rows of time ids in one call, at sizes that halve oddly."""
    states = torch.cat([embeds["negative"][0], embeds["positive"][0]])
    pooled = torch.cat([embeds["negative"][1], embeds["positive"][1]])
    tensors = {"prompt_embeds": states, "pooled": pooled}
    for height, width in BATCH_SIZES:
        name, scale = f"{height}x{width}", pipe.vae_scale_factor
        latents = reference.noise((2, 4, height, width), height * 1000 + width)
        ids = torch.tensor([[height * scale, width * scale, 0, 0, height * scale, width * scale], [640, 1000, 8, 24, 512, 768]]).float()
        result = pipe.unet(latents, torch.tensor(t), states, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
        tensors |= {f"{name}.latents": latents, f"{name}.time_ids": ids, f"{name}.sample": result}
    reference.save(out / "unet_batch.safetensors", tensors, script, timestep=str(t), latents_seed="height*1000 + width", **notes)


def difference(a, b):
    """max |a - b| / max |b|, as the parity tests measure it."""
    return ((a - b).abs().max() / b.abs().max()).item()


def changed(model, **config):
    """A model with the weights of another and a configuration changed where that changes no weight's shape."""
    other = type(model).from_config({**model.config, **config}) if isinstance(model, diffusers.ModelMixin) else type(model)(
        transformers.CLIPTextConfig(**{**model.config.to_dict(), **config})
    )
    other.load_state_dict(model.state_dict())
    return other.eval()


def row(what, model, bound, evaluate, **config):
    """One control: evaluate(model), and again with the configuration changed."""
    moved = difference(evaluate(changed(model, **config)), evaluate(model))
    return {"component": what, "changed": json.dumps(config), "difference": moved, "bound": bound}


def unet_controls(pipe, embeds):
    """Controls of one UNet step: values of the configuration, and the three inputs beside the latents."""
    states, pooled = embeds["positive"]
    ids = torch.tensor([[416.0, 288, 0, 0, 416, 288]])
    latents = reference.noise((1, 4, 25, 17), 3)

    def evaluate(model, states=states, pooled=pooled, ids=ids):
        added = {"text_embeds": pooled, "time_ids": ids}
        return model(latents, torch.tensor(481), states, added_cond_kwargs=added).sample

    for config in (
        dict(attention_head_dim=(4, 2, 7)), dict(attention_head_dim=(2, 4, 7)), dict(attention_head_dim=(2, 2, 4)),
        dict(norm_eps=1e-5), dict(norm_num_groups=2), dict(act_fn="silu"), dict(flip_sin_to_cos=True), dict(freq_shift=0),
        dict(downsample_padding=0),
    ):
        yield row("unet", pipe.unet, 1e-4, evaluate, **config)
    base = evaluate(pipe.unet)
    for what, other in (
        ("the negative prompt's states", dict(states=embeds["negative"][0])),
        ("the negative prompt's pooled", dict(pooled=embeds["negative"][1])),
        ("time ids of 512x288", dict(ids=torch.tensor([[512.0, 288, 0, 0, 512, 288]]))),
    ):
        yield {"component": "unet", "changed": what, "difference": difference(evaluate(pipe.unet, **other), base), "bound": 1e-4}


def text_controls(pipe):
    """Controls of both text encoders."""
    for what, tokenizer, encoder, act in (
        ("text_encoder", pipe.tokenizer, pipe.text_encoder, "quick_gelu"), ("text_encoder_2", pipe.tokenizer_2, pipe.text_encoder_2, "gelu")
    ):
        ids = tokenizer(reference.PROMPTS["positive"], padding="max_length", return_tensors="pt").input_ids
        for config in (dict(num_attention_heads=4), dict(hidden_act=act), dict(layer_norm_eps=1e-5)):
            yield row(what, encoder, 1e-5, lambda model: model(ids, output_hidden_states=True).hidden_states[-2], **config)
            if what == "text_encoder_2":
                yield row(what + " pooled", encoder, 1e-5, lambda model: model(ids).text_embeds, **config)


def other_controls(pipe):
    """Controls of the VAE (bound: one level of 255) and of the scheduler over a whole render."""
    latents = reference.noise((1, 4, 17, 11), 4)
    picture = pipe.vae.decode(latents * 5).sample
    for config in (dict(norm_num_groups=2), dict(act_fn="relu")):
        yield row("vae decode", pipe.vae, 1 / 255, lambda model: model.decode(latents * 5).sample, **config)
        yield row("vae encode", pipe.vae, 1e-4, lambda model: model.encode(picture).latent_dist.mean, **config)

    def render(**config):
        pipe.scheduler = diffusers.DDIMScheduler(**{**SCHEDULER, **config})
        final = pipe(
            reference.PROMPTS["positive"], negative_prompt=reference.PROMPTS["negative"], height=SAMPLING["size"][0],
            width=SAMPLING["size"][1], num_inference_steps=SAMPLING["steps"], guidance_scale=SAMPLING["guidance"],
            generator=torch.Generator("cpu").manual_seed(SAMPLING["seed"]), output_type="latent",
        ).images
        pipe.scheduler = diffusers.DDIMScheduler(**SCHEDULER)
        return final

    base = render()
    for config in (
        dict(set_alpha_to_one=False), dict(timestep_spacing="leading"), dict(prediction_type="epsilon"), dict(num_train_timesteps=799),
        dict(beta_schedule="scaled_linear"),
    ):
        yield {"component": "render", "changed": json.dumps(config), "difference": difference(render(**config), base), "bound": 1e-3}


def controls(pipe, embeds, out, script):
    """controls.json: how far outputs move when one value is another; raises if that is less than ten bounds."""
    rows = [*unet_controls(pipe, embeds), *text_controls(pipe), *other_controls(pipe)]
    for one in rows:
        print(f"  {one['component']:24} {one['changed']:40} {one['difference']:.2e}")
    dead = [one for one in rows if one["difference"] < 10 * one["bound"]]
    if dead:
        raise ValueError(f"too insensitive to tell: {dead}")
    reference.save_json(out / "controls.json", {"rows": rows}, script)


def main():
    pipe = write()
    notes = {"model": "testdata/oddball/model"}
    blocks.tokens(pipe, OUT, __file__)
    embeds = blocks.text(pipe, OUT, __file__, **notes)
    controls(pipe, embeds, OUT, __file__)
    blocks.unet_steps(pipe, embeds, OUT, __file__, timesteps=TIMESTEPS, latent=(20, 12), **notes)
    unet_batch(pipe, embeds, OUT, __file__, **notes)
    final, pixels = blocks.denoise(pipe, OUT, __file__, **SAMPLING, **notes)
    blocks.vae(pipe, final, pixels, OUT, __file__, **notes)
    if len(sys.argv) > 1:
        Image.fromarray(pixels.numpy()).save(sys.argv[1])


if __name__ == "__main__":
    main()
