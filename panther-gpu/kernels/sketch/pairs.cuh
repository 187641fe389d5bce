// What the dense families make of the words of a stream: two numbers of each, the upper half's first.
template <typename T>
struct GaussianPairs {
    __device__ __forceinline__ static void draw(u64 word, T scale, T &even, T &odd) {
        box_muller((u32)(word >> 32), (u32)word, scale, even, odd);
    }
};

template <typename T>
struct UniformPairs {
    __device__ __forceinline__ static void draw(u64 word, T scale, T &even, T &odd) {
        even = uniform((u32)(word >> 32), scale);
        odd = uniform((u32)word, scale);
    }
};
