// Package lora reads LoRA files and applies them to an SDXL model (Hu et al., 2021). It knows the names and
// forms that trainers write: kohya's sd-scripts, peft and diffusers, LyCORIS (Yeh et al., 2023).
//
// Low-rank layers are applied beside the weight they change: y = x W + (s * x A) B, as patches of a program. What has
// no low-rank form - DoRA, LoHa, LoKr, whole differences - is merged into the weight when a program asks for it
// ([Source]). The model's files stay as they are.
//
// The references are peft's and LyCORIS' layers and diffusers' loaders; internal/tools/goldens/lora.py runs them.
package lora
