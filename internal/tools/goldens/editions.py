"""internal/sdxl/edition/testdata/editions.json: what diffusers and Refiners make of inputs on which they differ, a golden for each field of
edition.Edition, and under "same" what they do not differ in though one might expect it.

Refiners' side is its own code, called as it is; refiners_source.py says how it comes to be importable.

    REFINERS=.../src python editions.py
"""

import base64
import collections
import pathlib
import tempfile
import types

import refiners_source as source
import reference
import diffusers
import numpy
import picture
import tokens
import torch
import transformers
from diffusers.models.embeddings import Timesteps
from diffusers.models.resnet import ResnetBlock2D
from PIL import Image
from refiners.fluxion.utils import tensor_to_image
from refiners.foundationals.clip.image_encoder import CLIPImageEncoderH
from refiners.foundationals.clip.text_encoder import CLIPTextEncoderG, CLIPTextEncoderL
from refiners.foundationals.clip.tokenizer import CLIPTokenizer
from refiners.foundationals.latent_diffusion.auto_encoder import LatentDiffusionAutoencoder, Resnet
from refiners.foundationals.latent_diffusion.image_prompt import IPAdapter
from refiners.foundationals.latent_diffusion.model import LatentDiffusionModel
from refiners.foundationals.latent_diffusion.range_adapter import compute_sinusoidal_embedding
from refiners.foundationals.latent_diffusion.solvers import DDIM
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.model import SDXLAutoencoder, StableDiffusion_XL
from refiners.foundationals.latent_diffusion.stable_diffusion_xl.unet import SDXLUNet
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

TEXTS = {
    "ComposeText": ["cafe\u0301 at night", "A\u030angstro\u0308m", "e\u0323\u0302"],
    "UnicodeWords": ["caf\u00e9 \u57ce \u00b2\u00bd 7", "na\u00efve \u00fcber_castle", "\u0131 \u017f \u212a it'\u017f was\u017fn't", "one\x1ctwo\x1fthree"],
    "MergeBytes": ["it\u2019s \u2014 \u201cquoted\u201d\u2026", "castle \U0001f3f0 \u2605", "i\u0307"],
    "SpecialText": ["a <|endoftext|> b", "<|startoftext|>castle", "!<|EndOfText|>", "what a castle!"],
}
PLAIN = [reference.PROMPTS["positive"], reference.PROMPTS["negative"], reference.PROMPTS["long"], "", "IT'S 42 castles, we'll see: don't_stop?"]
SDXL = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, num_train_timesteps=1000, clip_sample=False)
X, OUTPUT = 0.7, -1.3


def numbers(values):
    return " ".join(repr(float(v)) if isinstance(v, float) else str(v) for v in values)


def floats(tensor):
    return numbers(torch.as_tensor(tensor).flatten().tolist())


def texts():
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        theirs = {key: tokens.public_tokenizer(pathlib.Path(folder) / key, pad) for key, pad in tokens.PADS.items()}
    ours = {"tokenizer": CLIPTokenizer(), "tokenizer_2": CLIPTokenizer(pad_token_id=0)}
    for field, list_ in {**TEXTS, "plain": PLAIN}.items():
        rows = []
        for text in list_:
            row = {"text": text}
            for key in ours:
                row[key] = {
                    "diffusers": numbers(theirs[key](text, padding="max_length", max_length=77, truncation=True).input_ids),
                    "refiners": numbers(ours[key](text)[0].tolist()),
                }
            rows.append(row)
        out[field] = rows
    return out


