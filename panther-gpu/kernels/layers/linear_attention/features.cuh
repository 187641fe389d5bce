// Linear attention in tiles of TILE positions, TILE features and TILE columns of a head. Features are only ever in registers and
// shared memory.
//
// A block has 16×16 threads; thread (down, right) holds the 4×4 numbers of a tile from (4·down, 4·right) on. Tiles in shared memory
// stand as [k][i], k the index that a product sums over.
//
// The features of queries and keys stand to bases: with the stable softmax kernel κ = e^(key's exponent − base) and
// φ = e^(query's exponent + base − top), top being the largest of a query's exponents with the largest exponents of the keys that it
// sees. A sum over keys or queries is a state: for each feature dv columns, feature after feature, and then a weight for each feature.

static_assert(TILE == 64 && BLOCK_THREADS == 256 && DEPTH == 16, "16 x 16 threads with 4 x 4 numbers each");

// Blocks that registers are to leave room for.
#ifdef REAL_IS_FLOAT
constexpr int RESIDENT = 2;
#else
constexpr int RESIDENT = 1;
#endif
#define ATTENTION_KERNEL extern "C" __global__ void __launch_bounds__(BLOCK_THREADS, RESIDENT)

struct Attention {
    const real *query, *key, *value, *omega;
    // Which keys are attended: all where it is null.
    const unsigned char *mask;
    // The largest ω·k of each head, for the original's features.
    const real *largest;
    // Marks of the rows of query, key and value, batch×length: those that are not 0 read as zeros. None where the pointer is null.
    const real *query_marks, *key_marks, *value_marks;
    i64 batch, heads, queries, keys, d, dv, m, mode;
    // What ω·x is multiplied by, half of its square, bounds, and the base where there are no keys.
    real scale, half_square, most, most_relu, headroom, least, start, ratio, epsilon;
};
static_assert(sizeof(Attention) == SIZE_OF_ATTENTION, "the layout of Rust's struct");

// Sums over keys or queries, and what the features stand to: those of chunk c are `base_stride` and `state_stride` numbers behind
// those of the chunk before (0 where there is one for all). The first state is that of `first`.
struct Sums {
    const real *bases;
    i64 base_stride;
    const real *states;
    i64 state_stride, first;
};
static_assert(sizeof(Sums) == SIZE_OF_SUMS, "the layout of Rust's struct");

// What goes back into the sums of each query: dy, its top, 1/denominator (0 where that counts as zero), and dy·y/denominator.
struct Slopes {
    const real *dy, *tops, *inverses, *by_denominators;
};
static_assert(sizeof(Slopes) == SIZE_OF_SLOPES, "the layout of Rust's struct");

struct alignas(16) Four {
    real v[4];
};

typedef real Numbers[4][4];

// Rows i < count at first + i·pitch, each times its factor where there are factors. A row with a mark or with the factor 0 reads as
// zeros: what it holds may be NaN.
struct Rows {
    const real *first;
    i64 pitch;
    int count;
    const real *factors;
    const real *marks;

    __device__ __forceinline__ bool reads(int row) const { return row < count && (!marks || marks[row] == 0); }
};

struct Shared {
    real a[DEPTH][PITCH];
    real b[DEPTH][PITCH];
    real tile[TILE][PITCH];
    // Of a tile of features: what they stand to, and what states must be multiplied by to stand to that.
    real level[TILE];
    real decay[TILE];
    // Of a tile of positions.
    real top[TILE];
    real squares[TILE];
    // Where positions of one chunk meet: only there is room for them.
    real other[TILE][PITCH];
    real third[TILE][PITCH];
};
static_assert(sizeof(Shared) == SHARED_NUMBERS_OF_CHUNKS * sizeof(real), "what Rust asks for");
static_assert(sizeof(Shared) - 2 * sizeof(real[TILE][PITCH]) == SHARED_NUMBERS * sizeof(real), "what Rust asks for without the last two tiles");

__device__ __forceinline__ Shared &shared() {
    extern __shared__ __align__(16) unsigned char memory[];
    return *reinterpret_cast<Shared *>(memory);
}

__device__ __forceinline__ int down() { return threadIdx.x / 16; }
__device__ __forceinline__ int right() { return threadIdx.x % 16; }

#define EACH_NUMBER(r, c) \
    _Pragma("unroll") for (int r = 0; r < 4; r++) _Pragma("unroll") for (int c = 0; c < 4; c++)

__device__ __forceinline__ void clear(Numbers &x) { EACH_NUMBER(r, c) x[r][c] = 0; }

