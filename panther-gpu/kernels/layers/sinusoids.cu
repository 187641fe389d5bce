// Columns times sinusoids of the position. The angle is reduced in double precision.

constexpr double TAU = 6.283185307179586476925;

struct Circle {
    real cos, sin;
};

// cos and sin of 2πf·m + θ.
__device__ __forceinline__ Circle circle(const real *frequencies, const real *phases, u32 has_phases, u64 place, u64 position) {
    double turns = (double)frequencies[place] * (double)position;
    double phase = has_phases ? (double)phases[place] : 0.0;
    real angle = real(TAU * (turns - floor(turns)) + phase);
    Circle point;
    sincos(angle, &point.sin, &point.cos);
    return point;
}

// y: rows×columns×waves×2, from rows of x that begin at `start`.
extern "C" __global__ void modulate(const real *x, u64 start, u64 length, u64 columns, u64 waves, const real *frequencies,
                                    const real *phases, u32 has_phases, const real *gains, real *y, u64 count) {
    u64 places = columns * waves;
    FOR_EACH(k, count) {
        u64 row = k / places, place = k % places;
        Circle at = circle(frequencies, phases, has_phases, place, (start + row) % length);
        real size = gains[place] * x[(start + row) * columns + place / waves];
        y[2 * k] = size * at.cos;
        y[2 * k + 1] = size * at.sin;
    }
}

// dx of the rows, count = rows·columns.
extern "C" __global__ void modulate_backward(u64 start, u64 length, u64 columns, u64 waves, const real *frequencies,
                                             const real *phases, u32 has_phases, const real *gains, const real *dy, real *dx,
                                             u64 count) {
    u64 places = columns * waves;
    FOR_EACH(k, count) {
        u64 row = k / columns, column = k % columns;
        real sum = 0;
        for (u64 wave = 0; wave < waves; wave++) {
            u64 place = column * waves + wave;
            Circle at = circle(frequencies, phases, has_phases, place, (start + row) % length);
            const real *by = dy + 2 * (row * places + place);
            sum += gains[place] * (at.cos * by[0] + at.sin * by[1]);
        }
        dx[(start + row) * columns + column] = sum;
    }
}

// shares[s][0..3][place]: the gradients by f, θ and λ from the rows of share s.
extern "C" __global__ void modulate_gradients(const real *x, u64 start, u64 rows, u64 length, u64 columns, u64 waves,
                                              const real *frequencies, const real *phases, u32 has_phases, const real *gains,
                                              const real *dy, u64 share, real *shares, u64 count) {
    u64 places = columns * waves;
    FOR_EACH(k, count) {
        u64 s = k / places, place = k % places;
        u64 first = s * share, last = first + share < rows ? first + share : rows;
        real by_frequency = 0, by_phase = 0, by_gain = 0;
        for (u64 row = first; row < last; row++) {
            u64 position = (start + row) % length;
            Circle at = circle(frequencies, phases, has_phases, place, position);
            const real *by = dy + 2 * (row * places + place);
            real own = x[(start + row) * columns + place / waves];
            real turn = own * gains[place] * (at.cos * by[1] - at.sin * by[0]);
            by_frequency += real(TAU * (double)position) * turn;
            by_phase += turn;
            by_gain += own * (at.cos * by[0] + at.sin * by[1]);
        }
        real *to = shares + s * 3 * places + place;
        to[0] = by_frequency;
        to[places] = by_phase;
        to[2 * places] = by_gain;
    }
}
