// Package jpeg decodes JPEG files to the bytes that libjpeg-turbo 3 makes with its defaults on x86-64: the accurate integer inverse
// transform, triangle-filter ("fancy") chroma interpolation, table-driven colour conversion.
//
// Baseline, extended sequential and progressive Huffman files of 8 bits are read, with 1, 3 or 4 components, any integral sampling and
// restart intervals. Arithmetic coding, lossless and hierarchical frames and 12 bits are refused by name. Unlike libjpeg, which
// paints over damage with gray, a damaged or incomplete file is an error.
//
// Go's image/jpeg is not used: its inverse transform rounds differently and it repeats chroma instead of interpolating it.
package jpeg