def zero_negative(pipe):
    """Which texts are encoded for a prompt without a negative one, and whether the negative is zeros."""
    seen = []
    embeds = pipe.encode_prompt("a castle", do_classifier_free_guidance=True)
    for name in ("tokenizer", "tokenizer_2"):
        setattr(pipe, name, Recorder(getattr(pipe, name), seen))
    pipe.encode_prompt("a castle", do_classifier_free_guidance=True)
    for name in ("tokenizer", "tokenizer_2"):
        setattr(pipe, name, getattr(pipe, name).inner)
    zeros = not embeds[1].any() and not embeds[3].any()
    asked = []
    encode = lambda text: (asked.extend(text), (torch.zeros(1, 77, 4), torch.zeros(1, 4)))[1]  # noqa: E731
    StableDiffusion_XL.compute_clip_text_embedding(types.SimpleNamespace(clip_text_encoder=encode, classifier_free_guidance=True), "a castle")
    return {
        "diffusers": {"texts": list(dict.fromkeys(seen)), "zeros": bool(zeros)},
        "refiners": {"texts": asked, "zeros": False},
    }


class Recorder:
    """A tokenizer that keeps the texts it was called with."""

    def __init__(self, inner, seen):
        self.inner, self.seen = inner, seen

    def __call__(self, text, **kwargs):
        self.seen.extend([text] if isinstance(text, str) else text)
        return self.inner(text, **kwargs)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def time_ids(pipe, height=64, width=96):
    seen = []
    hook = pipe.unet.register_forward_pre_hook(lambda _m, _a, kwargs: seen.append(kwargs["added_cond_kwargs"]["time_ids"]), with_kwargs=True)
    pipe("a castle", height=height, width=width, num_inference_steps=1, output_type="latent")
    hook.remove()
    fake = types.SimpleNamespace(device="cpu", classifier_free_guidance=True)
    return {"height": height, "width": width, "diffusers": floats(seen[0]), "refiners": floats(StableDiffusion_XL.default_time_ids.fget(fake))}


def timesteps():
    config = dict(timestep_spacing="trailing", steps_offset=0, set_alpha_to_one=False)
    out = {"config": config, "runs": []}
    for steps in (1, 7, 30, 50):
        ddim = diffusers.DDIMScheduler(**SDXL, **config)
        ddim.set_timesteps(steps)
        out["runs"].append({"steps": steps, "diffusers": numbers(ddim.timesteps.tolist()), "refiners": numbers(DDIM(num_inference_steps=steps).timesteps.tolist())})
    return out


def steps(config, x, output):
    """What each step makes of x and the model's output."""
    out = {"config": config, "x": x, "output": output, "runs": []}
    x, output = torch.tensor([x]), torch.tensor([output])
    for count in (1, 7, 30, 50):
        theirs = diffusers.DDIMScheduler(**SDXL, **config)
        theirs.set_timesteps(count)
        ours = DDIM(num_inference_steps=count)
        out["runs"].append({
            "steps": count,
            "diffusers": floats(torch.cat([theirs.step(output, t, x).prev_sample for t in theirs.timesteps])),
            "refiners": floats(torch.cat([ours(x, output, step=i) for i in range(count)])),
        })
    return out


def guided(pipe, height=64, width=64):
    """Entries of the batch that the UNet sees at guidance scales around 1."""
    rows = []
    for scale in (0.0, 0.5, 1.0, 1.5):
        theirs, ours = [], []
        hook = pipe.unet.register_forward_pre_hook(lambda _m, args, seen=theirs: seen.append(len(args[0])))
        pipe("a castle", height=height, width=width, num_inference_steps=1, guidance_scale=scale, output_type="latent")
        hook.remove()
        model = types.SimpleNamespace(
            classifier_free_guidance=True, solver=DDIM(num_inference_steps=1), set_unet_context=lambda **_: None,
            unet=lambda x, seen=ours: seen.append(len(x)) or x, has_self_attention_guidance=lambda: False,
        )  # fmt: skip
        LatentDiffusionModel.forward(model, torch.zeros(1, 4, 4, 4), 0, clip_text_embedding=torch.zeros(2, 7, 16), condition_scale=scale)
        rows.append({"scale": scale, "diffusers": theirs[0], "refiners": ours[0]})
    return rows


