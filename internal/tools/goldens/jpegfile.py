"""A small baseline JPEG writer, for what Pillow's own encoder cannot write: any sampling, component numbers, segments, scans and coefficients."""

import struct

import numpy

ZIGZAG = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
]  # fmt: skip
# every code has one length: 4 bits for the 12 classes of means, 8 bits for the 162 symbols of the rest
DC = list(range(12))
AC = [0x00, 0xF0] + [run << 4 | size for run in range(16) for size in range(1, 11)]


def segment(marker, body):
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


class Bits:
    def __init__(self):
        self.acc, self.n, self.out = 0, 0, bytearray()

    def put(self, value, size):
        self.acc, self.n = self.acc << size | value, self.n + size
        while self.n >= 8:
            self.n -= 8
            byte = self.acc >> self.n & 255
            self.out += bytes([byte, 0]) if byte == 255 else bytes([byte])
        self.acc &= (1 << self.n) - 1

    def end(self):
        if self.n:
            self.put((1 << 8 - self.n) - 1, 8 - self.n)
        done, self.out = bytes(self.out), bytearray()
        return done

    def number(self, value):
        size = int(abs(value)).bit_length()
        return size, (value if value >= 0 else value + (1 << size) - 1)

    def block(self, block, prediction):
        scan = [int(block[k]) for k in ZIGZAG]
        size, value = self.number(scan[0] - prediction)
        self.put(DC.index(size), 4)
        self.put(value, size)
        run = 0
        last = max((k for k in range(1, 64) if scan[k]), default=0)
        for k in range(1, last + 1):
            if scan[k] == 0:
                run += 1
                continue
            while run > 15:
                self.put(AC.index(0xF0), 8)
                run -= 16
            size, value = self.number(scan[k])
            self.put(AC.index(run << 4 | size), 8)
            self.put(value, size)
            run = 0
        if last < 63:
            self.put(AC.index(0x00), 8)
        return scan[0]


def coefficients(plane, high, wide, quant):
    """The quantized transform of a plane, repeated to high x wide blocks: [high, wide, 64]."""
    plane = numpy.pad(plane.astype(float) - 128, ((0, high * 8 - plane.shape[0]), (0, wide * 8 - plane.shape[1])), mode="edge")
    n = numpy.arange(8)
    basis = numpy.cos((2 * n[None] + 1) * n[:, None] * numpy.pi / 16) * numpy.where(n == 0, numpy.sqrt(1 / 8), 0.5)[:, None]
    blocks = plane.reshape(high, 8, wide, 8).transpose(0, 2, 1, 3)
    out = basis @ blocks @ basis.T
    return numpy.round(out.reshape(high, wide, 64) / quant).astype(int)


def shrink(plane, down, across):
    high, wide = -(-plane.shape[0] // down), -(-plane.shape[1] // across)
    plane = numpy.pad(plane, ((0, high * down - plane.shape[0]), (0, wide * across - plane.shape[1])), mode="edge")
    return plane.reshape(high, down, wide, across).mean(axis=(1, 3))


def write(planes, sampling, quant, *, ids=None, jfif=False, adobe=None, restart=0, interleaved=True, precision=8, wide_table=False,
          extremes=None, only=True, before=b"", sof=0xC0):  # fmt: skip
    """A file of the planes (equal in size), each sampled (h, v). extremes: a random generator that
    replaces coefficients by any that can be; only: a mask of those that stay."""
    height, width = planes[0].shape
    ids = ids or list(range(1, len(planes) + 1))
    max_h, max_v = max(h for h, _ in sampling), max(v for _, v in sampling)
    mcus_wide, mcus_high = -(-width // (8 * max_h)), -(-height // (8 * max_v))
    out = b"\xff\xd8" + before
    if jfif:
        out += segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    if adobe is not None:
        out += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    table = [int(quant[k]) for k in ZIGZAG]
    out += segment(0xDB, b"\x10" + struct.pack(">64H", *table) if wide_table else b"\0" + bytes(table))
    frame = struct.pack(">BHHB", precision, height, width, len(planes))
    out += segment(sof, frame + b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, sampling)))
    out += segment(0xC4, b"\x00" + bytes([0, 0, 0, len(DC)] + [0] * 12) + bytes(DC))
    out += segment(0xC4, b"\x10" + bytes([0] * 7 + [len(AC)] + [0] * 8) + bytes(AC))
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    parts = []
    for plane, (h, v) in zip(planes, sampling):
        high, wide = mcus_high * v, mcus_wide * h
        blocks = coefficients(shrink(plane, max_v // v, max_h // h), high, wide, quant)
        if extremes is not None:
            wild = extremes.integers(-1023, 1024, blocks.shape)
            blocks = numpy.where(extremes.random(blocks.shape) < 0.3, wild, blocks) * only
        parts.append(blocks)
    scans = [list(range(len(planes)))] if interleaved and len(planes) > 1 else [[i] for i in range(len(planes))]
    for scan in scans:
        out += segment(0xDA, bytes([len(scan)]) + b"".join(bytes([ids[i], 0]) for i in scan) + b"\0\x3f\0")
        if len(scan) > 1:
            order = [
                [(i, y * sampling[i][1] + b // sampling[i][0], x * sampling[i][0] + b % sampling[i][0])
                 for i in scan for b in range(sampling[i][0] * sampling[i][1])]
                for y in range(mcus_high) for x in range(mcus_wide)
            ]  # fmt: skip
        else:
            h, v = sampling[scan[0]]
            rows, columns = -(-(-(-height * v // max_v)) // 8), -(-(-(-width * h // max_h)) // 8)
            order = [[(scan[0], y, x)] for y in range(rows) for x in range(columns)]
        bits, mean, count = Bits(), [0] * len(planes), 0
        for unit, mcu in enumerate(order):
            if restart and unit and unit % restart == 0:
                out += bits.end() + bytes([0xFF, 0xD0 + count % 8])
                mean, count = [0] * len(planes), count + 1
            for i, y, x in mcu:
                mean[i] = bits.block(parts[i][y, x], mean[i])
        out += bits.end()
    return out + b"\xff\xd9"