__device__ __forceinline__ void add(const Numbers &x, Numbers &sums) { EACH_NUMBER(r, c) sums[r][c] += x[r][c]; }

__device__ __forceinline__ real larger(real a, real b) { return a > b ? a : b; }

// x within two bounds; the lower where it is NaN.
__device__ __forceinline__ real bounded(real x, real least, real most) {
    x = x > least ? x : least;
    return x > most ? most : x;
}

// Over the 16 threads of a row of tiles' numbers.
__device__ __forceinline__ real row_sum(real x) {
#pragma unroll
    for (int step = 8; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
    return x;
}

__device__ __forceinline__ real row_max(real x) {
#pragma unroll
    for (int step = 8; step > 0; step /= 2) x = larger(x, __shfl_xor_sync(ALL_LANES, x, step));
    return x;
}

// Numbers `first` and the three behind it, zero from `end` on: in one load where they lie so.
__device__ __forceinline__ Four four(const real *numbers, i64 first, i64 end) {
    Four x;
    if (first + 4 <= end && (reinterpret_cast<u64>(numbers + first) & 15) == 0) {
        x = *reinterpret_cast<const Four *>(numbers + first);
    } else {
#pragma unroll
        for (int c = 0; c < 4; c++) x.v[c] = first + c < end ? numbers[first + c] : real(0);
    }
    return x;
}

__device__ __forceinline__ void multiply_slab(const real (*a)[PITCH], const real (*b)[PITCH], Numbers &sums) {
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
        Four x = *reinterpret_cast<const Four *>(&a[k][4 * down()]);
        Four y = *reinterpret_cast<const Four *>(&b[k][4 * right()]);
        EACH_NUMBER(r, c) sums[r][c] = fma(x.v[r], y.v[c], sums[r][c]);
    }
}

// sums[i][j] += Σ of a[k][i]·b[k][j] over k from `first` to before `end`, or some more on both sides.
__device__ __forceinline__ void multiply_tiles(const real (*a)[PITCH], const real (*b)[PITCH], int first, int end, Numbers &sums) {
    for (int k = first / DEPTH * DEPTH; k < end; k += DEPTH) multiply_slab(a + k, b + k, sums);
}

// sums[i][j] += Σ over k < depth of a's row i times b's row j, which has no factors. The next slab is on its way while one is multiplied.
__device__ void multiply_rows(Shared &s, const Rows &a, const Rows &b, i64 depth, Numbers &sums) {
    // This thread's part of a slab: four numbers of a row of each.
    int row = threadIdx.x / 4, k = 4 * (threadIdx.x % 4);
    const real *of_a = a.first + row * a.pitch, *of_b = b.first + row * b.pitch;
    real factor = a.factors && row < a.count ? a.factors[row] : real(1);
    i64 end_a = a.reads(row) && factor != 0 ? depth : 0, end_b = b.reads(row) ? depth : 0;
    Four x = four(of_a, k, end_a), y = four(of_b, k, end_b);
    for (i64 first = 0; first < depth; first += DEPTH) {
        __syncthreads();
#pragma unroll
        for (int c = 0; c < 4; c++) {
            s.a[k + c][row] = a.factors ? factor * x.v[c] : x.v[c];
            s.b[k + c][row] = y.v[c];
        }
        __syncthreads();
        x = four(of_a, first + DEPTH + k, end_a);
        y = four(of_b, first + DEPTH + k, end_b);
        multiply_slab(s.a, s.b, sums);
    }
}

// sums[i][j] += Σ over k < TILE of tile[k][i] times number first + j of b's row k, for first + j < columns.
__device__ void multiply_tile(Shared &s, const real (*tile)[PITCH], const Rows &b, i64 first, i64 columns, Numbers &sums) {
    int k = threadIdx.x / 16, column = 4 * (threadIdx.x % 16);
    auto take = [&](int row) { return four(b.first + row * b.pitch, first + column, b.reads(row) ? columns : 0); };
    Four x = take(k);
    for (int start = 0; start < b.count; start += DEPTH) {
        __syncthreads();
        if (b.factors && start + k < b.count) {
#pragma unroll
            for (int c = 0; c < 4; c++) x.v[c] = b.factors[start + k] == 0 ? real(0) : x.v[c] * b.factors[start + k];
        }
        *reinterpret_cast<Four *>(&s.b[k][column]) = x;
        __syncthreads();
        x = take(start + DEPTH + k);
        multiply_slab(tile + start, s.b, sums);
    }
}

