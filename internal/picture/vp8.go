package picture

import "image"

// fromVP8 converts the planes of a lossy WebP (4:2:0) as libwebp does: chroma interpolated by its "fancy" filter, weights 9, 3, 3 and 1 in
// sixteenths (src/dsp/upsampling.c), and colours in its fixed point (src/dsp/yuv.h).
func fromVP8(m *image.YCbCr, width, height int) *Image8 {
	out := New(width, height)
	rows, columns := (height+1)/2, (width+1)/2
	u, v := make([]byte, width), make([]byte, width)
	for y := range height {
		near := y / 2
		far := min(rows-1, max(0, near-1+2*(y%2)))
		a, b := near*m.CStride, far*m.CStride
		interpolate(m.Cb[a:a+columns], m.Cb[b:b+columns], u)
		interpolate(m.Cr[a:a+columns], m.Cr[b:b+columns], v)
		luma, dst := m.Y[y*m.YStride:][:width], out.row(y)
		for x, l := range luma {
			dst[3*x], dst[3*x+1], dst[3*x+2] = fromYUV(int(l), int(u[x]), int(v[x]))
		}
	}
	return out
}

// interpolate makes a row of chroma from the nearer and the further row. The roundings are those of upsampling.c: the two diagonals of a
// square of samples first, then the half of that and the nearest sample.
func interpolate(near, far, out []byte) {
	edge := func(i int) byte { return byte((3*int(near[i]) + int(far[i]) + 2) >> 2) }
	out[0] = edge(0)
	last := len(out) - 1
	if last%2 == 1 {
		out[last] = edge(len(near) - 1)
	}
	for i := 1; i < len(near); i++ {
		a, b, c, d := int(near[i-1]), int(near[i]), int(far[i-1]), int(far[i])
		sum := a + b + c + d + 8
		falling, rising := (sum+2*(a+d))>>3, (sum+2*(b+c))>>3
		out[2*i-1] = byte((rising + a) >> 1)
		if 2*i <= last {
			out[2*i] = byte((falling + b) >> 1)
		}
	}
}

// fromYUV is VP8YuvToRgb of yuv.h: products lose 8 bits, sums the last 6.
func fromYUV(y, u, v int) (r, g, b byte) {
	clip := func(sum int) byte { return byte(min(255, max(0, sum>>6))) }
	l := y * 19077 >> 8
	r = clip(l + v*26149>>8 - 14234)
	g = clip(l - u*6419>>8 - v*13320>>8 + 8708)
	b = clip(l + u*33050>>8 - 17685)
	return r, g, b
}
