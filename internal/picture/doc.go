// Package picture reads pictures into 8-bit RGB with Pillow's values, and resizes them as Pillow does.
//
// [Decode] gives the bytes of Pillow 13's Image.open(f).convert("RGB"): PNG through image/png, JPEG through a decoder of our own
// (package jpeg, which follows libjpeg-turbo's defaults), WebP through golang.org/x/image with libwebp's chroma interpolation and
// colour conversion. [Resize] gives those of Image.resize((w, h)), bicubic with antialiasing. Everything is integer
// arithmetic but the resize coefficients, which are float64 with each operation rounded, so every machine gives the same bytes.
package picture
