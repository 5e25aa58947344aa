"""How flow's times grow with the picture and with threads: growth.py MODEL WORK [--sizes 512,768,1024,2048] [--threads 1,2] [--parts unet,vae]

MODEL and WORK are those of race.py. Each cell is the median of three runs after one that does not count; above 1024 it is one run, the first. One evaluation of the
UNet has batch 1 in bf16; decoding is in fp32.
"""

import argparse
import pathlib
import statistics

from contender import Stable
from machine import machine


def cell(stable, part, size, threads):
    """Median seconds of runs, and the peak of memory in bytes."""
    row = {"part": part, "batch": 1, "size": size, "precision": "fp32" if part == "vae" else "bf16"}
    with stable.flow(row, threads) as flow:
        if size <= 1024:
            flow.run()
        seconds = [flow.run()["seconds"] for _ in range(3 if size <= 1024 else 1)]
    return statistics.median(seconds), flow.peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--sizes", default="512,768,1024,2048")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--parts", default="unet,vae")
    options = parser.parse_args()
    threads = [int(t) for t in options.threads.split(",")]
    stable = Stable(options.model.resolve(), options.work.resolve(), threads[-1])
    print(machine(), flush=True)
    heads = [f"{t} thread{'s' * (t > 1)}" for t in threads]
    print(f"\n| part | size | {' | '.join(heads)} | peak |\n|---|--:|{'--:|' * len(heads)}--:|", flush=True)
    for part in options.parts.split(","):
        for size in (int(s) for s in options.sizes.split(",")):
            cells = [cell(stable, part, size, t) for t in threads]
            print(f"| {part} | {size}x{size} | {' | '.join(f'{s:.2f} s' for s, _ in cells)} | {max(p for _, p in cells) / 1e9:.1f} GB |", flush=True)
    print(machine(), flush=True)


if __name__ == "__main__":
    main()
