"""The small model's autoencoder with activations beyond 1e6, which fp16 cannot hold, and what it decodes.

Every weight that writes to the decoder's residual stream or to the inside of a residual block is multiplied by FACTOR. All
that reads these values is a group norm, which takes the factor out again, but for its epsilon. So the picture is a castle as
before. Latents are the middle of the castle's after 30 steps. Run castle.py before.
"""

import blocks
import diffusers
import reference
import safetensors.torch
import torch

FACTOR = 2.0**16  # exact in fp16, where weights stay finite
LEAST = 1e6


def factors(model):
    """The factor of each weight that gets one. A convolution that reads the stream passes its scale on, so its bias alone is multiplied."""
    passing = ("conv_shortcut", "upsamplers.0.conv")
    writing = ("conv_in", "conv1", "conv2", "to_out.0")
    out = {}
    for name, _ in model.named_parameters():
        module, _, kind = name.rpartition(".")
        if name.startswith("decoder.") and (module.endswith(writing) or module.endswith(passing) and kind == "bias"):
            out[name] = FACTOR
    return out


def decode(model, latents):
    """The picture, and what the kept blocks gave."""
    with reference.Capture(model, blocks.decoder_names(model)) as seen:
        picture = model.decode(latents / model.config.scaling_factor).sample
    return picture, seen


def main():
    model = diffusers.AutoencoderKL.from_pretrained(reference.CASTLE / "vae", torch_dtype=torch.float32).eval()
    latents = safetensors.torch.load_file(reference.TESTDATA / "castle" / "denoise.safetensors")["latents.30"][:, :, 4:12, 4:12]
    before, _ = decode(model, latents)
    scaled = factors(model)
    for name, value in model.named_parameters():
        value.mul_(scaled.get(name, 1))
    picture, seen = decode(model, latents)
    largest = {name: tensor.abs().max().item() for name, tensor in seen.items()}
    if max(largest.values()) < LEAST or (picture - before).abs().max() > 1e-3:
        raise ValueError(f"largest activations {largest}, pictures {(picture - before).abs().max()} apart")
    halves = model.half()
    if not all(value.isfinite().all() for value in halves.parameters()):
        raise ValueError("weights are not finite in fp16")
    if torch.isfinite(decode(halves, latents.half())[0]).any():
        raise ValueError("the decoder in fp16 did not overflow")
    kept, strides = reference.thin({"latents": latents, "image": picture, **seen}, 2048)
    for whole in ("latents", "image"):
        kept[whole] = {"latents": latents, "image": picture}[whole]
        strides.pop(whole, None)
    kept["pixels"] = reference.to_uint8(picture)
    reference.save(
        reference.TESTDATA / "large" / "vae.safetensors", kept, __file__, model="examples/castle/model", factors=scaled, channel_strides=strides,
        largest={name: f"{value:.4g}" for name, value in largest.items()}, fp16="no element of the picture is finite",
    )


if __name__ == "__main__":
    main()