// tile[j][i] = numbers (i, j), so that a product can sum over j. No thread may still read the tile.
__device__ __forceinline__ void store_transposed(const Numbers &x, real (*tile)[PITCH]) {
#pragma unroll
    for (int c = 0; c < 4; c++) {
        Four column;
#pragma unroll
        for (int r = 0; r < 4; r++) column.v[r] = x[r][c];
        *reinterpret_cast<Four *>(&tile[4 * right() + c][4 * down()]) = column;
    }
}

// tile[i][j] = numbers (i, j).
__device__ __forceinline__ void store(const Numbers &x, real (*tile)[PITCH]) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
        Four row;
#pragma unroll
        for (int c = 0; c < 4; c++) row.v[c] = x[r][c];
        *reinterpret_cast<Four *>(&tile[4 * down() + r][4 * right()]) = row;
    }
}

// Positions of a head, from `first` on and before `end`, at most TILE: `width` numbers each.
__device__ __forceinline__ Rows positions(const Attention &at, const real *x, i64 width, i64 length, i64 head, i64 first, i64 end,
                                          const real *marks = nullptr) {
    i64 count = end - first, place = head / at.heads * length + first;
    const real *start = x + (place * at.heads + head % at.heads) * width;
    return {start, at.heads * width, (int)(count < 0 ? 0 : count < TILE ? count : TILE), nullptr, marks ? marks + place : nullptr};
}

__device__ __forceinline__ Rows queries(const Attention &at, i64 head, i64 first, i64 end) {
    return positions(at, at.query, at.d, at.queries, head, first, end, at.query_marks);
}

__device__ __forceinline__ Rows keys(const Attention &at, i64 head, i64 first, i64 end) {
    return positions(at, at.key, at.d, at.keys, head, first, end, at.key_marks);
}

__device__ __forceinline__ Rows values(const Attention &at, i64 head, i64 first, i64 end) {
    return positions(at, at.value, at.dv, at.keys, head, first, end, at.value_marks);
}

// Features from `first` on of a matrix with a row for each: Ω, or the columns of a state.
__device__ __forceinline__ Rows features(const Attention &at, const real *x, i64 width, i64 first) {
    i64 count = at.m - first;
    return {x + first * width, width, (int)(count < TILE ? count : TILE), nullptr, nullptr};
}

// half_square·‖k‖² of each key. Visible after the next barrier.
__device__ void squares(const Attention &at, Shared &s, const Rows &x) {
    int row = threadIdx.x / 4, part = threadIdx.x % 4;
    real sum = 0;
    if (x.reads(row)) {
        for (i64 k = part; k < at.d; k += 4) sum = fma(x.first[row * x.pitch + k], x.first[row * x.pitch + k], sum);
    }
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    if (part == 0) s.squares[row] = at.half_square * sum;
}

// Exponents of keys from `first` on, whose squares are there, with a tile of features: ω·k, less half_square·‖k‖² where that belongs
// to it; −∞ where there is no feature, or the key is not there or not attended.
__device__ __forceinline__ void key_exponents(const Attention &at, Shared &s, const Rows &rows, i64 head, i64 first, i64 feature,
                                              Numbers &x) {
    clear(x);
    multiply_rows(s, rows, features(at, at.omega, at.d, feature), at.d, x);
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int row = 4 * down() + r;
        bool attends = row < rows.count && (!at.mask || at.mask[head / at.heads * at.keys + first + row]);
#pragma unroll
        for (int c = 0; c < 4; c++) {
            real exponent = at.scale * x[r][c];
            if (at.mode != RELU) exponent = larger(exponent - s.squares[row], -at.most);
            x[r][c] = attends && feature + 4 * right() + c < at.m ? exponent : -INFINITE;
        }
    }
}

// The base is, with the original's features, what is taken out of all exponents.
__device__ __forceinline__ real key_feature(const Attention &at, real exponent, real base) {
    if (at.mode == STABLE) {
        real above = exponent - base;
        return exp(above > at.headroom ? at.headroom : above);
    }
    if (exponent == -INFINITE) return 0;
    if (at.mode == ORIGINAL) return (exp(exponent - base) + at.epsilon) * at.ratio;
    return bounded(exponent, real(0), at.most_relu) + at.epsilon;
}

// What keys stand to that no others came before.
__device__ __forceinline__ real first_level(const Attention &at, i64 head) {
    return at.mode == ORIGINAL ? at.largest[head] : at.start;
}

__device__ __forceinline__ void query_exponents(const Attention &at, Shared &s, const Rows &rows, i64 feature, Numbers &x) {
    clear(x);
    multiply_rows(s, rows, features(at, at.omega, at.d, feature), at.d, x);
    EACH_NUMBER(r, c) {
        x[r][c] *= at.scale;
        if (at.mode == STABLE) x[r][c] = bounded(x[r][c], -at.most, at.most);
    }
}

