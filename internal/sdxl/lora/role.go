package lora

import "strings"

// role is what a tensor is to its layer.
type role string

// Roles. Those of LoHa and LoKr are named as their keys.
const (
	down      role = "down" // A of a low-rank layer: [rank,in] or [rank,in,k,k]
	up        role = "up"   // B: [out,rank] or [out,rank,1,1]
	mid       role = "mid"  // between them: [rank,rank,k,k]; down and up are then 1x1
	alpha     role = "alpha"
	doraScale role = "dora_scale" // DoRA's magnitudes as LyCORIS writes them: [out,1] or [1,in]
	magnitude role = "magnitude"  // and as peft does: [out]
	biasUp    role = "bias"       // a bias of B: [out]
	diff      role = "diff"       // a difference of the weight's shape
	diffBias  role = "diff_b"     // a difference of the bias

	hadaW1A, hadaW1B, hadaW2A, hadaW2B, hadaT1, hadaT2         role = "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"
	lokrW1, lokrW1A, lokrW1B, lokrW2, lokrW2A, lokrW2B, lokrT2 role = "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"
)

// suffixes are the ends of keys and their roles.
var suffixes = []struct {
	end  string
	role role
}{
	{".lora_down.weight", down}, {".lora_up.weight", up}, {".lora_mid.weight", mid},
	{".lora_A.weight", down}, {".lora_B.weight", up}, {".lora_B.bias", biasUp},
	{".lora_linear_layer.down.weight", down}, {".lora_linear_layer.up.weight", up},
	{".lora.down.weight", down}, {".lora.up.weight", up},
	{"_lora.down.weight", down}, {"_lora.up.weight", up}, // to_q_lora of diffusers' attention processors
	{".alpha", alpha}, {".dora_scale", doraScale},
	{".lora_magnitude_vector.weight", magnitude}, {".lora_magnitude_vector", magnitude},
	{".hada_w1_a", hadaW1A}, {".hada_w1_b", hadaW1B}, {".hada_w2_a", hadaW2A}, {".hada_w2_b", hadaW2B}, {".hada_t1", hadaT1}, {".hada_t2", hadaT2},
	{".lokr_w1", lokrW1}, {".lokr_w1_a", lokrW1A}, {".lokr_w1_b", lokrW1B},
	{".lokr_w2", lokrW2}, {".lokr_w2_a", lokrW2A}, {".lokr_w2_b", lokrW2B}, {".lokr_t2", lokrT2},
	{".diff", diff}, {".diff_b", diffBias}, {".w_norm", diff}, {".b_norm", diffBias},
}

// split cuts a key into the name of its layer and its role.
func split(key string) (name string, r role, ok bool) {
	for _, s := range suffixes {
		if name, ok := strings.CutSuffix(key, s.end); ok && name != "" {
			return name, s.role, true
		}
	}
	return "", "", false
}
