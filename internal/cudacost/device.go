package cudacost

import "github.com/seed-8af8f8e1/flow/cuda/sim/vm"

// Device is a GPU as NVIDIA describes it. What is assumed beyond that stands in [Assumed].
type Device struct {
	Name         string  `json:"name"`
	Major        int     `json:"major"` // compute capability
	Minor        int     `json:"minor"`
	Processors   int     `json:"multiprocessors"`
	Clock        float64 `json:"clock_hz"`                // boost; that which the peaks are given at
	Tensor       float64 `json:"tensor_flops"`            // dense, fp16 with fp32 sums, a second
	Sync         float64 `json:"mma_sync_share"`          // of Tensor that mma.sync reaches
	Float        int     `json:"fp32_lanes"`              // fused multiply-adds of a multiprocessor a cycle
	Convert      int     `json:"convert_lanes"`           // conversions of a multiprocessor a cycle
	Bandwidth    float64 `json:"memory_bytes_per_second"` // of device memory
	L2           float64 `json:"l2_bytes_per_second"`
	Memory       int64   `json:"memory_bytes"`
	Warps        int     `json:"resident_warps"` // of a multiprocessor
	Blocks       int     `json:"resident_blocks"`
	Shared       int     `json:"shared_bytes"` // of a multiprocessor
	architecture int     // column of registers
}

// Devices are the GPUs that are predicted. Sources are in docs/cuda-model.md.
func Devices() []Device {
	return []Device{
		{Name: "A100 SXM 80GB", Major: 8, Processors: 108, Clock: 1.410e9, Tensor: 312e12, Sync: 1, Float: 64, Convert: 16, Bandwidth: 2039e9,
			L2: 5120 * 1.410e9, Memory: 80e9, Warps: 64, Blocks: 32, Shared: 164 << 10, architecture: 0},
		{Name: "H100 SXM", Major: 9, Processors: 132, Clock: 1.830e9, Tensor: 989.4e12, Sync: 0.629, Float: 128, Convert: 64, Bandwidth: 3350e9,
			L2: 5120 * 1.830e9, Memory: 80e9, Warps: 64, Blocks: 32, Shared: 228 << 10, architecture: 2},
		{Name: "RTX 4090", Major: 8, Minor: 9, Processors: 128, Clock: 2.520e9, Tensor: 165.2e12, Sync: 1, Float: 128, Convert: 64, Bandwidth: 1008e9,
			L2: 2048 * 2.520e9, Memory: 24e9, Warps: 48, Blocks: 24, Shared: 100 << 10, architecture: 1},
	}
}

// Assumptions are figures that no data sheet has.
type Assumptions struct {
	Gap       float64 `json:"launch_gap_seconds"`  // from the end of a kernel to the beginning of the next one of its stream
	Host      float64 `json:"host_launch_seconds"` // of the processor for a launch
	Wait      float64 `json:"host_wait_seconds"`   // in which the device stands still where the host waits for it
	Latency   float64 `json:"latency_cycles"`      // of a read of device memory
	Fill      float64 `json:"fill_latencies"`      // such reads in a row at a block's beginning and end: its job, first operands, results
	Alone     float64 `json:"alone_cycles"`        // between two instructions of a warp that has its scheduler for itself
	Reach     float64 `json:"bandwidth_share"`     // of the memory's peak that is reached
	Integer   int     `json:"integer_lanes"`       // of a multiprocessor a cycle
	Special   int     `json:"special_lanes"`       // of a multiprocessor a cycle
	LoadStore int     `json:"l1_bytes_per_cycle"`  // between a multiprocessor and L2
}

// Assumed is what all predictions use.
var Assumed = Assumptions{Gap: 1e-6, Host: 2.5e-6, Wait: 10e-6, Latency: 600, Fill: 3, Alone: 2, Reach: 0.92, Integer: 64, Special: 16, LoadStore: 64}

// FloatPeak is the peak of fp32 without tensor cores, a second.
func (d *Device) FloatPeak() float64 { return 2 * float64(d.Float*d.Processors) * d.Clock }

// resident is how many blocks of a kernel a multiprocessor holds: by registers, which warps get by 256, shared memory, warps and blocks.
func (d *Device) resident(k *vm.Kernel, threads, dynamic int) int {
	const file, grain, reserved = 65536, 256, 1024
	warps := (threads + 31) / 32
	n := min(d.Blocks, d.Warps/warps)
	if r := registers[k.Name][d.architecture]; r > 0 {
		perWarp := (32*r + grain - 1) / grain * grain
		n = min(n, file/perWarp/4*4/warps) // each of the four schedulers has a quarter of the registers
	}
	return max(1, min(n, d.Shared/(k.Shared+dynamic+reserved)))
}
