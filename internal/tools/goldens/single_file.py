"""Names and shapes of single-file checkpoints, and what diffusers' own conversion makes of them.

The original layout is laid out here as the original code builds it (sgm: UNetModel, the autoencoder's Encoder and
Decoder; open_clip: TextTransformer). Each stored tensor holds a number of its own, so that diffusers' convert functions show
which canonical tensor it becomes. No tensor has storage: the numbers are broadcast. Every canonical name that the models of
diffusers and transformers have must come out, or the script fails.
"""

import json

import reference
import diffusers
import torch
import transformers
from diffusers.loaders import single_file_utils as convert

SDXL_UNET = dict(
    in_channels=4, out_channels=4, block_out_channels=[320, 640, 1280], layers_per_block=2,
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    transformer_layers_per_block=[1, 2, 10], attention_head_dim=[5, 10, 20], cross_attention_dim=2048, use_linear_projection=True,
    addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816, sample_size=128,
)
SDXL_VAE = dict(
    in_channels=3, out_channels=3, latent_channels=4, block_out_channels=[128, 256, 512, 512], layers_per_block=2,
    down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, scaling_factor=0.13025, sample_size=1024,
)
SDXL_TEXT = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768,
                 hidden_act="quick_gelu", eos_token_id=2, vocab_size=49408)
SDXL_TEXT2 = dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, projection_dim=1280,
                  hidden_act="gelu", eos_token_id=2, vocab_size=49408)

