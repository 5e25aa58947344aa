package driver

import "fmt"

// Code is a result of a driver call (CUresult). It is an error, so that errors.Is(err, driver.OutOfMemory) holds.
type Code int

// Result codes that this project distinguishes; others keep their number.
const (
	Success                Code = 0
	InvalidValue           Code = 1
	OutOfMemory            Code = 2
	NotInitialized         Code = 3
	Deinitialized          Code = 4
	NoDevice               Code = 100
	InvalidDevice          Code = 101
	InvalidImage           Code = 200
	InvalidContext         Code = 201
	NoBinaryForGPU         Code = 209
	ECCUncorrectable       Code = 214
	InvalidPTX             Code = 218
	UnsupportedPTXVersion  Code = 222
	SharedObjectInitFailed Code = 303
	InvalidHandle          Code = 400
	NotFound               Code = 500
	NotReady               Code = 600
	IllegalAddress         Code = 700
	LaunchOutOfResources   Code = 701
	LaunchTimeout          Code = 702
	ContextIsDestroyed     Code = 709
	HardwareStackError     Code = 714
	IllegalInstruction     Code = 715
	MisalignedAddress      Code = 716
	InvalidAddressSpace    Code = 717
	LaunchFailed           Code = 719
	SystemDriverMismatch   Code = 803
	NotSupported           Code = 801
	Unknown                Code = 999
)

// codes holds cuda.h's name of each code and what it means.
var codes = map[Code][2]string{
	Success:                {"CUDA_SUCCESS", "no error"},
	InvalidValue:           {"CUDA_ERROR_INVALID_VALUE", "invalid argument"},
	OutOfMemory:            {"CUDA_ERROR_OUT_OF_MEMORY", "out of device memory"},
	NotInitialized:         {"CUDA_ERROR_NOT_INITIALIZED", "the driver is not initialised"},
	Deinitialized:          {"CUDA_ERROR_DEINITIALIZED", "the device is closed"},
	NoDevice:               {"CUDA_ERROR_NO_DEVICE", "no CUDA device"},
	InvalidDevice:          {"CUDA_ERROR_INVALID_DEVICE", "no such device"},
	InvalidImage:           {"CUDA_ERROR_INVALID_IMAGE", "the kernels' image is invalid"},
	InvalidContext:         {"CUDA_ERROR_INVALID_CONTEXT", "invalid context"},
	NoBinaryForGPU:         {"CUDA_ERROR_NO_BINARY_FOR_GPU", "the kernels are not for this device: it needs compute capability 8.0"},
	ECCUncorrectable:       {"CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable memory error of the device"},
	InvalidPTX:             {"CUDA_ERROR_INVALID_PTX", "the driver does not compile this PTX"},
	UnsupportedPTXVersion:  {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the driver is older than this PTX: it needs 450 or later"},
	SharedObjectInitFailed: {"CUDA_ERROR_SHARED_OBJECT_INIT_FAILED", "libcuda did not load"},
	InvalidHandle:          {"CUDA_ERROR_INVALID_HANDLE", "invalid handle"},
	NotFound:               {"CUDA_ERROR_NOT_FOUND", "not found"},
	NotReady:               {"CUDA_ERROR_NOT_READY", "not ready"},
	IllegalAddress:         {"CUDA_ERROR_ILLEGAL_ADDRESS", "a kernel used an illegal address"},
	LaunchOutOfResources:   {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "a launch asks for more than the device has"},
	LaunchTimeout:          {"CUDA_ERROR_LAUNCH_TIMEOUT", "a kernel ran too long"},
	ContextIsDestroyed:     {"CUDA_ERROR_CONTEXT_IS_DESTROYED", "the context is destroyed"},
	HardwareStackError:     {"CUDA_ERROR_HARDWARE_STACK_ERROR", "a kernel corrupted its stack"},
	IllegalInstruction:     {"CUDA_ERROR_ILLEGAL_INSTRUCTION", "a kernel met an illegal instruction"},
	MisalignedAddress:      {"CUDA_ERROR_MISALIGNED_ADDRESS", "a kernel used a misaligned address"},
	InvalidAddressSpace:    {"CUDA_ERROR_INVALID_ADDRESS_SPACE", "a kernel used an address of another space"},
	LaunchFailed:           {"CUDA_ERROR_LAUNCH_FAILED", "a kernel failed"},
	SystemDriverMismatch:   {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "libcuda and the kernel module are of different versions"},
	NotSupported:           {"CUDA_ERROR_NOT_SUPPORTED", "not supported by this driver"},
	Unknown:                {"CUDA_ERROR_UNKNOWN", "unknown error of the driver"},
}

// Error is what the code means, then its name or number in cuda.h.
func (c Code) Error() string {
	if s, ok := codes[c]; ok {
		return s[1] + " (" + s[0] + ")"
	}
	return fmt.Sprintf("driver error %d (cuda.h: CUresult)", int(c))
}

// Name is the code's name in cuda.h, or "" for one that this package does not know.
func (c Code) Name() string { return codes[c][0] }

// Error is a failed call of a driver.
type Error struct {
	Call   string // the call of cuda.h: cuMemAlloc
	Code   Code
	Detail string // what is known beside the code: sizes, a compiler's log, the simulator's finding; may have several lines
}

// Error is the call, what is known, and the code.
func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%s: %v", e.Call, e.Code)
	}
	return fmt.Sprintf("%s: %s: %v", e.Call, e.Detail, e.Code)
}

// Unwrap gives the code.
func (e *Error) Unwrap() error { return e.Code }

// Errorf makes an [*Error] with a formatted detail.
func Errorf(call string, code Code, format string, args ...any) *Error {
	return &Error{Call: call, Code: code, Detail: fmt.Sprintf(format, args...)}
}
