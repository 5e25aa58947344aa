"""Files of torch.save in the forms in which weights are published, and the same tensors as safetensors.

Each file of internal/torchfile/testdata holds, under the same names, the tensors of tensors.safetensors (or those that its
name says), so that a reader can be compared byte by byte.
"""

import collections
import zipfile

import reference
import torch

OUT = reference.ROOT / "internal" / "torchfile" / "testdata"


def tensors():
    """A tensor of each element type, of rank 0 to 4, and one without elements."""
    torch.manual_seed(7)
    return collections.OrderedDict([
        ("conv.weight", torch.randn(3, 2, 3, 3).half()),
        ("conv.bias", torch.randn(3).half()),
        ("norm.weight", torch.randn(5).bfloat16()),
        ("linear.weight", torch.randn(4, 5)),
        ("double", torch.randn(2, 2, dtype=torch.float64)),
        ("ids", torch.arange(6).reshape(1, 6)),
        ("small", torch.arange(-3, 3, dtype=torch.int8)),
        ("bytes", torch.arange(4, dtype=torch.uint8)),
        ("int32", torch.arange(4, dtype=torch.int32)),
        ("int16", torch.arange(4, dtype=torch.int16)),
        ("flags", torch.tensor([True, False])),
        ("scalar", torch.tensor(1.5)),
        ("nothing", torch.zeros(0, 3)),
    ])


def write(name, value, **options):
    path = OUT / name
    torch.save(value, path, **options)
    print(f"{name}: {path.stat().st_size:,} bytes")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    plain = tensors()
    reference.save(OUT / "tensors.safetensors", plain, __file__)
    write("state_dict.bin", plain)
    write("legacy.bin", plain, _use_new_zipfile_serialization=False)
    write("parameters.bin", {k: torch.nn.Parameter(v, requires_grad=False) for k, v in plain.items()})
    write("checkpoint.ckpt", {"state_dict": plain, "epoch": 3, "global_step": 70000, "lr": 1e-4, "loops": [1, (2.5, None)], "other": {"w": torch.zeros(2)}})

    # Tensors that are views: parts of one storage, one storage under two names, permuted dimensions.
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    views = {"part": base[1], "row": base[2, 3], "twice": base, "again": base, "transposed": base.permute(2, 0, 1), "column": base[1].t()}
    write("views.bin", views)
    reference.save(OUT / "views.safetensors", views, __file__)
    write("gaps.bin", {"w": base[:, :, 0]})
    write("expanded.bin", {"w": torch.zeros(1, 3).expand(4, 3)})

    # As an IP-Adapter is published: dicts within a dict.
    write("nested.bin", {"image_proj": {"proj.weight": torch.ones(2, 2)}, "ip_adapter": {"1.to_k_ip.weight": torch.zeros(2, 3), "1.to_v_ip.weight": torch.ones(2, 3)}})
    # What must be refused: a module (its class is a global), a compiled model, protocol 4, a compressed archive.
    write("module.bin", torch.nn.Linear(2, 2))
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), OUT / "script.pt")
    write("protocol4.bin", {"w": torch.zeros(2)}, pickle_protocol=4)
    with zipfile.ZipFile(OUT / "nested.bin") as source, zipfile.ZipFile(OUT / "compressed.bin", "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(info.filename, source.read(info.filename))


if __name__ == "__main__":
    main()
