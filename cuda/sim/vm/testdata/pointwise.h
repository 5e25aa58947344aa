static __device__ __forceinline__ float __shfl_xor_sync(unsigned m,float v,int l){return __nvvm_shfl_sync_bfly_f32(m,v,l,31);}
struct __attribute__((aligned(16))) float4{float x,y,z,w;};
static __device__ __forceinline__ float fmaxf(float a,float b){return __nvvm_fmax_f(a,b);}
static __device__ __forceinline__ float rsqrtf(float a){return __nvvm_rsqrt_approx_ftz_f(a);}
static __device__ __forceinline__ float erff(float a){return a;}
static __device__ __forceinline__ void atomicAdd(float*p,float v){__nvvm_atom_add_gen_f(p,v);}
