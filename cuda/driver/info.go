package driver

// SimulatedName is the name of the device that cuda/sim simulates, also where libcuda is made from it.
const SimulatedName = "simulated device"

// Info describes a device.
type Info struct {
	Name         string
	Driver       int // version of the driver's API: 1000*major + 10*minor (cuDriverGetVersion)
	Major, Minor int // compute capability
	Processors   int // multiprocessors
	WarpSize     int
	TotalBytes   int64
	Simulated    bool // the device is cuda/sim's, or libcuda is made from it
}

// Attribute names a property of a device by cuda.h's CUdevice_attribute.
type Attribute int

// Attributes of devices.
const (
	MaxThreadsPerBlock       Attribute = 1
	MaxBlockX                Attribute = 2
	MaxBlockY                Attribute = 3
	MaxBlockZ                Attribute = 4
	MaxGridX                 Attribute = 5
	MaxGridY                 Attribute = 6
	MaxGridZ                 Attribute = 7
	MaxSharedPerBlock        Attribute = 8
	WarpSize                 Attribute = 10
	MaxRegistersPerBlock     Attribute = 12
	ClockKHz                 Attribute = 13
	Processors               Attribute = 16
	MemoryClockKHz           Attribute = 36
	BusWidthBits             Attribute = 37
	L2Bytes                  Attribute = 38
	MaxThreadsPerProcessor   Attribute = 39
	AsyncEngines             Attribute = 40
	CapabilityMajor          Attribute = 75
	CapabilityMinor          Attribute = 76
	MaxSharedPerProcessor    Attribute = 81
	MaxRegistersPerProcessor Attribute = 82
	MaxSharedPerBlockOptin   Attribute = 97
	MaxBlocksPerProcessor    Attribute = 106
	ReservedSharedPerBlock   Attribute = 111
)

// FunctionAttribute names a property of a kernel by cuda.h's CUfunction_attribute.
type FunctionAttribute int

// Attributes of kernels.
const (
	FunctionMaxThreads  FunctionAttribute = 0 // threads of a block at most
	FunctionSharedBytes FunctionAttribute = 1 // static shared memory
	FunctionConstBytes  FunctionAttribute = 2
	FunctionLocalBytes  FunctionAttribute = 3 // local memory of a thread: spills and arrays
	FunctionRegisters   FunctionAttribute = 4 // of a thread; 0 in the simulator, which allots none
	FunctionPTXVersion  FunctionAttribute = 5 // 10*major + minor of .target: 80
	FunctionMaxDynamic  FunctionAttribute = 8 // dynamic shared memory allowed
)