// `top` is, with the original's features, what is taken out of all exponents.
__device__ __forceinline__ real query_feature(const Attention &at, real exponent, real base, real top) {
    if (at.mode == STABLE) return exp(exponent + base - top);
    if (at.mode == ORIGINAL) return (exp(exponent - top) + at.epsilon) * at.ratio;
    return bounded(exponent, real(0), at.most_relu) + at.epsilon;
}

// s.tile[down] = the largest of this thread's rows in each column. Ends with a barrier.
__device__ __forceinline__ void store_largest(Shared &s, const Numbers &x) {
    Four largest;
#pragma unroll
    for (int c = 0; c < 4; c++) largest.v[c] = larger(larger(x[0][c], x[1][c]), larger(x[2][c], x[3][c]));
    __syncthreads();
    *reinterpret_cast<Four *>(&s.tile[down()][4 * right()]) = largest;
    __syncthreads();
}

// Which feature number k of a state of all heads belongs to, among those of all heads, and whether it is the weight.
__device__ __forceinline__ u64 feature_of(u64 k, u64 m, u64 dv, bool &is_weight) {
    u64 rest, head, column, feature;
    split(k, m * (dv + 1), rest, head);
    is_weight = rest >= m * dv;
    split(rest, dv, column, feature);
    return head * m + (is_weight ? rest - m * dv : feature);
}

// The part of a chunk that lies within it: position i sees the keys j ≤ i.
//
// Within a tile of features, the features of the chunk stand to its level: the largest exponents of the keys up to its first
// position. No later one must reach it, for the positions before do not see those. Positions whose keys rise further above it
// than numbers can bear are late: each of their weights is a sum of e^(query's + key's exponent − top) by itself.

// Sets level and decay of a tile of features, from exponents of the chunk's keys and the base of the keys before. Gives how many positions
// come before the first late one, and in `running` the largest exponents of the keys up to each position.
__device__ __forceinline__ int find_level(const Attention &at, Shared &s, const Numbers &x, const real *base, i64 head, i64 feature,
                                          Numbers &running) {
    if (at.mode != STABLE) {
        __syncthreads();
        if (threadIdx.x < TILE) {
            s.level[threadIdx.x] = first_level(at, head);
            s.decay[threadIdx.x] = 1;
        }
        __syncthreads();
        return TILE;
    }
    store_largest(s, x);
    real largest[4];
#pragma unroll
    for (int c = 0; c < 4; c++) {
        i64 f = feature + 4 * right() + c;
        largest[c] = f < at.m ? base[f] : real(0);
        if (down() == 0) {
            real level = larger(largest[c], x[0][c]);
            s.level[4 * right() + c] = level;
            s.decay[4 * right() + c] = exp(largest[c] - level);
        }
    }
    for (int i = 0; i < down(); i++) {
        Four before = *reinterpret_cast<const Four *>(&s.tile[i][4 * right()]);
#pragma unroll
        for (int c = 0; c < 4; c++) largest[c] = larger(largest[c], before.v[c]);
    }
    __syncthreads();
    int steady = 0;
#pragma unroll
    for (int r = 0; r < 4; r++) {
        real rise = 0;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            largest[c] = larger(largest[c], x[r][c]);
            running[r][c] = largest[c];
            rise = larger(rise, largest[c] - s.level[4 * right() + c]);
        }
        rise = row_max(rise);
        // The rise never falls from one position to the next.
        steady += __syncthreads_count(right() == 0 && rise <= at.headroom);
    }
    return steady;
}

// Weights of late positions i (down) and all keys j (right), 0 of others: Σ over a tile of features. Overwrites s.tile and `keys_tile`.
__device__ __noinline__ void late_weights(const Attention &at, Shared &s, real (*keys_tile)[PITCH], i64 head, i64 first, i64 feature,
                                          int steady, Numbers &weights) {
    query_exponents(at, s, queries(at, head, first, at.queries), feature, weights);
    __syncthreads();
    store_transposed(weights, s.tile);
    key_exponents(at, s, keys(at, head, first, at.keys), head, first, feature, weights);
    store_transposed(weights, keys_tile);
    __syncthreads();
    clear(weights);
    for (int f = 0; f < TILE; f++) {
        EACH_NUMBER(r, c) {
            int i = 4 * down() + r;
            if (i >= steady) weights[r][c] += exp(s.tile[f][i] + keys_tile[f][4 * right() + c] - s.top[i]);
        }
    }
    __syncthreads();
}
