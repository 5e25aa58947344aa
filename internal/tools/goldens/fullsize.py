"""A model of the size and architecture of Stable Diffusion XL base 1.0 with random weights, and its goldens: fullsize.py DIR.

DIR (outside the repository, 7 GB) becomes a diffusers folder in fp16 with the reference's own initialisation, seeded;
DIR/goldens holds what diffusers computes with it in fp32: both text encoders, one UNet evaluation at 64x64 latents
(512x512 pixels) with its blocks, and the autoencoder both ways. DIR/goldens/reference.json says how long each took and
what memory. Every stage runs in a process of its own, so that peaks are its own; a stage whose files are there is not
run again. "fullsize.py DIR pairs" takes turns with flow at the UNet evaluation and prints the times of both. 18 GB of memory
are enough, of which 6 GB are pages of mapped files.
"""

import json
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import types

import reference
import blocks
import diffusers
import safetensors.torch
import single_file
import tokens
import torch
import transformers

SEED = 20260102
UNET_PARAMETERS = 2_567_463_684
LATENT = (64, 64)
TIMESTEP = 981


def make_unet(folder):
    """The UNet, drawn in fp32 and rounded to fp16."""
    torch.manual_seed(SEED)
    unet = diffusers.UNet2DConditionModel.from_config(single_file.SDXL_UNET)
    count = sum(p.numel() for p in unet.parameters())
    if count != UNET_PARAMETERS:
        raise ValueError(f"{count:,} parameters, not {UNET_PARAMETERS:,}")
    unet.half().save_pretrained(folder / "unet", max_shard_size="3GB")


def make_vae(folder):
    """The autoencoder."""
    torch.manual_seed(SEED + 1)
    diffusers.AutoencoderKL.from_config(single_file.SDXL_VAE).half().save_pretrained(folder / "vae")


def make_text(folder):
    """Both text encoders and their tokenizers, which have OpenAI's vocabulary."""
    for i, (name, make, config) in enumerate((
        ("text_encoder", transformers.CLIPTextModel, single_file.SDXL_TEXT),
        ("text_encoder_2", transformers.CLIPTextModelWithProjection, single_file.SDXL_TEXT2),
    )):
        torch.manual_seed(SEED + 2 + i)
        make(transformers.CLIPTextConfig(**config, bos_token_id=0, pad_token_id=1)).half().save_pretrained(folder / name)
    for name, pad in tokens.PADS.items():
        tokens.public_tokenizer(folder / name, pad)


def make_index(folder):
    """The scheduler of SDXL base, which the castle has too, and model_index.json."""
    shutil.copytree(reference.CASTLE / "scheduler", folder / "scheduler", dirs_exist_ok=True)
    shutil.copy(reference.CASTLE / "model_index.json", folder)


def golden_text(folder):
    """text.safetensors of blocks.py."""
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(folder, unet=None, vae=None, torch_dtype=torch.float32, add_watermarker=False)
    started = time.perf_counter()
    blocks.text(pipe, folder / "goldens", __file__)
    return {"seconds": round(time.perf_counter() - started, 2)}


def load_unet(folder):
    """The UNet in fp32 and the positive prompt's states and pooled."""
    text = safetensors.torch.load_file(folder / "goldens" / "text.safetensors")
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval()
    return unet, (text["positive.prompt_embeds"], text["positive.pooled"])


def evaluation(unet, embeds):
    """The time of one UNet evaluation without hooks: of the clock and of the processors."""
    latents = reference.noise((1, 4, *LATENT), 1)
    started, used = time.perf_counter(), time.process_time()
    blocks.step(unet, latents, TIMESTEP, embeds, LATENT[0] * 8, LATENT[1] * 8)
    return {"seconds": round(time.perf_counter() - started, 2), "cpu_seconds": round(time.process_time() - used, 2)}


def golden_unet(folder):
    """unet.safetensors of blocks.py."""
    started = time.perf_counter()
    unet, embeds = load_unet(folder)
    loaded = time.perf_counter() - started
    pipe = types.SimpleNamespace(unet=unet, vae_scale_factor=8)
    blocks.unet_steps(pipe, {"positive": embeds}, folder / "goldens", __file__, timesteps=(TIMESTEP,), latent=LATENT)
    return {"load_seconds": round(loaded, 2), **evaluation(unet, embeds)}


def pairs(folder, rounds=3):
    """Times one evaluation by diffusers in fp32, by flow in fp32 and by flow in bf16, in turns, on two threads each."""
    unet, embeds = load_unet(folder)
    with tempfile.TemporaryDirectory() as place:
        flow = pathlib.Path(place) / "fullsize"
        subprocess.run(["go", "build", "-o", flow, "./internal/tools/fullsize"], cwd=reference.ROOT, check=True)
        for _ in range(rounds):
            print("diffusers fp32", evaluation(unet, embeds), flush=True)
            for precision in ("fp32", "bf16"):
                command = [flow, "-part", "step", "-precision", precision, "-threads", str(torch.get_num_threads()), folder]
                said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                print("flow", precision, {"seconds": round(said["Seconds"], 2), "cpu_seconds": round(said["CPU"], 2)}, flush=True)


def golden_vae(folder):
    """vae.safetensors of blocks.py, from latents of noise."""
    model = diffusers.AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    latents = reference.noise((1, 4, *LATENT), 2)
    started = time.perf_counter()
    pixels = reference.to_uint8(model.decode(latents / model.config.scaling_factor).sample)
    seconds = time.perf_counter() - started
    blocks.vae(types.SimpleNamespace(vae=model), latents, pixels, folder / "goldens", __file__, limit=1 << 18)
    return {"decode_seconds": round(seconds, 2)}


STAGES = {  # what makes it, and the file that says that it is made
    "make_unet": (make_unet, "unet/config.json"), "make_vae": (make_vae, "vae/config.json"), "make_text": (make_text, "tokenizer_2/vocab.json"),
    "make_index": (make_index, "model_index.json"), "golden_text": (golden_text, "goldens/text.safetensors"),
    "golden_unet": (golden_unet, "goldens/unet.safetensors"), "golden_vae": (golden_vae, "goldens/vae.safetensors"),
    "pairs": (pairs, None),
}


def stage(folder, name):
    """Runs one stage in this process; prints what it says and its peak memory as JSON."""
    said = STAGES[name][0](folder) or {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({**said, "peak_bytes": peak, "threads": torch.get_num_threads()}))


def main():
    folder = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        return stage(folder, sys.argv[2])
    (folder / "goldens").mkdir(parents=True, exist_ok=True)
    path = folder / "goldens" / "reference.json"
    said = json.loads(path.read_text()) if path.exists() else {"made_by": reference.versions(__file__)}
    for name, (_, proof) in STAGES.items():
        if proof is None or (folder / proof).exists() and name in said:
            continue
        out = subprocess.run([sys.executable, __file__, str(folder), name], check=True, stdout=subprocess.PIPE, text=True).stdout
        said[name] = json.loads(out.splitlines()[-1])
        print(name, said[name], flush=True)
        path.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
