"""diffusers as a peer of race.py: peer_diffusers.py PART BATCH SIZE PRECISION THREADS MODEL. Channels last, eager, weights in the precision."""

import pathlib
import sys
import time

STARTED = time.perf_counter()

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import turns  # noqa: E402


def unet(model, batch, size, dtype):
    """One evaluation of the UNet."""
    net = diffusers.UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=dtype).eval().to(memory_format=torch.channels_last)
    inputs = {
        "sample": torch.randn(batch, 4, size // 8, size // 8).to(dtype).contiguous(memory_format=torch.channels_last), "timestep": 981,
        "encoder_hidden_states": torch.randn(batch, 77, 2048).to(dtype),
        "added_cond_kwargs": {"text_embeds": torch.randn(batch, 1280).to(dtype), "time_ids": torch.full((batch, 6), float(size)).to(dtype)},
    }
    return lambda: net(**inputs)


def vae(model, batch, size, dtype):
    """The decoding of latents."""
    net = diffusers.AutoencoderKL.from_pretrained(model / "vae", torch_dtype=dtype).eval().to(memory_format=torch.channels_last)
    latents = torch.randn(batch, 4, size // 8, size // 8).to(dtype).contiguous(memory_format=torch.channels_last)
    return lambda: net.decode(latents)


def text(model, batch, _, dtype):
    """Both text encoders, with the hidden states that SDXL reads."""
    one = transformers.CLIPTextModel.from_pretrained(model / "text_encoder", torch_dtype=dtype).eval()
    two = transformers.CLIPTextModelWithProjection.from_pretrained(model / "text_encoder_2", torch_dtype=dtype).eval()
    ids = torch.arange(77).repeat(batch, 1)
    return lambda: (one(ids, output_hidden_states=True), two(ids, output_hidden_states=True))


def main():
    part, batch, size, precision, threads, model = sys.argv[1:]
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(threads))
    torch.set_grad_enabled(False)
    torch.manual_seed(1)
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    work = {"unet": unet, "vae": vae, "text": text}[part](pathlib.Path(model), int(batch), int(size), dtype)

    def run():
        with torch.inference_mode():
            work()

    turns.answer(f"diffusers {precision}", {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__}, STARTED, run)


if __name__ == "__main__":
    main()
