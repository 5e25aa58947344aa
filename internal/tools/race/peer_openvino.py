"""OpenVINO as a peer of race.py: peer_openvino.py PART BATCH SIZE PRECISION THREADS FOLDER; FOLDER holds the parts that

    python peer_openvino.py export MODEL FOLDER

has made of diffusers' model, in fp16 (12 GB of memory). Shapes are set before a part is compiled, and its precision is a hint.
"""

import gc
import pathlib
import sys
import time

STARTED = time.perf_counter()

import numpy  # noqa: E402
import openvino  # noqa: E402
import turns  # noqa: E402


def export(model, folder):
    """Writes the parts as OpenVINO's files; a part that is there is not written again."""
    import diffusers
    import torch
    import transformers
    from openvino.frontend.pytorch.patch_model import __make_16bit_traceable as keep_half

    class UNet(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, sample, timestep, context, pooled, sizes):
            return self.net(sample, timestep, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}, return_dict=False)[0]

    class Decoder(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, latents):
            return self.net.decode(latents, return_dict=False)[0]

    class Text(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, ids):
            out = self.net(ids, output_hidden_states=True)
            return out.hidden_states[-2], out[0]

    def ones(*shape):
        return torch.ones(shape)

    parts = {
        "unet": (lambda: UNet(diffusers.UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float16)),
                 (ones(2, 4, 16, 16), torch.tensor(981.0), ones(2, 77, 2048), ones(2, 1280), ones(2, 6))),
        "vae": (lambda: Decoder(diffusers.AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32)), (ones(1, 4, 16, 16),)),
        "text_encoder": (lambda: Text(transformers.CLIPTextModel.from_pretrained(model / "text_encoder", torch_dtype=torch.float32)),
                         (torch.arange(77).repeat(2, 1),)),
        "text_encoder_2": (lambda: Text(transformers.CLIPTextModelWithProjection.from_pretrained(model / "text_encoder_2", torch_dtype=torch.float32)),
                           (torch.arange(77).repeat(2, 1),)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (make, example) in parts.items():
        if (folder / f"{name}.xml").exists():
            continue
        net = make().eval()
        if name == "unet":
            keep_half(net)
        with torch.no_grad():
            converted = openvino.convert_model(net, example_input=example)
        openvino.save_model(converted, folder / f"{name}.new.xml", compress_to_fp16=True)
        (folder / f"{name}.new.bin").rename(folder / f"{name}.bin")
        (folder / f"{name}.new.xml").rename(folder / f"{name}.xml")
        print(name, "written", flush=True)
        del net, converted
        gc.collect()


def shapes(part, batch, size):
    """Of the inputs, in order."""
    side = size // 8
    return {"unet": [(batch, 4, side, side), (), (batch, 77, 2048), (batch, 1280), (batch, 6)], "vae": [(batch, 4, side, side)]}.get(part, [(batch, 77)])


def load(folder, part, batch, size, precision, threads):
    """A part, compiled for its shapes, with its inputs: a function that runs it."""
    core = openvino.Core()
    model = core.read_model(folder / f"{part}.xml")
    sizes = shapes(part, batch, size)
    model.reshape({port: openvino.PartialShape(list(s)) for port, s in zip(model.inputs, sizes)})
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[precision], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
    })
    request = compiled.create_infer_request()
    random = numpy.random.default_rng(1)
    inputs = []
    for port, shape in zip(model.inputs, sizes):
        if port.element_type.is_real():
            inputs.append(random.standard_normal(shape).astype(port.element_type.to_dtype()))
        else:
            inputs.append(numpy.broadcast_to(numpy.arange(shape[-1]), shape).astype(port.element_type.to_dtype()))
    return lambda: request.infer(inputs, share_inputs=True)


def main():
    if sys.argv[1] == "export":
        return export(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    part, batch, size, precision, threads, folder = sys.argv[1:]
    names = ["text_encoder", "text_encoder_2"] if part == "text" else [part]
    runs = [load(pathlib.Path(folder), name, int(batch), int(size), precision, int(threads)) for name in names]

    def run():
        for each in runs:
            each()

    turns.answer(f"OpenVINO {precision}", {"openvino": openvino.__version__}, STARTED, run)


if __name__ == "__main__":
    main()
