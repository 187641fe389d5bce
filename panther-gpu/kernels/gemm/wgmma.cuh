// What the tensor cores of Hopper devices are told: barriers, copies, numbers of 11 bits, and products.

#if defined(REAL_IS_FLOAT) && defined(__CUDA_ARCH_FEAT_SM90_ALL)

// Barriers in shared memory: a phase ends when as many threads have arrived as it was told to await.
__device__ __forceinline__ void begin_barrier(u32 barrier, u32 arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ __forceinline__ void arrive(u32 barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives when all copies that this thread has asked for are done.
__device__ __forceinline__ void arrive_when_copied(u32 barrier) {
    asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void await(u32 barrier, u32 parity) {
    asm volatile("{\n\t.reg .pred done;\n"
                 "again:\n\t"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
                 "@!done bra again;\n\t}" ::"r"(barrier), "r"(parity)
                 : "memory");
}

// 16 bytes into shared memory, of which the last are zeros where fewer are `valid`.
__device__ __forceinline__ void copy_wide(u32 to, const float *from, u32 valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid) : "memory");
}

__device__ __forceinline__ void store_wide(u32 to, const u32 (&words)[4]) {
    asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
}

constexpr u32 HALF = 0x1000, KEPT = 0xffffe000;

// x to 11 bits, and what is left of it, of which the matrix units read 11 bits more. A finite x has finite parts. The rest of a rounded
// number is as often below zero as above, so that the products of rests that are left out do not add up.
__device__ __forceinline__ void round_in_two(float x, u32 &leading, u32 &rest) {
    constexpr u32 EXPONENT = 0x7f800000;
    const u32 bits = __float_as_uint(x), rounded = bits + HALF & KEPT;
    leading = (rounded & EXPONENT) == EXPONENT ? bits & KEPT : rounded;
    rest = __float_as_uint(x - __uint_as_float(leading)) + HALF;
}

// As above, but towards zero, which is quicker and will do for one of two factors.
__device__ __forceinline__ void cut_in_two(float x, u32 &leading, u32 &rest) {
    leading = __float_as_uint(x) & KEPT;
    rest = __float_as_uint(x - __uint_as_float(leading)) + HALF;
}

// How the matrix units find a tile of B: rows of 128 bytes whose 16-byte pieces are exchanged by row (128-byte swizzle), groups of
// eight rows one behind the other.
__device__ __forceinline__ u64 described(u32 tile) {
    return (u64)1 << 62 | (u64)(1024 >> 4) << 32 | (u64)1 << 16 | (tile & 0x3ffff) >> 4;
}

#define EIGHT(i) \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define NAMES_32                                                                            \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23," \
    "%24,%25,%26,%27,%28,%29,%30,%31"
#define NAMES_48 NAMES_32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define NAMES_56 NAMES_48 ",%48,%49,%50,%51,%52,%53,%54,%55"
#define NAMES_64 NAMES_56 ",%56,%57,%58,%59,%60,%61,%62,%63"
// d = A·B, or += where `adds`, for 64 rows of 8 columns of A, each warp's 16 in its registers.
#define MULTIPLY(columns, names, a0, a1, a2, a3, b, p, ...)                                                     \
    asm volatile("{\n\t.reg .pred adds;\n\tsetp.ne.b32 adds, %" #p ", 0;\n\t"                                   \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k8.f32.tf32.tf32 {" names "}, {%" #a0 ", %" #a1 \
                 ", %" #a2 ", %" #a3 "}, %" #b ", adds, 1, 1;\n\t}"                                             \
                 : __VA_ARGS__                                                                                  \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_tile), "r"(adds)                           \
                 : "memory")

template <u32 COLUMNS>
__device__ __forceinline__ void multiply(float (&d)[COLUMNS / 2], const u32 *a, u64 b_tile, int adds) {
    if constexpr (COLUMNS == 64) {
        MULTIPLY(64, NAMES_32, 32, 33, 34, 35, 36, 37, EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24));
    } else if constexpr (COLUMNS == 96) {
        MULTIPLY(96, NAMES_48, 48, 49, 50, 51, 52, 53, EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40));
    } else if constexpr (COLUMNS == 112) {
        MULTIPLY(112, NAMES_56, 56, 57, 58, 59, 60, 61, EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40),
                 EIGHT(48));
    } else {
        static_assert(COLUMNS == 128, "a width that the matrix units are told here");
        MULTIPLY(128, NAMES_64, 64, 65, 66, 67, 68, 69, EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40),
                 EIGHT(48), EIGHT(56));
    }
}

#endif
