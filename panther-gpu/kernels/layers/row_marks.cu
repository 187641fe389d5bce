// Marks of rows that are not to be read. A warp takes a row at a time.

constexpr real HIDDEN = 1, TAINTED = 2;
constexpr u32 ALL = 0, PAST = 1;

// The rows of a warp: from the first to before `rows`, in steps of all warps.
#define FOR_EACH_ROW(row, rows)                                                                   \
    for (u64 row = ((u64)blockIdx.x * blockDim.x + threadIdx.x) / WARP; row < (rows); \
         row += (u64)gridDim.x * blockDim.x / WARP)

// Whether work(x) holds for any value of a row, the same in each lane.
template <typename Work>
__device__ __forceinline__ bool any_of_row(const real *x, u64 width, Work work) {
    bool found = false;
    for (u64 i = threadIdx.x % WARP; i < width; i += WARP) found = found || work(x[i]);
    return __any_sync(ALL_LANES, found);
}

__device__ __forceinline__ bool is_non_finite(real x) { return !(x * real(0) == real(0)); }

extern "C" __global__ void mark_rows(const real *x, const unsigned char *mask, u32 only_non_finite, u64 rows, u64 width, real *marks) {
    FOR_EACH_ROW(row, rows) {
        bool is_hidden = mask && !mask[row];
        bool is_bad = any_of_row(x + row * width, width, is_non_finite);
        real mark = is_bad ? TAINTED : real(0);
        if (is_hidden) mark = is_bad || !only_non_finite ? HIDDEN : real(0);
        if (threadIdx.x % WARP == 0) marks[row] = mark;
    }
}

// Row i of the marks is tainted where `from` is at all, up to i, or from i on. A block for each sequence.
extern "C" __global__ void marks_of_dependents(const real *from, u64 length, u64 rows, u32 dependence, real *marks) {
    __shared__ u64 edge;
    const real *own = from + blockIdx.x * length;
    real *to = marks + blockIdx.x * rows;
    // The first tainted row, or of the future the last and one.
    if (threadIdx.x == 0) edge = dependence == ALL || dependence == PAST ? ~0ull : 0;
    __syncthreads();
    u64 mine = edge;
    __syncthreads();
    for (u64 i = threadIdx.x; i < length; i += blockDim.x) {
        if (own[i] != TAINTED) continue;
        if (dependence == ALL || dependence == PAST) {
            mine = i < mine ? i : mine;
        } else {
            mine = i + 1 > mine ? i + 1 : mine;
        }
    }
    if (dependence == ALL || dependence == PAST) {
        atomicMin(&edge, mine);
    } else {
        atomicMax(&edge, mine);
    }
    __syncthreads();
    for (u64 i = threadIdx.x; i < rows; i += blockDim.x) {
        bool is_tainted = dependence == ALL ? edge != ~0ull : dependence == PAST ? i >= edge : i < edge;
        to[i] = is_tainted ? TAINTED : real(0);
    }
}

extern "C" __global__ void join_marks(const real *others, u64 count, real *marks) {
    FOR_EACH(i, count) marks[i] = others[i] > marks[i] ? others[i] : marks[i];
}

extern "C" __global__ void marks_of_gradient(const real *dy, const real *outputs, u64 rows, u64 width, real *marks) {
    FOR_EACH_ROW(row, rows) {
        bool is_tainted = outputs[row] == TAINTED;
        bool is_bad = any_of_row(dy + row * width, width, [&](real x) { return is_non_finite(x) || (is_tainted && x != 0); });
        if (threadIdx.x % WARP == 0) marks[row] = is_bad ? TAINTED : real(0);
    }
}

extern "C" __global__ void fill_marked(const real *marks, real least, real greatest, real value, u64 rows, u64 width, real *x) {
    FOR_EACH_ROW(row, rows) {
        if (marks[row] < least || marks[row] > greatest) continue;
        for (u64 i = threadIdx.x % WARP; i < width; i += WARP) x[row * width + i] = value;
    }
}