CASES = {
    "sdxl": dict(unet=SDXL_UNET, vae=SDXL_VAE, text_encoder=SDXL_TEXT, text_encoder_2=SDXL_TEXT2),
    # Other numbers of blocks and layers, convolutions around the transformers, a projection that is not square.
    "unlike": dict(
        unet=SDXL_UNET | dict(
            in_channels=9, block_out_channels=[64, 128, 128, 192], layers_per_block=1,
            down_block_types=["CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
            transformer_layers_per_block=[2, 1, 1, 3], attention_head_dim=[1, 2, 2, 3], cross_attention_dim=192,
            use_linear_projection=False, addition_time_embed_dim=32, projection_class_embeddings_input_dim=320),
        vae=SDXL_VAE | dict(block_out_channels=[32, 64, 96], layers_per_block=1, latent_channels=8,
                            down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3),
        text_encoder=SDXL_TEXT | dict(hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=1, projection_dim=64, vocab_size=500),
        text_encoder_2=SDXL_TEXT2 | dict(hidden_size=192, intermediate_size=256, num_hidden_layers=3, num_attention_heads=3, projection_dim=128, vocab_size=500),
    ),
}


def both(*names):
    """Weight and bias of each layer."""
    return [f"{n}.{leaf}" for n in names for leaf in ("weight", "bias")]


def transformer(prefix, depth):
    names = both(f"{prefix}.norm", f"{prefix}.proj_in", f"{prefix}.proj_out")
    for i in range(depth):
        block = f"{prefix}.transformer_blocks.{i}"
        for attn in ("attn1", "attn2"):
            names += [f"{block}.{attn}.{q}.weight" for q in ("to_q", "to_k", "to_v")] + both(f"{block}.{attn}.to_out.0")
        names += both(f"{block}.norm1", f"{block}.norm2", f"{block}.norm3", f"{block}.ff.net.0.proj", f"{block}.ff.net.2")
    return names


def resblock(prefix, shortcut):
    layers = ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"] + (["skip_connection"] if shortcut else [])
    return both(*(f"{prefix}.{layer}" for layer in layers))


def unet_names(c):
    """The names of sgm's UNetModel, below model.diffusion_model."""
    chans, layers, depths = c["block_out_channels"], c["layers_per_block"], c["transformer_layers_per_block"]
    names = both("time_embed.0", "time_embed.2", "label_emb.0.0", "label_emb.0.2", "input_blocks.0.0")
    kept, ch, at = [chans[0]], chans[0], 1
    for level, out in enumerate(chans):
        for _ in range(layers):
            names += resblock(f"input_blocks.{at}.0", ch != out)
            if c["down_block_types"][level].startswith("Cross"):
                names += transformer(f"input_blocks.{at}.1", depths[level])
            ch, at = out, at + 1
            kept.append(ch)
        if level < len(chans) - 1:
            names += both(f"input_blocks.{at}.0.op")
            at += 1
            kept.append(ch)
    names += resblock("middle_block.0", False) + transformer("middle_block.1", depths[-1]) + resblock("middle_block.2", False)
    at = 0
    for level in reversed(range(len(chans))):
        for i in range(layers + 1):
            names += resblock(f"output_blocks.{at}.0", ch + kept.pop() != chans[level])
            ch, part = chans[level], 1
            if c["up_block_types"][len(chans) - 1 - level].startswith("Cross"):
                names += transformer(f"output_blocks.{at}.1", depths[level])
                part = 2
            if level and i == layers:
                names += both(f"output_blocks.{at}.{part}.conv")
            at += 1
    return names + both("out.0", "out.2")


def vae_names(c):
    """The names of sgm's AutoencoderKL, below first_stage_model."""
    chans, layers = c["block_out_channels"], c["layers_per_block"]

    def block(prefix, shortcut):
        return both(*(f"{prefix}.{n}" for n in ["norm1", "conv1", "norm2", "conv2"] + (["nin_shortcut"] if shortcut else [])))

    names = both("quant_conv", "post_quant_conv")
    for half in ("encoder", "decoder"):
        names += both(*(f"{half}.{n}" for n in ("conv_in", "norm_out", "conv_out")))
        names += block(f"{half}.mid.block_1", False) + block(f"{half}.mid.block_2", False)
        names += both(*(f"{half}.mid.attn_1.{n}" for n in ("norm", "q", "k", "v", "proj_out")))
    ch = chans[0]
    for level, out in enumerate(chans):
        for i in range(layers):
            names += block(f"encoder.down.{level}.block.{i}", ch != out)
            ch = out
        if level < len(chans) - 1:
            names += both(f"encoder.down.{level}.downsample.conv")
    for level in reversed(range(len(chans))):
        for i in range(layers + 1):
            names += block(f"decoder.up.{level}.block.{i}", ch != chans[level])
            ch = chans[level]
        if level:
            names += both(f"decoder.up.{level}.upsample.conv")
    return names


def open_clip_names(c):
    names = ["positional_embedding", "token_embedding.weight", "text_projection"] + both("ln_final")
    for i in range(c["num_hidden_layers"]):
        block = f"transformer.resblocks.{i}"
        names += both(*(f"{block}.{n}" for n in ("ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj", "attn.out_proj")))
        names += [f"{block}.attn.in_proj_weight", f"{block}.attn.in_proj_bias"]
    return names


def numbered(names, shape_of):
    """A tensor for each name that holds a number of its own (three for what is cut in three)."""
    out = {}
    for i, name in enumerate(names):
        shape = shape_of(name)
        value = torch.tensor([3 * i], dtype=torch.int32)
        if "in_proj_" in name:
            value = (3 * i + torch.arange(3, dtype=torch.int32)).repeat_interleave(shape[0] // 3)
            value = value.reshape([-1] + [1] * (len(shape) - 1))
        out[name] = value.expand(shape) if value.dim() == len(shape) else value.reshape([1] * len(shape)).expand(shape)
    return out


def pairs(names, run, model, component):
    """[stored name, stored shape, [canonical name, ...]] for each name; run converts {name: tensor}."""
    canonical = {k: list(v.shape) for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    if component.startswith("text_encoder"):
        prefixed = ("text_model.", "text_projection.")
        canonical = {k if k.startswith(prefixed) else "text_model." + k: v for k, v in canonical.items()}

    def trace(shape_of):
        targets = {}
        for name, tensor in run(numbered(names, shape_of)).items():
            i, part = divmod(int(tensor.flatten()[0]), 3)
            targets.setdefault(names[i], {})[part] = (name, list(tensor.shape))
        return targets

    # The first pass finds the names, with square tensors of a rank that the conversion accepts; the second has the real shapes.
    rank = {"text_projection": [6, 6]}
    found = trace(lambda name: rank.get(name, [18, 6] if name.endswith("in_proj_weight") else [18] if name.endswith("in_proj_bias") else [6, 6]))
    stored = {}
    for name in names:
        first = canonical[found[name][0][0]]
        if "in_proj_" in name:
            stored[name] = [3 * first[0]] + first[1:]
        elif name == "text_projection":
            stored[name] = first[::-1]
        elif ".attn_1." in name and len(first) == 2:
            stored[name] = first + [1, 1]
        else:
            stored[name] = first
    found = trace(stored.__getitem__)
    made = {n: s for parts in found.values() for n, s in parts.values()}
    if made != canonical:
        unlike = sorted(n for n in made.keys() | canonical.keys() if made.get(n) != canonical.get(n))
        raise ValueError(f"{component}: made and expected differ in {unlike[:5]}")
    return [[name, stored[name], [found[name][k][0] for k in sorted(found[name])]] for name in names]


def strip(prefix, rows):
    return [[prefix + name, shape, targets] for name, shape, targets in rows]


def case(config):
    def under(prefix, function, *args):
        return lambda tensors: function({prefix + k: v for k, v in tensors.items()}, *args)

    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**config["unet"])
        vae = diffusers.AutoencoderKL(**config["vae"])
        text = transformers.CLIPTextModel(transformers.CLIPTextConfig(**config["text_encoder"]))
        text2 = transformers.CLIPTextModelWithProjection(transformers.CLIPTextConfig(**config["text_encoder_2"]))
    text_names = [k if k.startswith("text_model.") else "text_model." + k for k in text.state_dict() if not k.endswith("position_ids")]
    rows = []
    for prefix, names, function, args, model, component in [
        ("model.diffusion_model.", unet_names(config["unet"]), convert.convert_ldm_unet_checkpoint, [dict(unet.config)], unet, "unet"),
        ("first_stage_model.", vae_names(config["vae"]), convert.convert_ldm_vae_checkpoint, [dict(vae.config)], vae, "vae"),
        ("conditioner.embedders.0.transformer.", text_names, convert.convert_ldm_clip_checkpoint, [], text, "text_encoder"),
    ]:
        rows.append((component, strip(prefix, pairs(names, under(prefix, function, *args), model, component))))
    prefix = "conditioner.embedders.1.model."
    run = under(prefix, lambda state: convert.convert_open_clip_checkpoint(text2, state, prefix))
    rows.append(("text_encoder_2", strip(prefix, pairs(open_clip_names(config["text_encoder_2"]), run, text2, "text_encoder_2"))))
    texts = {"text_encoder": text, "text_encoder_2": text2}
    configs = {k: json.loads(m.config.to_json_string()) | dict(architectures=[type(m).__name__]) for k, m in texts.items()}
    return dict(config=configs | dict(unet=config["unet"], vae=config["vae"]), tensors=dict(rows))


def main():
    path = reference.ROOT / "internal" / "sdxl" / "keymap" / "testdata" / "single_file.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    golden = dict(made_by=reference.versions(__file__), cases={name: case(config) for name, config in CASES.items()})
    path.write_text(json.dumps(golden, sort_keys=True).replace("]], [", "]],\n[") + "\n")


if __name__ == "__main__":
    main()
