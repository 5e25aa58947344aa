"""torch_cpu.json: torch.manual_seed(seed); torch.randn(n) on the CPU, as the bits of fp32 (values of half types widened)."""

import hashlib

import reference
import torch

PACKAGE = reference.ROOT / "internal" / "sdxl" / "noise"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SEEDS = [0, 1, 42, 2**32 - 1, 2**32 + 5, 2**63 - 1, 2**63, 2**64 - 1]


def main():
    rows = []
    for dtype, kind in DTYPES.items():
        for seed in SEEDS:
            for n in (1, 2, 5, 15, 16, 17, 31, 32, 33, 1000, 1024, 16387, 65536):
                # manual_seed takes -2^63 .. 2^64-1
                values = torch.randn(n, generator=torch.Generator("cpu").manual_seed(seed), dtype=kind).float()
                data = values.numpy().astype("<f4").tobytes()
                row = {"dtype": dtype, "seed": str(seed), "n": n, "sha256": hashlib.sha256(data).hexdigest()}
                if n <= 33:
                    row["bits"] = data.hex()
                rows.append(row)
    reference.save_json(PACKAGE / "testdata" / "torch_cpu.json", {"rows": rows}, __file__)


if __name__ == "__main__":
    main()
