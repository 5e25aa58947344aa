"""internal/picture/testdata: small files in every format that is read, and what Pillow makes of them (digests of RGB bytes); its resizes.

Run it as `python internal/tools/goldens/picture.py`; the versions of Pillow and of its libraries stand in picture.json.
"""

import hashlib
import io
import re
import struct
import warnings
import zlib

import jpegfile
import numpy
import reference
from PIL import Image, ImageOps, PngImagePlugin, features

PACKAGE = reference.ROOT / "internal" / "picture"
FILES = PACKAGE / "testdata" / "files"
FLAT = numpy.full(64, 4)
STEEP = numpy.clip(2 + 3 * (numpy.arange(64) // 8 + numpy.arange(64) % 8), 1, 255)


def noise(width, height, channels=3, seed=0):
    """Bytes of a hash of the index; the Go tests make the same."""
    i = numpy.arange(width * height * channels, dtype=numpy.uint64) + numpy.uint64(seed * 7919)
    v = i * numpy.uint64(2654435761) & numpy.uint64(0xFFFFFFFF)
    v = (v ^ v >> numpy.uint64(15)) * numpy.uint64(2246822519) & numpy.uint64(0xFFFFFFFF)
    return (v >> numpy.uint64(24)).astype(numpy.uint8).reshape(height, width, channels)


def scene(width, height, seed=0):
    """Gradients, a disc, stripes and some noise: what a codec sees in a photograph, in small."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    out = numpy.stack([x / width * 255, y / height * 255, 255 - (x + y) / (width + height) * 255], axis=2)
    disc = (x - width / 3) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2
    out[disc] = [230, 40, 20]
    out[(x // 3 % 2 == 0) & (x > 0.7 * width)] = [20, 30, 220]
    out += (noise(width, height, 3, seed).astype(float) - 128) / 8
    return numpy.clip(numpy.round(out), 0, 255).astype(numpy.uint8)


def sha(data):
    return hashlib.sha256(bytes(data)).hexdigest()


def describe(name, data, transparent=None):
    """What Pillow reads: the digest of convert("RGB") and, where they differ, of the picture turned by EXIF and of the one on white.

    transparent is the mask of pixels that are so by the PNG standard, for files where Pillow finds others.
    """
    image = Image.open(io.BytesIO(data))
    rgb = image.convert("RGB")
    row = {"name": name, "mode": image.mode, "size": list(rgb.size), "rgb": sha(rgb.tobytes())}
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    if turned.tobytes() != rgb.tobytes() or turned.size != rgb.size:
        row["turned"], row["turned_size"] = sha(turned.tobytes()), list(turned.size)
    rgba = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if transparent is not None:
        white = Image.fromarray(numpy.where(transparent[..., None], 255, numpy.array(rgb)).astype(numpy.uint8))
    if white.tobytes() != rgb.tobytes():
        row["white"] = sha(white.tobytes())
    return row


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + head + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def png(width, height, depth, kind, raw_rows, interlace=0, extra=()):
    """A PNG of packed rows (unfiltered); interlaced ones are given their seven passes one after the other."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace))
    for name, body in extra:
        out += chunk(name, body)
    return out + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in raw_rows), 9)) + chunk(b"IEND", b"")


