// Package convert writes the weights of a model's parts as safetensors: from diffusers and transformers folders, single-file
// checkpoints, Refiners' files and files of torch.save, under the names that they have, diffusers' or Refiners'. With half precision
// or without, tensors are read where they are mapped and written as they come; no part is held in memory.
//
// Files are laid out as the safetensors library lays them out: elements of larger types first, then by name. So a part
// that Refiners' own conversion would write is written byte for byte the same.
package convert
