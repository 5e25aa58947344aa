// Package tokenizer is CLIP's byte-level BPE (Radford et al., 2021) as the transformers
// library has it (CLIPTokenizer, 5.x): NFC, lower case, words of letters, single digits, runs of the rest.
// The vocabulary of OpenAI's CLIP is embedded for checkpoints that carry none.
package tokenizer