def packed(samples, depth):
    """Rows of samples [height, n] as bytes."""
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in samples]
    if depth == 8:
        return [row.astype(numpy.uint8).tobytes() for row in samples]
    bits = (samples[..., None] >> numpy.arange(depth - 1, -1, -1) & 1).reshape(samples.shape[0], -1)
    return [numpy.packbits(row.astype(numpy.uint8)).tobytes() for row in bits]


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png_files():
    w, h = 37, 23
    palette = noise(256, 1, 3, 5).tobytes()
    for kind, channels, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (3, 1, (1, 2, 4, 8)), (4, 2, (8, 16)), (6, 4, (8, 16))):
        for depth in depths:
            wide = noise(w, h, 2 * channels, kind * 16 + depth).astype(int).reshape(h, w, channels, 2)
            samples = (wide[..., 0] << 8 | wide[..., 1]) >> (16 - depth)
            if kind == 0 and depth == 16:
                samples[: h // 2] >>= 8  # where the clip to 255 shows
            extra = [(b"PLTE", palette[: 3 << depth])] if kind == 3 else []
            rows = packed(samples.reshape(h, -1), depth)
            yield f"png-{kind}-{depth}.png", png(w, h, depth, kind, rows, 0, extra)
            passes = [samples[y::dy, x::dx].reshape(len(range(y, h, dy)), -1) for x, y, dx, dy in ADAM7]
            rows = [row for part in passes if part.size for row in packed(part, depth)]
            yield f"png-{kind}-{depth}-interlaced.png", png(w, h, depth, kind, rows, 1, extra)
    indices = noise(w, h, 1, 3)[..., 0] >> 4
    yield "png-palette-alpha.png", png(w, h, 4, 3, packed(indices.astype(int), 4), 0, [(b"PLTE", palette[:48]), (b"tRNS", bytes(range(0, 160, 16)))])
    one = b"\xff\xff\xff\0\xff"  # which Pillow keeps as the number of an entry
    yield "png-palette-transparent.png", png(w, h, 4, 3, packed(indices.astype(int), 4), 0, [(b"PLTE", palette[:48]), (b"tRNS", one)])
    yield "png-palette-short.png", png(w, h, 4, 3, packed(indices.astype(int), 4), 0, [(b"PLTE", palette[:30])])
    gray = noise(w, h, 1, 4)[..., 0].astype(int)
    yield "png-gray-transparent.png", png(w, h, 8, 0, packed(gray & 7, 8), 0, [(b"tRNS", b"\0\x05")])
    for depth in (1, 2, 4, 16):
        key = {1: 1, 2: 2, 4: 5, 16: 0x1200}[depth]
        samples = noise(w, h, 1, depth)[..., 0].astype(int) >> max(0, 8 - depth)
        samples[3:5], samples[5] = key, 0
        data = png(w, h, depth, 0, packed(samples, depth), 0, [(b"tRNS", struct.pack(">H", key))])
        yield f"png-gray-transparent-{depth}.png", data, samples == key
    samples = noise(w, h, 3, 16).astype(int) << 8 | noise(w, h, 3, 17)
    key = numpy.array([0x1234, 0x5678, 0x9ABC])
    samples[2:4], samples[4:7] = key, [0x3400, 0x7800, 0xBC00]  # Pillow compares high bytes with the key's low ones
    data = png(w, h, 16, 2, packed(samples.reshape(h, -1), 16), 0, [(b"tRNS", struct.pack(">3H", *map(int, key)))])
    yield "png-rgb-transparent-16.png", data, (samples == key).all(axis=2)
    rgb = (noise(w, h, 3, 6) >> 6 << 6).astype(int)
    yield "png-rgb-transparent.png", png(w, h, 8, 2, packed(rgb.reshape(h, -1), 8), 0, [(b"tRNS", struct.pack(">3H", *map(int, rgb[0, 0])))])
    base = Image.fromarray(scene(32, 20))
    for turn in range(1, 9):
        yield f"png-turn-{turn}.png", saved(base, "PNG", exif=exif(turn))
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>', zip=True)
    yield "png-turn-xmp.png", saved(base, "PNG", pnginfo=info)
    info = PngImagePlugin.PngInfo()
    raw = exif(8, ">")[6:].hex()
    info.add_text("Raw profile type exif", f"\nexif\n{len(raw) // 2:8}\n{raw}\n", zip=True)
    yield "png-turn-raw-profile.png", saved(base, "PNG", pnginfo=info)
    yield "png-filters.png", saved(Image.fromarray(scene(61, 47)), "PNG", optimize=True)


def jpeg_files():
    for w, h in ((64, 48), (37, 23), (16, 16), (8, 8), (1, 1), (2, 2), (3, 5), (5, 3), (4, 1), (1, 9), (17, 33)):
        picture = Image.fromarray(scene(w, h, w))
        for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
            yield f"jpeg-{name}-{w}x{h}.jpg", saved(picture, "JPEG", quality=85, subsampling=sampling)
            yield f"jpeg-{name}-{w}x{h}-progressive.jpg", saved(picture, "JPEG", quality=85, subsampling=sampling, progressive=True)
    big = Image.fromarray(scene(211, 150, 9))
    for quality in (5, 40, 75, 95, 100):
        yield f"jpeg-quality-{quality}.jpg", saved(big, "JPEG", quality=quality)
    yield "jpeg-optimized.jpg", saved(big, "JPEG", quality=92, subsampling=0, optimize=True)
    yield "jpeg-restart.jpg", saved(big, "JPEG", restart_marker_blocks=3)
    yield "jpeg-restart-progressive.jpg", saved(big, "JPEG", restart_marker_rows=1, progressive=True)
    gray = big.convert("L")
    yield "jpeg-gray.jpg", saved(gray, "JPEG")
    yield "jpeg-gray-progressive.jpg", saved(gray, "JPEG", progressive=True, quality=60)
    cmyk = Image.fromarray(noise(45, 29, 4, 2) // 2 + scene(45, 29)[..., :1] // 2)
    cmyk = Image.frombytes("CMYK", cmyk.size, cmyk.tobytes())
    yield "jpeg-cmyk.jpg", saved(cmyk, "JPEG", quality=90)
    yield "jpeg-noise.jpg", saved(Image.fromarray(noise(90, 70)), "JPEG", quality=90)
    base = Image.fromarray(scene(32, 20))
    for turn in range(0, 10):
        yield f"jpeg-turn-{turn}.jpg", saved(base, "JPEG", exif=exif(turn, "<>"[turn % 2]))
    xmp = b"http://ns.adobe.com/xap/1.0/\0<tiff:Orientation>3</tiff:Orientation>"
    plain = saved(base, "JPEG")
    yield "jpeg-turn-xmp.jpg", plain[:2] + jpegfile.segment(0xE1, xmp) + plain[2:]
    yield from written_files()


def written_files():
    """Files of our own writer."""
    planes = [noise(w, h, 1, 7 + k)[..., 0] // 4 + scene(w, h, 3)[..., k] // 4 * 3 for w, h, k in ((53, 39, 0), (53, 39, 1), (53, 39, 2))]
    four = planes + [255 - planes[0] // 2]
    one, two = (1, 1), (2, 2)
    for name, sampling in {
        "440": [(1, 2), one, one], "411": [(4, 1), one, one], "410": [(4, 2), one, one], "441": [(1, 4), one, one], "420": [two, one, one],
        "422": [(2, 1), one, one], "444-as-12": [(1, 2), (1, 2), (1, 2)], "mixed": [two, (2, 1), (1, 2)], "chroma-finer": [one, two, two],
        "311": [(3, 1), one, one], "242": [(2, 4), one, one], "142": [(1, 4), (1, 2), (1, 2)], "444": [one, one, one],
    }.items():  # fmt: skip
        yield f"jpeg-own-{name}.jpg", jpegfile.write(planes, sampling, STEEP)
        yield f"jpeg-own-{name}-scans.jpg", jpegfile.write(planes, sampling, STEEP, interleaved=False, restart=5)
    for w, h in ((1, 1), (2, 3), (3, 2), (5, 17), (33, 16)):
        small = [noise(w, h, 1, 20 + k)[..., 0] for k in range(3)]
        for name, sampling in (("440", (1, 2)), ("411", (4, 1)), ("420", two)):
            yield f"jpeg-own-{name}-{w}x{h}.jpg", jpegfile.write(small, [sampling, one, one], FLAT)
    yield "jpeg-own-gray-22.jpg", jpegfile.write(planes[:1], [two], FLAT)
    yield "jpeg-own-restart.jpg", jpegfile.write(planes, [two, one, one], FLAT, restart=2)
    yield "jpeg-own-rgb.jpg", jpegfile.write(planes, [one] * 3, FLAT, ids=[82, 71, 66])
    yield "jpeg-own-rgb-jfif.jpg", jpegfile.write(planes, [one] * 3, FLAT, ids=[82, 71, 66], jfif=True)
    yield "jpeg-own-jfif-adobe.jpg", jpegfile.write(planes, [one] * 3, FLAT, jfif=True, adobe=0)
    yield "jpeg-own-ids.jpg", jpegfile.write(planes, [one] * 3, FLAT, ids=[0, 1, 2])
    for adobe in (0, 1, 2):
        yield f"jpeg-own-adobe-{adobe}.jpg", jpegfile.write(planes, [one] * 3, FLAT, adobe=adobe)
        yield f"jpeg-own-four-adobe-{adobe}.jpg", jpegfile.write(four, [two, one, one, two], FLAT, adobe=adobe)
    yield "jpeg-own-four.jpg", jpegfile.write(four, [one] * 4, FLAT)
    yield "jpeg-own-table16.jpg", jpegfile.write(planes, [one] * 3, STEEP * 40, wide_table=True, sof=0xC1)
    for k, scale in enumerate((1, 9, 60, 255, 3000, 65535)):
        random = numpy.random.default_rng(k)
        data = jpegfile.write(planes, [two, one, one], numpy.full(64, scale), extremes=random, wide_table=scale > 255, sof=0xC1)
        yield f"jpeg-own-extreme-{k}.jpg", data
    only = numpy.arange(64) < 8  # the first row of a block: its columns are constant
    data = jpegfile.write(planes, [one] * 3, numpy.full(64, 255), extremes=numpy.random.default_rng(9), only=only)
    yield "jpeg-own-extreme-row.jpg", data


def webp_files():
    for w, h in ((64, 48), (37, 23), (1, 1), (2, 2), (3, 5), (17, 16), (16, 17), (50, 1), (1, 50)):
        picture = Image.fromarray(scene(w, h, w))
        yield f"webp-{w}x{h}.webp", saved(picture, "WEBP", quality=80)
        yield f"webp-{w}x{h}-lossless.webp", saved(picture, "WEBP", lossless=True)
    for quality in (1, 30, 60, 95, 100):
        yield f"webp-quality-{quality}.webp", saved(Image.fromarray(scene(150, 101, 9)), "WEBP", quality=quality, method=4)
    yield "webp-noise.webp", saved(Image.fromarray(noise(70, 60)), "WEBP", quality=90)
    rgba = Image.fromarray(numpy.concatenate([scene(45, 31), noise(45, 31, 1, 1)], axis=2))
    smooth = Image.fromarray(numpy.concatenate([scene(45, 31), scene(45, 31, 4)[..., :1]], axis=2))
    yield "webp-alpha.webp", saved(rgba, "WEBP", quality=70)
    yield "webp-alpha-smooth.webp", saved(smooth, "WEBP", quality=70, alpha_quality=60)
    yield "webp-alpha-lossless.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    opaque = bytearray(saved(rgba, "WEBP", lossless=True, exact=True))
    opaque[opaque.index(b"VP8L") + 12] &= ~0x10  # the bit that says that alpha counts
    yield "webp-alpha-denied.webp", bytes(opaque)
    yield "webp-few-colours.webp", saved(rgba.convert("RGB").quantize(7).convert("RGB"), "WEBP", lossless=True)
    yield "webp-turn.webp", saved(Image.fromarray(scene(40, 30)), "WEBP", exif=exif(6))
    frames = [Image.fromarray(scene(40, 30, k)) for k in (1, 2)]
    yield "webp-animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=70)
    yield "webp-animated-alpha.webp", saved(smooth, "WEBP", save_all=True, append_images=[rgba], lossless=True)


def bad_files():
    """Files that Pillow refuses (or reads as damaged), with a word that our error has."""
    whole = {"png": saved(Image.fromarray(scene(61, 47)), "PNG"), "jpg": jpegfile.write([noise(40, 40, 1)[..., 0]], [(1, 1)], FLAT)}
    whole["webp"] = saved(Image.fromarray(scene(61, 47)), "WEBP", quality=80)
    whole["lossless.webp"] = saved(Image.fromarray(scene(61, 47)), "WEBP", lossless=True)
    whole["progressive.jpg"] = saved(Image.fromarray(scene(61, 47)), "JPEG", progressive=True)
    for name, data in whole.items():
        for part in (0.3, 0.6, 0.95):
            yield f"short-{int(part * 100)}-{name}", data[: int(part * len(data))], "cut short"
    yield "bomb.png", png(60000, 60000, 8, 2, [b""]), "60000 x 60000"
    yield "bomb.jpg", jpegfile.write([noise(8, 8, 1)[..., 0]], [(1, 1)], FLAT).replace(b"\0\x08\0\x08\1", b"\xf0\0\xf0\0\1"), "61440 x 61440"
    yield "promise.png", png(9000, 9000, 8, 2, [b""]), "cut short"
    yield "promise.jpg", jpegfile.write([noise(8, 8, 1)[..., 0]], [(1, 1)], FLAT).replace(b"\0\x08\0\x08\1", b"\x20\0\x20\0\1"), "cut short"
    yield "twelve-bit.jpg", jpegfile.write([noise(8, 8, 1)[..., 0]], [(1, 1)], FLAT, precision=12, sof=0xC1), "12-bit"
    yield "arithmetic.jpg", jpegfile.write([noise(8, 8, 1)[..., 0]], [(1, 1)], FLAT, sof=0xC9), "arithmetic"
    yield "lossless.jpg", jpegfile.write([noise(8, 8, 1)[..., 0]], [(1, 1)], FLAT, sof=0xC3), "lossless"
    yield "damaged.png", whole["png"][:200] + b"\0\1\2\3" + whole["png"][204:], "invalid format"
    yield "picture.gif", saved(Image.fromarray(scene(8, 8)), "GIF"), "a GIF"
    yield "picture.bmp", saved(Image.fromarray(scene(8, 8)), "BMP"), "a BMP"
    yield "empty.png", b"", "empty"
    yield "text.png", b"not a picture", "not a picture"


SIZES = [
    (1, 1, 1, 1), (1, 1, 7, 5), (7, 5, 1, 1), (5, 7, 5, 9), (5, 7, 9, 7), (64, 48, 32, 24), (64, 48, 224, 224), (37, 23, 224, 224), (224, 224, 224, 224),
    (225, 223, 224, 224), (448, 448, 224, 224), (449, 447, 224, 224), (640, 480, 224, 224), (300, 1000, 64, 64), (1000, 300, 64, 64), (100, 400, 60, 50),
    (100, 180, 60, 100), (100, 181, 60, 100), (100, 140, 60, 60), (80, 160, 80, 20), (160, 80, 20, 80), (3, 200, 3, 1), (200, 3, 1, 3), (2, 2, 101, 99),
    (13, 17, 19, 11), (255, 256, 257, 258), (99, 101, 98, 102), (31, 500, 62, 17), (500, 31, 17, 62), (777, 611, 64, 64), (64, 64, 64, 63), (50, 50, 333, 2),
    (1554, 1593, 224, 224),
]  # fmt: skip


def resizes():
    for k, (w, h, to_w, to_h) in enumerate(SIZES):
        out = Image.fromarray(noise(w, h, 3, k)).resize((to_w, to_h))
        yield {"seed": k, "from": [w, h], "to": [to_w, to_h], "rgb": sha(out.tobytes())}


def main():
    FILES.mkdir(parents=True, exist_ok=True)
    for old in FILES.iterdir():
        old.unlink()
    warnings.simplefilter("ignore")
    files, bad, total = [], [], 0
    for made in (png_files(), jpeg_files(), webp_files()):
        for name, data, *transparent in made:
            (FILES / name).write_bytes(data)
            files.append(describe(name, data, *transparent))
            total += len(data)
    for name, data, word in bad_files():
        (FILES / name).write_bytes(data)
        try:
            Image.open(io.BytesIO(data)).convert("RGB")
            pillow = "reads it"
        except Exception as e:
            pillow = re.sub(r"<_io.BytesIO object at 0x[0-9a-f]+>", "FILE", f"{type(e).__name__}: {e}")
        bad.append({"name": name, "says": word, "pillow": pillow})
        total += len(data)
    libraries = {name: features.version(name) for name in ("pil", "libjpeg_turbo", "webp", "zlib_ng")}
    value = {"libraries": libraries, "files": files, "bad": bad, "resizes": list(resizes())}
    reference.save_json(PACKAGE / "testdata" / "picture.json", value, __file__)
    print(f"{len(files)} files and {len(bad)} bad ones, {total:,} bytes")


if __name__ == "__main__":
    main()
