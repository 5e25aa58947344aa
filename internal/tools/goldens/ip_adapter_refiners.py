"""Goldens of the image prompt by Refiners' own modules, with the weights of examples/castle/ip-adapter: preprocessing, the image encoder's
hidden states, and the tokens of both sorts of IP-Adapter, with two pictures of unlike weights.

Refiners is not in requirements.txt, since its requirements would move the others' versions. Put it beside them:
pip install --no-deps --target DIR refiners==0.4.0 jaxtyping==0.3.11 wadler-lindig==0.1.8, and run with PYTHONPATH=DIR.
"""

import importlib.metadata
import types

import reference
import ip_adapter
import safetensors.torch
import torch
from refiners.foundationals.clip.image_encoder import CLIPImageEncoder
from refiners.foundationals.latent_diffusion.image_prompt import ImageProjection, IPAdapter, PerceiverResampler

LAYER = {
    "layer_norm1": "Residual_1.LayerNorm", "layer_norm2": "Residual_2.LayerNorm", "self_attn.out_proj": "Residual_1.SelfAttention.Linear",
    "self_attn.q_proj": "Residual_1.SelfAttention.Distribute.Linear_1", "self_attn.k_proj": "Residual_1.SelfAttention.Distribute.Linear_2",
    "self_attn.v_proj": "Residual_1.SelfAttention.Distribute.Linear_3", "mlp.fc1": "Residual_2.FeedForward.Linear_1", "mlp.fc2": "Residual_2.FeedForward.Linear_2",
}
PERCEIVER = {
    "0.norm1": "Residual_1.PerceiverAttention.Distribute.LayerNorm_1", "0.norm2": "Residual_1.PerceiverAttention.Distribute.LayerNorm_2",
    "0.to_kv": "Residual_1.PerceiverAttention.Parallel.Chain_1.Linear", "0.to_q": "Residual_1.PerceiverAttention.Parallel.Chain_2.Linear",
    "0.to_out": "Residual_1.PerceiverAttention.Linear", "1.0": "Residual_2.LayerNorm", "1.1": "Residual_2.FeedForward.Linear_1", "1.3": "Residual_2.FeedForward.Linear_2",
}


def encoder():
    weights = {k: v.float() for k, v in safetensors.torch.load_file(ip_adapter.ADAPTER / "image_encoder" / "model.safetensors").items()}
    whole = CLIPImageEncoder(image_size=64, embedding_dim=96, output_dim=96, patch_size=8, num_layers=4, num_attention_heads=3, feedforward_dim=384)
    state = {
        "ViTEmbeddings.Concatenate.ClassToken.Parameter.weight": weights.pop("vision_model.embeddings.class_embedding")[None],
        "ViTEmbeddings.Concatenate.Chain.PatchEncoder.Conv2d.weight": weights.pop("vision_model.embeddings.patch_embedding.weight"),
        "ViTEmbeddings.Residual.PositionalEncoder.Embedding.weight": weights.pop("vision_model.embeddings.position_embedding.weight"),
        "Linear.weight": weights.pop("visual_projection.weight"),
    }
    for name, value in weights.items():
        name = name.removeprefix("vision_model.")
        if name.startswith("encoder.layers."):
            _, _, i, rest = name.split(".", 3)
            layer, kind = rest.rsplit(".", 1)
            state[f"Chain.TransformerLayer_{int(i) + 1}.{LAYER[layer]}.{kind}"] = value
        else:
            layer, kind = name.rsplit(".", 1)
            state[{"pre_layrnorm": "LayerNorm_1", "post_layernorm": "LayerNorm_2"}[layer] + "." + kind] = value
    whole.load_state_dict(state, strict=True)
    grid = whole.structural_copy()  # as convert_to_grid_features, which asks for 32 layers
    for _ in range(3):
        grid.pop()
    grid[-1].pop()
    return whole, grid


def resampler():
    weights = safetensors.torch.load_file(ip_adapter.ADAPTER / "ip-adapter-plus.safetensors")
    module = PerceiverResampler(
        latents_dim=128, num_attention_layers=4, num_attention_heads=2, head_dim=64, num_tokens=16, input_dim=96, output_dim=160
    )
    ends = {"proj_in": "Linear_1", "proj_out": "Linear_2", "norm_out": "LayerNorm"}
    state = {"LatentsToken.Parameter.weight": weights["image_proj.latents"][0]}
    for name, value in weights.items():
        if not name.startswith("image_proj.") or name == "image_proj.latents":
            continue
        layer, kind = name.removeprefix("image_proj.").rsplit(".", 1)
        if layer.startswith("layers."):
            _, i, rest = layer.split(".", 2)
            state[f"Transformer.TransformerLayer_{int(i) + 1}.{PERCEIVER[rest]}.{kind}"] = value
        else:
            state[f"{ends[layer]}.{kind}"] = value
    module.load_state_dict({k: v.float() for k, v in state.items()}, strict=True)
    return module


def projection():
    module = ImageProjection(clip_image_embedding_dim=96, clip_text_embedding_dim=160, num_tokens=4)
    base = ip_adapter.base_adapter(160, 96)
    module.load_state_dict({
        "Linear.weight": base["proj.weight"], "Linear.bias": base["proj.bias"],
        "LayerNorm.weight": base["norm.weight"], "LayerNorm.bias": base["norm.bias"],
    }, strict=True)
    return module


def main():
    whole, grid = encoder()
    pictures = ip_adapter.pictures()
    target = types.SimpleNamespace(device="cpu", dtype=torch.float32)
    out = {}
    for name, project, fine in (("plus", resampler(), True), ("base", projection(), False)):
        adapter = types.SimpleNamespace(target=target, clip_image_encoder=whole, grid_image_encoder=grid, image_proj=project, fine_grained=fine)
        pixels = torch.cat([IPAdapter.preprocess_image(adapter, picture, size=(64, 64)) for picture in pictures])
        adapter._compute_clip_image_embedding = lambda images: IPAdapter._compute_clip_image_embedding(adapter, images)
        both = IPAdapter.compute_clip_image_embedding(adapter, pixels, weights=list(ip_adapter.WEIGHTS))
        out[f"{name}.none"], out[f"{name}.tokens"] = both.chunk(2)
    out |= {"pixels": pixels, "hidden": grid(pixels), "zero_hidden": grid(torch.zeros_like(pixels[:1])), "embeds": whole(pixels)}
    reference.save(
        reference.TESTDATA / "castle" / "ip_adapter_refiners.safetensors", out, __file__, refiners=importlib.metadata.version("refiners"), weights=ip_adapter.WEIGHTS,
    )


if __name__ == "__main__":
    main()
