package numeric

// Sinusoids embeds each scalar of src as dim/2 sines and dim/2 cosines, cosines first if cosFirst, as diffusers' get_timestep_embedding with
// the period top and downscale_freq_shift shift does: exponent, frequency and angle are rounded to fp32 each.
func Sinusoids(dst, src []float32, dim int, top, shift float64, cosFirst bool) {
	half := dim / 2
	sin, cos := 0, half
	if cosFirst {
		sin, cos = half, 0
	}
	log := float32(-Log64(top))
	for i := range half {
		freq := float32(Exp64(float64(float32(log*float32(i)) / float32(float64(half)-shift))))
		for k, v := range src {
			s, c := SinCos64(float64(float32(v * freq)))
			dst[k*dim+sin+i], dst[k*dim+cos+i] = float32(s), float32(c)
		}
	}
}
