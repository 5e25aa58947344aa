"""public.json: what transformers' CLIPTokenizer makes of many texts with OpenAI's vocabulary, which the Go package embeds."""

import gzip
import json
import pathlib
import tempfile

import reference
import blocks
import transformers

PACKAGE = reference.ROOT / "internal" / "sdxl" / "tokenizer"

SCRIPTS = [
    "\u0391\u0392\u0393 \u03ac\u03ad\u03ae", "\u0531\u0532 \u0561\u0562", "\u05e9\u05dc\u05d5\u05dd", "\u0e1b\u0e23\u0e32\u0e2a\u0e32\u0e17", "\u10d0\u10d1\u10d2",
    "\u1e9e gro\u00df STRASSE", "\ua732\ua733 \u0186", "\u0928\u092e\u0938\u094d\u0924\u0947", "\uff71\uff72 \u30a2\u30a4 \u3042\u3044", "\uc548\ub155 \u1112\u1161\u11ab",
    "x\u00b2 y\u2083 \u2460\u2461 \u0be7 \u0967", "\u00bc cup \u2153", "tab\tnewline\nreturn\rfeed\x0cvertical\x0b", "\u2028line\u2029para\u0085next", "a\u0300\u0301 o\u0308",
    "\u1ea4\u1ea5 e\u0323\u0302", "\U0001d504\U0001d505 math", "\U0001f600\U0001f3ff\u200d\u2640\ufe0f", "\u00adsoft\u00adhyphen", "\ufeffbom",
    "it\u2019s don\u2019t", "'s 't 're 've 'm 'll 'd", "''s x''t", "'S 'LL", "rock&roll @home #1 $5.99", "e-mail_address@example.com", "http://a.b/c?d=e&f=g",
    "1st 2nd 3rd 100th 4x4 h264", "((((weighted:1.3))), [less]", "a" * 1000, "ab" * 100, "!!!!", "?!?!?!", "...", "\u2026\u2026", "---", "<|endoftext|><|startoftext|>",
    "<|EndOfText|> <|STARTOFTEXT|>", "< |endoftext| >", "<|endoftext|", "photo of <lora:x:0.8> castle", "\u0130\u0131\u017f\u212a\u212b", "\u01c5\u01c8 \u1f88",
]

PADS = {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}


def public_tokenizer(path, pad):
    """Writes a tokenizer folder with OpenAI's vocabulary, which the Go package embeds, and opens it with transformers."""
    merges = gzip.decompress((PACKAGE / "public" / "merges.txt.gz").read_bytes()).decode()
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges.splitlines()] + ["<|startoftext|>", "<|endoftext|>"]
    path.mkdir()
    (path / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (path / "merges.txt").write_text("#version: 0.2\n" + merges)
    whole = {"content": "<|startoftext|>", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "special": True}
    decoder = {"49406": whole, "49407": dict(whole, content="<|endoftext|>")}
    if pad == "!":
        decoder["0"] = dict(whole, content="!", normalized=False)
    (path / "tokenizer_config.json").write_text(json.dumps({
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad,
        "added_tokens_decoder": decoder, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}))
    return transformers.CLIPTokenizer.from_pretrained(path)


def main():
    texts = [*reference.PROMPTS.values(), *blocks.TOKEN_TEXTS, *SCRIPTS]
    texts += [f"{a} {b}{c}" for a in ("A", "the", "two 2") for b in ("castle's", "na\u00efve", "tower-house", "\u57ce\u5821") for c in ("", "!", ", 4k", " \U0001f3f0", "'ve")]
    with tempfile.TemporaryDirectory() as folder:
        made = {key: public_tokenizer(pathlib.Path(folder) / key, pad) for key, pad in PADS.items()}
    rows = []
    for text in texts:
        row = {"text": text}
        for key, tokenizer in made.items():
            row[key] = " ".join(map(str, tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids))
            row[key + "_whole"] = " ".join(map(str, tokenizer(text).input_ids))
        rows.append(row)
    reference.save_json(PACKAGE / "testdata" / "public.json", {"rows": rows}, __file__)


if __name__ == "__main__":
    main()
