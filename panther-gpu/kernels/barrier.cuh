// Barriers of all blocks of a launch, which must all be resident: a cooperative launch, or one cluster.

__device__ __forceinline__ u32 load_acquire(const u32 *p) {
    u32 x;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
    return x;
}

// `counter` starts at 0, `passed` counts in every thread how many barriers there were.
__device__ __forceinline__ void grid_barrier(u32 *counter, u32 &passed) {
    passed += 1;
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(counter, 1u);
        while (load_acquire(counter) < passed * gridDim.x) {
        }
        __threadfence();
    }
    __syncthreads();
}

__device__ __forceinline__ void cluster_barrier() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

// What stands in the place of `p` in the shared memory of another block of the cluster: from the first barrier to the last, which say
// that the block has begun and has not ended.
template <typename T>
__device__ __forceinline__ T *in_block(T *p, u32 block) {
#if __CUDA_ARCH__ >= 900
    u64 address;
    asm volatile("mapa.u64 %0, %1, %2;" : "=l"(address) : "l"(p), "r"(block));
    return (T *)address;
#else
    return p;
#endif
}

template <bool CLUSTER>
__device__ __forceinline__ void all_blocks(u32 *counter, u32 &passed) {
    if (CLUSTER) {
        cluster_barrier();
    } else {
        grid_barrier(counter, passed);
    }
}

#if __CUDA_ARCH__ >= 900
#define CLUSTER_OF(blocks) __cluster_dims__(blocks, 1, 1)
#else
#define CLUSTER_OF(blocks)
#endif
