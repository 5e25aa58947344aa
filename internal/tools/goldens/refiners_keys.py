"""Refiners' names of tensors: what its own recipes make of the names of diffusers and transformers.

Each recipe of src/refiners/conversion is run on the names of the whole model, with tensors without storage, and
what it makes must have exactly the names and shapes of the Refiners model's state_dict(). Text encoders are
converted by tracing (ModelConverter), so they are run: SDXL's numbers of layers, narrow. Run as refiners_source.py says.
"""

import gzip
import hashlib
import json
import pathlib
import tempfile

import refiners_source as source
import reference
import single_file
import diffusers
import torch
import transformers
from refiners.fluxion import layers as fl
from refiners.foundationals.clip.image_encoder import CLIPImageEncoder, CLIPImageEncoderH
from refiners.foundationals.clip.text_encoder import CLIPTextEncoder, CLIPTextEncoderG, CLIPTextEncoderL
from refiners.foundationals.latent_diffusion.auto_encoder import LatentDiffusionAutoencoder
from refiners.foundationals.latent_diffusion.image_prompt import ImageProjection, PerceiverResampler
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.image_prompt import SDXLIPAdapter
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.text_encoder import DoubleTextEncoder
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.unet import SDXLUNet

VISION_H = dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, patch_size=14, projection_dim=1024)


def rows(component, recipe, state, want):
    """[component, canonical name, Refiners' name] for each tensor; want is the Refiners model's state dict."""
    for i, tensor in enumerate(state.values()):
        tensor.number = i
    names = list(state)
    made = recipe.name_map_keys(dict(state))
    numbers = {key: tensor.number for key, tensor in made.items()}
    made = recipe.reshape_tensors(made)
    got, expected = ({k: list(v.shape) for k, v in d.items()} for d in (made, want))
    if got != expected:
        unlike = sorted(k for k in got.keys() | expected.keys() if got.get(k) != expected.get(k))
        raise ValueError(f"{component}: the recipe and the model differ in {unlike[:5]}")
    return [[component, names[numbers[key]], key] for key in sorted(made)]


def without_buffers(model):
    return {k: v for k, v in model.state_dict().items() if not k.endswith("position_ids")}


def unet():
    with torch.device("meta"):
        state = diffusers.UNet2DConditionModel(**single_file.SDXL_UNET).state_dict()
    return rows("unet", source.recipes("unet_sdxl").diffusers_recipe, state, SDXLUNet(in_channels=4, device="meta").state_dict())


def vae():
    with torch.device("meta"):
        state = diffusers.AutoencoderKL(**single_file.SDXL_VAE).state_dict()
    recipe = source.recipes("autoencoder_sdxl").diffusers_recipe
    return rows("vae", recipe, state, LatentDiffusionAutoencoder(device="meta").state_dict())


def vision():
    with torch.device("meta"):
        model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**VISION_H))
    recipe = source.recipes("clip_image_sd21").diffusers_recipe
    return rows("image_encoder", recipe, without_buffers(model), CLIPImageEncoderH(device="meta").state_dict())


def adapter(plus):
    """An IP-Adapter as its authors publish it; the order of its layers is held to that of SDXLIPAdapter's."""
    module = source.recipes("ipadapter_sdxl")
    recipe = module.plus_diffusers_recipe if plus else module.diffusers_recipe
    image_proj = (PerceiverResampler(latents_dim=1280, num_attention_layers=4, num_attention_heads=20, head_dim=64, num_tokens=16,
                                     input_dim=1280, output_dim=2048, device="meta")
                  if plus else ImageProjection(clip_image_embedding_dim=1024, clip_text_embedding_dim=2048, num_tokens=4, device="meta"))
    real = SDXLIPAdapter(SDXLUNet(in_channels=4, device="meta"), clip_image_encoder=CLIPImageEncoderH(device="meta"),
                         image_proj=image_proj, fine_grained=plus)
    want = {"image_proj." + k: v for k, v in image_proj.state_dict().items()}
    for i, sub in enumerate(real.sub_adapters):
        for leaf in ("to_k_ip", "to_v_ip"):
            want[f"ip_adapter.{i:03d}.{leaf}.weight"] = sub.image_key_projection.weight
    inverse = {v: k for k, v in recipe.key_map.items()}
    state = {}
    for key, tensor in want.items():
        name, leaf = (key, "") if key in inverse else key.rsplit(".", 1)
        shape = tensor.shape if name != "image_proj.LatentsToken.Parameter.weight" else [1, *tensor.shape]
        state[inverse[name] + ("." + leaf if leaf else "")] = torch.empty(shape, device="meta")
    return rows("ip_adapter", recipe, state, want)


def small(base, **sizes):
    """A text encoder of Refiners' class for one of SDXL's, of other sizes."""
    encoder = base.__new__(base)
    CLIPTextEncoder.__init__(encoder, **sizes)
    return encoder


