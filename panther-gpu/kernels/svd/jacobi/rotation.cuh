// One-sided Jacobi (Hestenes 1958) by blocks of columns: rotations from the right make the columns of x orthogonal. The blocks play
// a tournament; two that meet lie in the shared memory of one thread block while their columns are rotated.

// Who meets in a round of a tournament of `players` (even): every two meet once in players − 1 rounds.
__device__ __forceinline__ void players_of(u32 round, u32 table, u32 players, u32 &p, u32 &q) {
    u32 wheel = players - 1;
    u32 a = (round + table) % wheel;
    u32 b = table == 0 ? wheel : (round + wheel - table) % wheel;
    p = a < b ? a : b;
    q = a < b ? b : a;
}

// The rotation that makes two columns orthogonal, of squared norms xx and yy.
struct Rotation {
    real c, s;
    real grown;  // what ‖y‖² gains and ‖x‖² loses
};

// Angles need not be exact.
__device__ __forceinline__ float quotient(float a, float b) { return __fdividef(a, b); }
__device__ __forceinline__ double quotient(double a, double b) { return a / b; }

// Whether columns are to be rotated: not where they are orthogonal already, nor where one is a rounding error of the longest column,
// with a squared norm below `floor`; what is no number never is, so that the sweeps do not converge. The rotation does not wait for
// the answer.
__device__ __forceinline__ bool rotation_of(real xx, real yy, real xy, real tolerance, real floor, Rotation &rotation) {
    const bool turns = !(xx <= floor || yy <= floor || quotient(xy, xx) * xy <= tolerance * tolerance * yy);
    // cos 2φ = |d|/r and sin 2φ = h/r of the smaller angle, with d and h of about one so that their squares have digits.
    const real scale = quotient(real(1), xx + yy), d = (yy - xx) * scale, h = 2 * xy * scale;
    const real inverse = rsqrt(d * d + h * h), cc = (1 + fabs(d) * inverse) / 2, inverse_c = rsqrt(cc);
    real c = cc * inverse_c, s = (d < 0 ? -h : h) * inverse * inverse_c / 2;
    rotation.grown = s * inverse_c * xy;
    // What is missing from the sum of their squares is put right: lengths would drift.
    const real half_missing = (1 - (c * c + s * s)) / 2;
    rotation.c = c + half_missing * c;
    rotation.s = s + half_missing * s;
    return turns;
}

__device__ __forceinline__ void turn(const Rotation &rotation, real &x, real &y) {
    const real a = x, b = y;
    x = rotation.c * a - rotation.s * b;
    y = rotation.c * b + rotation.s * a;
}

// Columns lie in shared memory in groups of WARP numbers: what a lane has of COUNT groups.
template <u32 COUNT>
struct Lane {
    real x[COUNT];

    __device__ __forceinline__ void load(const real *column) {
#pragma unroll
        for (u32 l = 0; l < COUNT; l++) x[l] = column[l * WARP];
    }

    __device__ __forceinline__ void store(real *column) const {
#pragma unroll
        for (u32 l = 0; l < COUNT; l++) column[l * WARP] = x[l];
    }
};

// Of the first SUMMED groups, an even number.
template <u32 SUMMED, u32 COUNT>
__device__ __forceinline__ real products(const Lane<COUNT> &a, const Lane<COUNT> &b) {
    real even = 0, odd = 0;
#pragma unroll
    for (u32 l = 0; l < SUMMED; l += 2) {
        even += a.x[l] * b.x[l];
        odd += a.x[l + 1] * b.x[l + 1];
    }
    return even + odd;
}

template <u32 COUNT>
__device__ __forceinline__ void turn(const Rotation &rotation, Lane<COUNT> &a, Lane<COUNT> &b) {
#pragma unroll
    for (u32 l = 0; l < COUNT; l++) turn(rotation, a.x[l], b.x[l]);
}

// The part of ε times the largest column below which a column is rounding errors, squared.
constexpr double NOISE = (double)EPSILON * (double)EPSILON / (NOISE_DIVISOR * NOISE_DIVISOR);

// Below this the squares of products have no digits.
#ifdef REAL_IS_FLOAT
constexpr real UNDERFLOW = 1e-19f;
#else
constexpr real UNDERFLOW = 1e-150;
#endif

// What a launch works on: x is m×n, v has n rows and is rotated along.
struct Problem {
    real *x;
    u64 ldx;
    u32 m, n;
    real *v;
    u64 ldv;
    u32 width;   // columns of a block
    u32 tables;  // pairs of blocks, at which the thread blocks take turns where they are fewer
    real tolerance;
    int *changed;  // MOST_SWEEPS flags that start as 0
    u64 *largest;  // the largest squared norm of a column, in the bits of a double; starts as 0
    double *sweeps;  // becomes the number of sweeps that rotated anything, MOST_SWEEPS where they did not converge
    u32 *counter;    // of the barrier of a grid; starts as 0
};

// Squared norms up to this are rounding errors of the longest column.
__device__ __forceinline__ real floor_of(const Problem &problem) {
    return max(UNDERFLOW, real(NOISE * __longlong_as_double(__ldcg(problem.largest))));
}

#define ORTHOGONALIZE(name, attribute, function)                                                                                  \
    extern "C" __global__ void attribute __launch_bounds__(BLOCK_THREADS, 1)                                                        \
        name(real *x, u64 ldx, u32 m, u32 n, real *v, u64 ldv, u32 width, u32 tables, real tolerance, int *changed, u64 *largest, \
             double *sweeps, u32 *counter) {                                                                                      \
        function({x, ldx, m, n, v, ldv, width, tables, tolerance, changed, largest, sweeps, counter});                            \
    }
