// Steps of optimisers. `rate` is −η.

extern "C" __global__ void sgd(const real *gradient, real *value, real rate, real decay, u64 count) {
    FOR_EACH(i, count) {
        real w = value[i];
        value[i] = fma(rate, fma(decay, w, gradient[i]), w);
    }
}

// w −= η·(of_gradient·g + of_momentum·m).
extern "C" __global__ void sgd_momentum(const real *gradient, real *momentum, real *value, real rate, real decay, real mu,
                                        real of_gradient, real of_momentum, u64 count) {
    FOR_EACH(i, count) {
        real w = value[i];
        real g = fma(decay, w, gradient[i]);
        real m = fma(mu, momentum[i], g);
        momentum[i] = m;
        value[i] = fma(rate, fma(of_gradient, g, of_momentum * m), w);
    }
}

extern "C" __global__ void adamw(const real *gradient, real *first, real *second, real *value, real beta1, real beta2, real new1,
                                 real new2, real kept, real rate, real inverse_root, real eps, u64 count) {
    FOR_EACH(i, count) {
        real g = gradient[i];
        real m = fma(beta1, first[i], rounded_product(new1, g));
        real v = fma(beta2, second[i], rounded_product(rounded_product(new2, g), g));
        first[i] = m;
        second[i] = v;
        value[i] = fma(rate, m / fma(inverse_root, sqrt(v), eps), rounded_product(kept, value[i]));
    }
}
