// Scans over the chunks `first`.. of a segment. A block takes 32 numbers, and each of its warps one RANGES-th of the chunks: first the
// whole of it, then, from what the ranges before give, chunk by chunk.

// bases[c + 1] = the largest of bases[c] and chunk c's maxima; bases[0] = start. The maxima are the segment's.
extern "C" __global__ void __launch_bounds__(32 * RANGES)
running_bases(const real *maxima, u64 first, u64 chunks, u64 width, real start, real *bases) {
    __shared__ real parts[RANGES][32];
    u64 lane = threadIdx.x % 32, range = threadIdx.x / 32, k = (u64)blockIdx.x * 32 + lane;
    u64 from = range * chunks / RANGES, to = k < width ? (range + 1) * chunks / RANGES : from;
    real most = start;
    for (u64 c = from; c < to; c++) most = larger(most, maxima[c * width + k]);
    parts[range][lane] = most;
    real running = first > 0 && k < width ? bases[first * width + k] : start;
    __syncthreads();
    for (u64 before = 0; before < range; before++) running = larger(running, parts[before][lane]);
    if (first == 0 && range == 0 && k < width) bases[k] = start;
    for (u64 c = from; c < to; c++) {
        running = larger(running, maxima[c * width + k]);
        bases[(first + c + 1) * width + k] = running;
    }
}

// One step from a sum to base b of chunk c to that to b + 1, or back: both shrink by as much.
struct Chunks {
    real *states;
    const real *maxima, *bases;
    u64 width, len;

    // Chunk c's own state: a sum over keys comes to its maxima and is to stand to the next base.
    __device__ __forceinline__ real own(u64 c, u64 k, u64 feature) const {
        real sum = states[c * len + k];
        return maxima ? sum * exp(maxima[c * width + feature] - bases[(c + 1) * width + feature]) : sum;
    }

    __device__ __forceinline__ real decay(u64 from, u64 to, u64 feature) const {
        return exp(bases[from * width + feature] - bases[to * width + feature]);
    }
};

// states[c] becomes the sum over the chunks before c, to base c, or with `BACK` over those behind c, to base c + 1; bases are the
// segment's. `carry` is the sum over the segments before, if any, and becomes that with this one.
template <bool BACK>
__device__ __forceinline__ void scan(const Chunks &all, u64 chunks, u64 m, u64 dv, bool carries, real *carry) {
    constexpr int AHEAD = 4;
    __shared__ real parts[RANGES][32];
    u64 lane = threadIdx.x % 32, k = (u64)blockIdx.x * 32 + lane, order = threadIdx.x / 32;
    bool is_there = k < all.len, is_weight;
    u64 feature = feature_of(is_there ? k : 0, m, dv, is_weight);
    // Ranges in the order of the scan.
    auto edge = [&](u64 n) { return (BACK ? RANGES - n : n) * chunks / RANGES; };
    u64 from = edge(order), to = edge(order + 1), steps = BACK ? from - to : to - from;
    auto chunk = [&](u64 step) { return BACK ? from - 1 - step : from + step; };
    auto across = [&](u64 n) { return all.decay(BACK ? edge(n + 1) : edge(n), BACK ? edge(n) : edge(n + 1), feature); };
    // Loads of some steps at a time are on their way together.
    auto pass = [&](real sum, bool writes) {
        for (u64 step = 0; step < steps; step += AHEAD) {
            real own[AHEAD], decay[AHEAD];
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                if (step + i >= steps) break;
                u64 c = chunk(step + i);
                own[i] = all.own(c, k, feature);
                decay[i] = all.decay(c, c + 1, feature);
            }
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                if (step + i >= steps) break;
                if (writes) all.states[chunk(step + i) * all.len + k] = sum;
                sum = fma(sum, decay[i], own[i]);
            }
        }
        return sum;
    };
    parts[order][lane] = is_there ? pass(0, false) : real(0);
    real sum = carries && is_there ? carry[k] : real(0);
    __syncthreads();
    if (!is_there) return;
    for (u64 before = 0; before < order; before++) sum = fma(sum, across(before), parts[before][lane]);
    sum = pass(sum, true);
    if (order == RANGES - 1) carry[k] = sum;
}

extern "C" __global__ void __launch_bounds__(32 * RANGES)
scan_keys(real *states, const real *maxima, const real *bases, u64 chunks, u64 m, u64 dv, u64 width, u64 len, u32 carries, real *carry) {
    scan<false>({states, maxima, bases, width, len}, chunks, m, dv, carries, carry);
}

extern "C" __global__ void __launch_bounds__(32 * RANGES)
scan_queries(real *states, const real *bases, u64 chunks, u64 m, u64 dv, u64 width, u64 len, u32 carries, real *carry) {
    scan<true>({states, nullptr, bases, width, len}, chunks, m, dv, carries, carry);
}
