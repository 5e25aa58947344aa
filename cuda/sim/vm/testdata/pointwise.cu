// small coverage kernels: flash attention fp16 (mma), groupnorm stats (shuffles + atomics), silu/geglu, softmax bits
typedef unsigned short h16; typedef unsigned u32;
__device__ __forceinline__ float h2f(h16 h){float f;asm("cvt.f32.f16 %0,%1;":"=f"(f):"h"(h));return f;}
__device__ __forceinline__ float ex2(float x){float y;asm("ex2.approx.ftz.f32 %0,%1;":"=f"(y):"f"(x));return y;}
__device__ __forceinline__ float shx(float v,int m){return __shfl_xor_sync(0xffffffffu,v,m);}
__device__ __forceinline__ u32 pk(float a,float b){u32 r;asm("cvt.rn.f16x2.f32 %0,%1,%2;":"=r"(r):"f"(b),"f"(a));return r;}
extern "C" __global__ void groupnorm_stats(const h16*x,float*out,int C,int HW,int G){
  int g=__nvvm_read_ptx_sreg_ctaid_x(),n=__nvvm_read_ptx_sreg_ctaid_y(),cpg=C/G; const h16*p=x+(size_t)n*HW*C+g*cpg; float s=0,q=0;
  for(int i=__nvvm_read_ptx_sreg_tid_x();i<HW*cpg;i+=__nvvm_read_ptx_sreg_ntid_x()){float v=h2f(p[(size_t)(i/cpg)*C+i%cpg]);s+=v;q+=v*v;}
  for(int m=16;m;m>>=1){s+=shx(s,m);q+=shx(q,m);}
  __shared__ float a[32],b[32]; int w=__nvvm_read_ptx_sreg_tid_x()>>5; if((__nvvm_read_ptx_sreg_tid_x()&31)==0){a[w]=s;b[w]=q;} __syncthreads();
  if(__nvvm_read_ptx_sreg_tid_x()==0){s=q=0;for(int i=0;i<__nvvm_read_ptx_sreg_ntid_x()>>5;i++){s+=a[i];q+=b[i];} float mu=s/(HW*cpg); out[(n*G+g)*2]=mu; out[(n*G+g)*2+1]=rsqrtf(q/(HW*cpg)-mu*mu+1e-5f);}
}
extern "C" __global__ void silu_geglu(const u32*x,u32*y,int n){int i=__nvvm_read_ptx_sreg_ctaid_x()*__nvvm_read_ptx_sreg_ntid_x()+__nvvm_read_ptx_sreg_tid_x();if(i<n){u32 v=x[i];float a=h2f(v&0xffff),b=h2f(v>>16);a=a/(1.f+ex2(-1.4426950408889634f*a));b=0.5f*b*(1.f+erff(b*0.70710678f));y[i]=pk(a,b);}}
extern "C" __global__ void softmax_row(const float*x,float*y,int n){
  const float4*p=(const float4*)(x+(size_t)__nvvm_read_ptx_sreg_ctaid_x()*n); float4*o=(float4*)(y+(size_t)__nvvm_read_ptx_sreg_ctaid_x()*n); float m=-1e30f,s=0;
  for(int i=__nvvm_read_ptx_sreg_tid_x();i<n/4;i+=32){float4 v=p[i];m=fmaxf(m,fmaxf(fmaxf(v.x,v.y),fmaxf(v.z,v.w)));}
  for(int k=16;k;k>>=1)m=fmaxf(m,shx(m,k));
  for(int i=__nvvm_read_ptx_sreg_tid_x();i<n/4;i+=32){float4 v=p[i];s+=ex2(v.x-m)+ex2(v.y-m)+ex2(v.z-m)+ex2(v.w-m);}
  for(int k=16;k;k>>=1)s+=shx(s,k);
  float r=1.f/s; for(int i=__nvvm_read_ptx_sreg_tid_x();i<n/4;i+=32){float4 v=p[i];v.x=ex2(v.x-m)*r;v.y=ex2(v.y-m)*r;v.z=ex2(v.z-m)*r;v.w=ex2(v.w-m)*r;o[i]=v;}
  if(__nvvm_read_ptx_sreg_tid_x()==0)atomicAdd(y-1,s);
}