def text(l_layers, g_layers):
    """What ModelConverter makes of two text encoders; each source tensor holds a number of its own."""
    module = source.recipes("clip_text_sdxl")
    names, converted = [], []
    for component, cls, layers, width, act in (("text_encoder", transformers.CLIPTextModel, l_layers, 32, "quick_gelu"),
                                               ("text_encoder_2", transformers.CLIPTextModelWithProjection, g_layers, 48, "gelu")):
        # The width of the feed-forward layers keeps shapes apart, as SDXL's do.
        config = transformers.CLIPTextConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=2,
                                             projection_dim=width, hidden_act=act, vocab_size=49408, eos_token_id=2)
        model = cls(config)
        for name, parameter in model.named_parameters():
            name = name if name.startswith(("text_model.", "text_projection.")) else "text_model." + name
            parameter.data.fill_(len(names))
            names.append([component, name])
        cls.from_pretrained = classmethod(lambda cls, *args, model=model, **kwargs: model)
        converted.append(module.ModelConverterHubDuo.setup_converter("", "", cls is transformers.CLIPTextModelWithProjection).target_model)
    l, g = converted
    projection = g.pop(-1)
    narrow = dict(embedding_dim=32, num_layers=l_layers, num_attention_heads=2, feedforward_dim=128, use_quick_gelu=True)
    wide = dict(embedding_dim=48, num_layers=g_layers, num_attention_heads=2, feedforward_dim=192)
    encoder_l, encoder_g = small(CLIPTextEncoderL, **narrow), small(CLIPTextEncoderG, **wide)
    encoder_l.load_state_dict(l.state_dict())
    encoder_g.load_state_dict(g.state_dict())
    double = DoubleTextEncoder(encoder_l, encoder_g, fl.Linear(48, 48, bias=False))
    double.layer(("Parallel", "TextEncoderWithPooling", "Parallel", "Chain", "Linear"), fl.Linear).weight = projection.weight
    state = double.state_dict()
    if (l_layers, g_layers) == (12, 32) and state.keys() != DoubleTextEncoder(device="meta").state_dict().keys():
        raise ValueError("text: not the names of SDXL's DoubleTextEncoder")
    for key, tensor in state.items():
        if tensor.min() != tensor.max():
            raise ValueError(f"text: {key} was mixed")
    return [[*names[int(tensor.flatten()[0])], key] for key, tensor in sorted(state.items())]


def vision_small(layers):
    """A CLIP image encoder of few layers: Refiners' class has any number, its recipe has 32."""
    want = CLIPImageEncoder(image_size=28, embedding_dim=8, output_dim=4, patch_size=14, num_layers=layers, num_attention_heads=1,
                            feedforward_dim=16, device="meta").state_dict()
    return sorted(want)


def filled(names_and_shapes):
    """fp32 tensors whose elements are k/3 for k counting on through all of them, modulo 1000: hardly one is a half."""
    out, at = {}, 0
    for name, shape in names_and_shapes:
        count = torch.Size(shape).numel()
        out[name] = ((torch.arange(at, at + count) % 1000 - 500).float() / torch.tensor(3.0)).reshape(shape)
        at += count
    return out


def converted(recipe, model):
    """What a whole conversion of Refiners writes for a narrow model: its source's names and shapes, and the file's sha256."""
    shapes = sorted([k, list(v.shape)] for k, v in model.state_dict().items() if not k.endswith("position_ids"))
    utils = source.importlib.import_module("refiners.conversion.utils")
    # The widths in the recipes' reshapes are SDXL's.
    narrow = {k: (1, 16) if "ClassToken" in k else (64, 64) for k in recipe.tensor_reshapes}
    recipe = utils.WeightRecipe(recipe.key_map, recipe.key_prefix, recipe.key_aliases, narrow)
    state = utils.Conversion.filter_tensors_state_dict(filled(shapes))
    state = utils.Conversion.change_dtype(recipe.translate_keys(state), torch.float16)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.safetensors"
        utils.save_to_safetensors(path, state)
        return {"source": shapes, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}


def files():
    """Conversions of models with SDXL's blocks and layers, narrow."""
    unet = single_file.SDXL_UNET | dict(block_out_channels=[32, 32, 64], attention_head_dim=[1, 1, 2], cross_attention_dim=48,
                                        addition_time_embed_dim=8, projection_class_embeddings_input_dim=72)
    vae = single_file.SDXL_VAE | dict(block_out_channels=[32, 32, 64, 64])
    vision = VISION_H | dict(hidden_size=16, intermediate_size=32, num_attention_heads=2, projection_dim=8)
    with torch.device("meta"):
        models = {
            "unet": ("unet_sdxl", diffusers.UNet2DConditionModel(**unet)), "vae": ("autoencoder_sdxl", diffusers.AutoencoderKL(**vae)),
            "image-encoder": ("clip_image_sd21", transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**vision))),
        }
    return {part: converted(source.recipes(name).diffusers_recipe, model) for part, (name, model) in models.items()}


def main():
    cases = {
        "unet": unet(), "vae": vae(), "text": text(12, 32), "text, few layers": text(2, 3),
        "image-encoder": vision(), "ip-adapter": adapter(False), "ip-adapter, plus": adapter(True),
    }
    golden = {"made_by": source.versions(__file__), "cases": cases, "files": files(), "names": {"image-encoder, 1 layer": vision_small(1), "image-encoder, 3 layers": vision_small(3)}}
    path = reference.ROOT / "internal" / "sdxl" / "keymap" / "testdata" / "refiners.json.gz"
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write((json.dumps(golden, sort_keys=True).replace("], [", "],\n[") + "\n").encode())
    print({k: len(v) for k, v in cases.items()}, f"{path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