def self_alone():
    """UNet evaluations of one step with self-attention guidance and one conditioning."""
    config = dict(block_out_channels=(32, 64), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4, norm_num_groups=8, cross_attention_dim=16,
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))  # fmt: skip
    unet = diffusers.UNet2DConditionModel(**config)
    pipe = diffusers.StableDiffusionSAGPipeline(
        vae=diffusers.AutoencoderKL(norm_num_groups=8, block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
        text_encoder=None, tokenizer=None, unet=unet, scheduler=diffusers.DDIMScheduler(**SDXL), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    calls = []
    unet.register_forward_hook(lambda *_: calls.append(1))
    pipe(prompt_embeds=torch.zeros(1, 7, 16), guidance_scale=1.0, sag_scale=0.75, num_inference_steps=1, height=32, width=32, output_type="latent")
    evaluations = []
    solver = DDIM(num_inference_steps=1)
    guide = lambda **_: evaluations.append(1) or 0  # noqa: E731
    model = types.SimpleNamespace(
        classifier_free_guidance=False, solver=solver, set_unet_context=lambda **_: None, unet=lambda x: evaluations.append(1) or x,
        has_self_attention_guidance=lambda: True, compute_self_attention_guidance=guide,
    )  # fmt: skip
    LatentDiffusionModel.forward(model, torch.zeros(1, 4, 4, 4), 0, clip_text_embedding=torch.zeros(1, 7, 16))
    return {"diffusers": len(calls), "refiners": len(evaluations)}


def drawn(shape, seed, scale, add=0.0):
    return reference.noise(shape, seed) * scale + add


RESNET = {  # seed, factor, added
    "norm1.weight": (1, 0.1, 1.0), "norm1.bias": (2, 0.1, 0.0), "conv1.weight": (3, 0.06, 0.0), "conv1.bias": (4, 0.1, 0.0),
    "norm2.weight": (5, 0.1, 1.0), "norm2.bias": (6, 0.1, 0.0), "conv2.weight": (7, 0.06, 0.0), "conv2.bias": (8, 0.1, 0.0),
}


def resnet(channels=32, side=4):
    """A residual block of the autoencoder on a picture of so little contrast that epsilon counts."""
    x = drawn((1, channels, side, side), 9, 0.003)
    theirs = ResnetBlock2D(in_channels=channels, out_channels=channels, temb_channels=None, groups=32, eps=1e-6)
    real = diffusers.AutoencoderKL(block_out_channels=(32,), down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",)).decoder.up_blocks[0].resnets[0]
    assert (real.norm1.eps, real.norm2.eps) == (theirs.norm1.eps, theirs.norm2.eps)
    state = {name: drawn(theirs.state_dict()[name].shape, *how) for name, how in RESNET.items()}
    theirs.load_state_dict(state)
    ours = Resnet(channels, channels)
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    tensors = {name: {"shape": list(state[name].shape), "seed": how[0], "factor": how[1], "add": how[2]} for name, how in RESNET.items()}
    nhwc = lambda y: floats(y.permute(0, 2, 3, 1))  # noqa: E731
    return {"channels": channels, "side": side, "seed": 9, "factor": 0.003, "weights": tensors, "diffusers": nhwc(theirs(x, None)), "refiners": nhwc(ours(x))}


def pixels():
    x = torch.cat([torch.linspace(-1.25, 1.25, 41), (torch.arange(0, 255, 17) + 0.5) / 255 * 2 - 1, torch.tensor([-1.0, 1.0, 0.0, 1 / 255, 0.999])])
    image = x.expand(3, 1, -1)[None]
    theirs = diffusers.image_processor.VaeImageProcessor().postprocess(image, output_type="pil")[0]
    ours = tensor_to_image((image + 1) / 2)
    return {"x": floats(x), "diffusers": numbers(numpy.asarray(theirs)[0, :, 0].tolist()), "refiners": numbers(numpy.asarray(ours)[0, :, 0].tolist())}


def prepared(path, edge=4):
    """What the image encoder is given of a file, by each reference."""
    theirs = CLIPImageProcessorPil(size=edge, crop_size=edge)(diffusers.utils.load_image(path), return_tensors="pt").pixel_values
    adapter = types.SimpleNamespace(target=types.SimpleNamespace(device="cpu", dtype=torch.float32))
    ours = IPAdapter.preprocess_image(adapter, Image.open(path).convert("RGB"), size=(edge, edge))
    nhwc = lambda y: floats(y.permute(0, 2, 3, 1))  # noqa: E731
    return {"png": base64.b64encode(open(path, "rb").read()).decode(), "edge": edge, "diffusers": nhwc(theirs), "refiners": nhwc(ours)}


def images():
    """Small pictures: one that EXIF turns, one with a colour that is transparent, one that is not square."""
    exif = Image.Exif()
    exif[0x0112] = 6
    square, wide = Image.fromarray(picture.noise(5, 5)), Image.fromarray(picture.noise(9, 5, 3, 3))
    with tempfile.TemporaryDirectory() as folder:
        out = {}
        for field, image, how in (("Orient", square, {"exif": exif}), ("ColourKey", square, {"transparency": square.getpixel((1, 0))}), ("CropImage", wide, {})):
            image.save(f"{folder}/{field}.png", **how)
            out[field] = prepared(f"{folder}/{field}.png")
    return out


def norms(model):
    """How many norms there are of each sort and epsilon."""
    sorts = ((torch.nn.GroupNorm, "GroupNorm"), (torch.nn.LayerNorm, "LayerNorm"))
    count = collections.Counter(f"{name} {module.eps:g}" for module in model.modules() for sort, name in sorts if isinstance(module, sort))
    return ", ".join(f"{key}: {n}" for key, n in sorted(count.items()))


def same():
    """What one might expect to differ: norms' epsilons, read from the real modules at full size, and sinusoids."""
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(
            block_out_channels=(320, 640, 1280), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )  # fmt: skip
        text = {}
        for name, width, layers, heads, act in (("L", 768, 12, 12, "quick_gelu"), ("G", 1280, 32, 20, "gelu")):
            config = transformers.CLIPTextConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads, hidden_act=act)
            text[name] = transformers.CLIPTextModel(config)
        vision = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, patch_size=14))
        vae = diffusers.AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
        ours = {"UNet": SDXLUNet(4, device="meta"), "text encoder L": CLIPTextEncoderL(device="meta"), "text encoder G": CLIPTextEncoderG(device="meta"),
                "image encoder": CLIPImageEncoderH(device="meta"), "autoencoder": LatentDiffusionAutoencoder(device="meta")}  # fmt: skip
    theirs = {"UNet": unet, "text encoder L": text["L"], "text encoder G": text["G"], "image encoder": vision, "autoencoder": vae}
    rows = {"norms of the " + name: {"diffusers": norms(theirs[name]), "refiners": norms(ours[name])} for name in theirs}
    rows["scale of latents"] = {"diffusers": "0.13025", "refiners": repr(SDXLAutoencoder.encoder_scale)}
    t = torch.tensor([[1], [481], [981], [1024]])
    distance = (Timesteps(320, True, 0)(t[:, 0]) - compute_sinusoidal_embedding(t, 320)[:, 0]).abs().max().item()
    rows["sinusoids of timesteps and sizes, largest difference"] = {"diffusers": "0", "refiners": f"{distance:g}"}
    return rows


def main():
    pipe = reference.pipeline(reference.CASTLE)
    leading = dict(timestep_spacing="leading", steps_offset=1)
    document = {
        "texts": texts(), "ZeroNegative": zero_negative(pipe), "TimeIDs": time_ids(pipe), "ModelTimesteps": timesteps(),
        "ModelFinalAlpha": steps(dict(leading, set_alpha_to_one=True), X, 0.0), "FinalNoise": steps(dict(leading, set_alpha_to_one=False), X, OUTPUT),
        "GuideBelowOne": guided(pipe), "SelfAlone": self_alone(), "ResnetEps": resnet(), "RoundPixels": pixels(), **images(), "same": same(),
    }  # fmt: skip
    reference.versions = lambda script, made=reference.versions: made(script) | {"refiners": source.COMMIT}
    reference.save_json(reference.ROOT / "internal" / "sdxl" / "edition" / "testdata" / "editions.json", document, __file__)


if __name__ == "__main__":
    main()
