"""Times evaluations of the UNet by diffusers in bf16 and by flow in bf16, in turns, on the same files:

    python race.py DIR [BATCH SIDE ROUNDS]

DIR is made by fullsize.py; SIDE is that of the latents. Both keep their model loaded; a first evaluation of each is not counted. The last
line is the median ratio of diffusers to flow, by the clock and by processor time. 14 GB of memory are enough for 64x64 latents.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import diffusers
import reference
import torch


def main():
    folder = pathlib.Path(sys.argv[1])
    batch, side, rounds = (int(v) for v in (sys.argv[2:] or ("2", "64", "7")))
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.bfloat16).eval().to(memory_format=torch.channels_last)
    torch.manual_seed(1)
    inputs = {
        "sample": torch.randn(batch, 4, side, side).bfloat16().contiguous(memory_format=torch.channels_last), "timestep": 981,
        "encoder_hidden_states": torch.randn(batch, 77, 2048).bfloat16(),
        "added_cond_kwargs": {"text_embeds": torch.randn(batch, 1280).bfloat16(), "time_ids": torch.full((batch, 6), 512.0).bfloat16()},
    }

    def evaluate():
        started, used = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            unet(**inputs)
        return {"seconds": round(time.perf_counter() - started, 2), "cpu_seconds": round(time.process_time() - used, 2)}

    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}, {threads} threads each, batch {batch}, {side}x{side} latents", flush=True)
    with tempfile.TemporaryDirectory() as place:
        flow = pathlib.Path(place) / "unettime"
        subprocess.run(["go", "build", "-o", flow, "./internal/tools/unettime"], cwd=reference.ROOT, check=True)
        command = [flow, "-batch", str(batch), "-side", str(side), "-threads", str(threads), folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

            def ask():
                process.stdin.write("\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())

            evaluate(), ask()
            pairs = []
            for _ in range(rounds):
                pairs.append((evaluate(), ask()))
                print("diffusers", pairs[-1][0], "flow", pairs[-1][1], flush=True)
            process.stdin.close()
    for key in "seconds", "cpu_seconds":
        ratios = sorted(a[key] / b[key] for a, b in pairs)
        print(f"{key}: diffusers / flow {statistics.median(ratios):.2f}, of {ratios[0]:.2f} to {ratios[-1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
