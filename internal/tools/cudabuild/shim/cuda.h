// What gorgonia.org/cu v0.9.6 calls as CUDA 12 declares it, for the headers of CUDA 13, which gave five calls other arguments.
#ifndef FLOW_CUDA_SHIM_H
#define FLOW_CUDA_SHIM_H
#include_next <cuda.h>
#if CUDA_VERSION >= 13000

static inline CUresult flow_cuCtxCreate(CUcontext *ctx, unsigned int flags, CUdevice dev) {
	return cuCtxCreate_v4(ctx, 0, flags, dev);
}

static inline CUmemLocation flow_location(CUdevice dev) {
	CUmemLocation at;
	at.type = dev < 0 ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
	at.id = dev;
	return at;
}

static inline CUresult flow_cuMemAdvise(CUdeviceptr p, size_t n, CUmem_advise advice, CUdevice dev) {
	return cuMemAdvise_v2(p, n, advice, flow_location(dev));
}

static inline CUresult flow_cuMemPrefetchAsync(CUdeviceptr p, size_t n, CUdevice dev, CUstream s) {
	return cuMemPrefetchAsync_v2(p, n, flow_location(dev), 0, s);
}

static inline CUresult flow_cuGraphAddDependencies(CUgraph g, const CUgraphNode *from, const CUgraphNode *to, size_t n) {
	return cuGraphAddDependencies_v2(g, from, to, 0, n);
}

static inline CUresult flow_cuGraphGetEdges(CUgraph g, CUgraphNode *from, CUgraphNode *to, size_t *n) {
	return cuGraphGetEdges_v2(g, from, to, 0, n);
}

#undef cuCtxCreate
#undef cuMemAdvise
#undef cuMemPrefetchAsync
#undef cuGraphAddDependencies
#undef cuGraphGetEdges
#define cuCtxCreate flow_cuCtxCreate
#define cuMemAdvise flow_cuMemAdvise
#define cuMemPrefetchAsync flow_cuMemPrefetchAsync
#define cuGraphAddDependencies flow_cuGraphAddDependencies
#define cuGraphGetEdges flow_cuGraphGetEdges
#endif
#endif
