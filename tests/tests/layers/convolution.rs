//! Dense and sketched convolutions.

use faer::Par;
use panther_nn::backend::{Geometry, Storage};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Conv2d, Layer, Padding, SkConv2d, SkConv2dOptions, Window};
use panther_nn::state::State;
use panther_nn::{NnError, Scalar};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

/// A convolution of batch×c_in×image to c_out channels, sketched with T terms of rank k.
struct Case {
    x: [usize; 4],
    c_out: usize,
    terms: usize,
    k: usize,
    window: Window,
}

fn case(x: [usize; 4], c_out: usize, (terms, k): (usize, usize), kernel: [usize; 2]) -> Case {
    Case { x, c_out, terms, k, window: Window::new(kernel) }
}

impl Case {
    fn stride(mut self, stride: [usize; 2]) -> Self {
        self.window.stride = stride;
        self
    }

    fn padding(mut self, padding: Padding) -> Self {
        self.window.padding = padding;
        self
    }

    fn dilation(mut self, dilation: [usize; 2]) -> Self {
        self.window.dilation = dilation;
        self
    }

    fn dense<T: Scalar>(&self, cpu: &Cpu, bias: bool) -> Conv2d<T, Cpu> {
        Conv2d::new(cpu, self.x[1], self.c_out, self.window, bias, 3).unwrap()
    }

    fn sketched<T: Scalar>(&self, cpu: &Cpu, bias: bool) -> SkConv2d<T, Cpu> {
        let options = SkConv2dOptions { num_terms: self.terms, low_rank: self.k, bias, seed: 11 };
        SkConv2d::new(cpu, self.x[1], self.c_out, self.window, options).unwrap()
    }
}

fn cases() -> Vec<Case> {
    vec![
        case([1, 1, 1, 1], 1, (1, 1), [1, 1]),
        case([2, 3, 5, 7], 4, (1, 2), [1, 1]),
        case([2, 3, 6, 5], 4, (2, 3), [3, 3]),
        case([1, 2, 9, 8], 5, (1, 5), [3, 2]).padding(Padding::Same),
        case([1, 2, 5, 6], 3, (1, 2), [4, 4]).padding(Padding::Same).dilation([1, 2]),
        case([2, 2, 7, 9], 3, (1, 1), [3, 3]).padding(Padding::All(1)).stride([2, 2]),
        case([1, 3, 8, 11], 2, (3, 2), [2, 5]).padding(Padding::Pair(0, 3)).stride([3, 2]),
        case([2, 2, 10, 9], 3, (1, 3), [3, 2]).padding(Padding::Pair(2, 1)).dilation([2, 3]),
        // Strides and dilations with common divisors and without; strides above the kernel, which leave pixels out.
        case([1, 2, 13, 14], 3, (1, 2), [3, 3]).padding(Padding::All(2)).stride([2, 4]).dilation([4, 2]),
        case([1, 2, 13, 14], 3, (1, 2), [3, 4]).padding(Padding::All(1)).stride([3, 2]).dilation([2, 3]),
        case([2, 2, 9, 10], 3, (1, 2), [2, 1]).stride([4, 3]),
        // The kernel is larger than the image, or the padding than the kernel.
        case([2, 2, 3, 2], 3, (1, 2), [5, 5]).padding(Padding::Pair(1, 2)),
        case([1, 2, 2, 3], 3, (1, 2), [2, 2]).padding(Padding::All(4)).stride([1, 3]),
        // Several blocks of rows, and rows that are joined.
        case([1, 40, 90, 91], 3, (1, 2), [3, 3]).padding(Padding::Same),
        case([2, 40, 90, 91], 2, (1, 2), [2, 3]).padding(Padding::All(1)).stride([2, 1]),
        case([1, 3, 70, 4], 20, (1, 4), [3, 3]).padding(Padding::Same),
    ]
}

/// A convolution by its definition.
fn plain(x: &[f64], shape: [usize; 4], weight: &[f64], c_out: usize, bias: &[f64], g: Geometry) -> Vec<f64> {
    let [batch, c_in, height, width] = shape;
    let [rows, columns] = g.positions("plain", [height, width]).unwrap();
    let mut y = Vec::new();
    for image in 0..batch {
        for o in 0..c_out {
            for row in 0..rows {
                for column in 0..columns {
                    let mut sum = bias[o];
                    for c in 0..c_in {
                        for ky in 0..g.kernel[0] {
                            for kx in 0..g.kernel[1] {
                                let from = (row * g.stride[0] + ky * g.dilation[0]).checked_sub(g.padding[0][0]);
                                let at = (column * g.stride[1] + kx * g.dilation[1]).checked_sub(g.padding[1][0]);
                                let (Some(from), Some(at)) = (from, at) else { continue };
                                if from < height && at < width {
                                    sum += x[((image * c_in + c) * height + from) * width + at]
                                        * weight[((o * c_in + c) * g.kernel[0] + ky) * g.kernel[1] + kx];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

fn in_double<T: Scalar>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|x| x.to_f64()).collect()
}

fn compare<T: Scalar>(what: &str, depth: usize, y: &CpuTensor<T>, expected: &[f64]) {
    assert_eq!(y.as_slice().len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0, |m: f64, y| m.max(y.abs()));
    for (y, e) in y.as_slice().iter().zip(expected) {
        let error = (y.to_f64() - e).abs();
        assert!(error <= 20.0 * depth as f64 * T::EPSILON.to_f64() * scale, "{what}: {y:?} {e}");
    }
}

fn outputs_are_their_definition<T: Scalar>() {
    let cpu = Cpu::default();
    for case in cases() {
        let g = case.window.geometry().unwrap();
        let [batch, c_in, height, width] = case.x;
        let x = gaussian(&case.x, &mut Random::new(5));
        let x = cpu.upload(&case.x, x.as_slice().iter().map(|x| T::from_f64(*x)).collect()).unwrap();
        let exact = in_double(x.as_slice());
        let [rows, columns] = g.positions("test", [height, width]).unwrap();
        let (taps, what) = (c_in * g.kernel[0] * g.kernel[1], format!("{:?} {g:?}", case.x));

        let mut state = State::new();
        let dense = case.dense::<T>(&cpu, true);
        dense.save("", &mut state).unwrap();
        let weight = in_double(state.values("weight", &[case.c_out, c_in, g.kernel[0], g.kernel[1]]).unwrap());
        let bias = in_double(state.values("bias", &[case.c_out]).unwrap());
        let y = dense.forward(&x).unwrap();
        assert_eq!(Cpu::shape(&y), [batch, case.c_out, rows, columns]);
        compare(&what, taps, &y, &plain(&exact, case.x, &weight, case.c_out, &bias, g));

        let mut state = State::new();
        let sketched = case.sketched::<T>(&cpu, true);
        sketched.save("", &mut state).unwrap();
        let (terms, k) = (2 * case.terms, case.k);
        let s1 = in_double(state.values("S1s", &[terms * k, c_in, g.kernel[0], g.kernel[1]]).unwrap());
        let u1 = in_double(state.values("U1s", &[terms, k, case.c_out]).unwrap());
        let bias = in_double(state.values("bias", &[case.c_out]).unwrap());
        // The kernel: the mean over the terms of S1·U1.
        let entry = |o: usize, tap: usize| {
            (0..terms * k).map(|j| s1[j * taps + tap] * u1[j * case.c_out + o]).sum::<f64>() / terms as f64
        };
        let entry = &entry;
        let kernel: Vec<f64> = (0..case.c_out).flat_map(|o| (0..taps).map(move |tap| entry(o, tap))).collect();
        let y = sketched.forward(&x).unwrap();
        assert_eq!(Cpu::shape(&y), [batch, case.c_out, rows, columns]);
        compare(&what, taps + terms * k, &y, &plain(&exact, case.x, &kernel, case.c_out, &bias, g));
    }
}

#[test]
fn outputs_are_their_definition_in_both_precisions() {
    outputs_are_their_definition::<f32>();
    outputs_are_their_definition::<f64>();
}

#[test]
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::default();
    for case in cases() {
        // Those of many numbers belong to the test of whole gradients.
        if case.x.iter().product::<usize>() > 2000 {
            continue;
        }
        let x = gaussian(&case.x, &mut Random::new(1));
        for bias in [false, true] {
            let what = format!("{:?} {:?}", case.x, case.window);
            check(&format!("conv2d {what}"), &mut case.dense(&cpu, bias), &x, 2);
            check(&format!("sk_conv2d {what}"), &mut case.sketched(&cpu, bias), &x, 2);
        }
    }
}

/// ⟨a, b⟩.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn whole_gradients_are_adjoint_to_the_layer() {
    // Without bias y is linear in x and in the weight: ⟨dy, y⟩ = ⟨dx, x⟩ = ⟨dW, W⟩. Sums of n terms, of which each is wrong by a few
    // ε and which are some √n smaller than the sum of their sizes.
    let cpu = Cpu::default();
    for case in cases() {
        let x = gaussian(&case.x, &mut Random::new(1));
        let layers: [Box<dyn Layer<f64, Cpu>>; 2] =
            [Box::new(case.dense(&cpu, false)), Box::new(case.sketched(&cpu, false))];
        for mut layer in layers {
            let y = layer.forward_train(&x).unwrap();
            let dy = gaussian(y.shape(), &mut Random::new(2));
            let dx = layer.backward(&dy).unwrap();
            let by_y = dot(dy.as_slice(), y.as_slice());
            let sizes: f64 = dy.as_slice().iter().zip(y.as_slice()).map(|(a, b)| (a * b).abs()).sum();
            let parameters = layer.parameters_mut();
            let by_weight = dot(parameters[0].gradient.as_ref().unwrap().as_slice(), parameters[0].value.as_slice());
            let allowed = 1e-12 * sizes;
            assert!((dot(dx.as_slice(), x.as_slice()) - by_y).abs() <= allowed, "{:?} {:?}", case.x, case.window);
            assert!((by_weight - by_y).abs() <= allowed, "{:?} {:?}", case.x, case.window);
        }
    }
}

#[test]
fn same_padding_is_that_of_pytorch() {
    // An even span is padded by one more behind: the kernel (1, 0) leaves x as it is, (0, 1) moves it to the left.
    let cpu = Cpu::default();
    let x = cpu.upload(&[1, 1, 3], vec![1.0, 2.0, 3.0]).unwrap();
    for (kernel, expected) in [([1.0, 0.0], [1.0, 2.0, 3.0]), ([0.0, 1.0], [2.0, 3.0, 0.0])] {
        let weight = cpu.upload(&[1, 1, 1, 2], kernel.to_vec()).unwrap();
        let window = Window { padding: Padding::Same, ..Window::new([1, 2]) };
        let layer = Conv2d::<f64, _>::from_parts(&cpu, weight, None, window).unwrap();
        let y = layer.forward(&x).unwrap();
        assert_eq!((Cpu::shape(&y), y.as_slice()), ([1, 1, 3].as_slice(), expected.as_slice()));
    }
}

#[test]
fn one_image_is_a_batch_of_one_and_no_images_give_none() {
    let cpu = Cpu::default();
    let case = case([1, 3, 6, 5], 4, (1, 2), [3, 3]);
    let x = gaussian(&case.x, &mut Random::new(1));
    let image = cpu.reshape(&x, &[3, 6, 5]).unwrap();
    let nothing = cpu.upload(&[0, 3, 6, 5], Vec::new()).unwrap();
    let layers: [Box<dyn Layer<f64, Cpu>>; 2] = [Box::new(case.dense(&cpu, true)), Box::new(case.sketched(&cpu, true))];
    for mut layer in layers {
        let (y, of_image) = (layer.forward(&x).unwrap(), layer.forward_train(&image).unwrap());
        assert_eq!((y.shape(), of_image.shape()), ([1, 4, 4, 3].as_slice(), [4, 4, 3].as_slice()));
        assert_eq!(y.as_slice(), of_image.as_slice());
        assert_eq!(layer.backward(&of_image).unwrap().shape(), [3, 6, 5]);
        let y = layer.forward_train(&nothing).unwrap();
        assert_eq!(y.shape(), [0, 4, 4, 3]);
        assert_eq!(layer.backward(&y).unwrap().shape(), [0, 3, 6, 5]);
    }
}

#[test]
fn outputs_and_gradients_do_not_depend_on_threads() {
    let run = |par| {
        let cpu = Cpu::new(par);
        let strided = case([3, 24, 70, 65], 33, (2, 8), [3, 5]).padding(Padding::All(2)).stride([1, 2]);
        let mut all = Vec::new();
        for case in [strided, case([3, 24, 70, 65], 33, (2, 8), [3, 5]).padding(Padding::Same)] {
            let x = gaussian(&case.x, &mut Random::new(5));
            let layers: [Box<dyn Layer<f64, Cpu>>; 2] =
                [Box::new(case.dense(&cpu, true)), Box::new(case.sketched(&cpu, true))];
            for mut layer in layers {
                let y = layer.forward_train(&x).unwrap();
                let dx = layer.backward(&y).unwrap();
                let gradients: Vec<_> = layer.parameters_mut().iter().map(|p| p.gradient.clone()).collect();
                all.push((y, dx, gradients));
            }
        }
        all
    };
    assert_eq!(run(Par::Seq), run(Par::rayon(2)));
    assert_eq!(run(Par::Seq), run(Par::rayon(3)));
}

#[test]
fn a_fresh_sketched_layer_has_the_norm_of_a_dense_one() {
    // W has n = C_out·C_in·kh·kw entries uniform on ±1/√(C_in·kh·kw), so ‖W‖² ≈ C_out/3 with a relative deviation of √(4/(5n)):
    // 0.0074 here, and the bound is six of them.
    let (c_in, c_out, kernel) = (20, 80, [3, 3]);
    let cpu = Cpu::default();
    for (num_terms, low_rank) in [(1, 1), (1, 16), (3, 80)] {
        let options = SkConv2dOptions { num_terms, low_rank, bias: false, seed: 1 };
        let layer = SkConv2d::<f64, _>::new(&cpu, c_in, c_out, Window::new(kernel), options).unwrap();
        // The outputs for the unit vectors are the kernel.
        let taps = c_in * 9;
        let mut units = vec![0.0; taps * taps];
        units.iter_mut().step_by(taps + 1).for_each(|x| *x = 1.0);
        let kernel = layer.forward(&cpu.upload(&[taps, c_in, 3, 3], units).unwrap()).unwrap();
        let ratio = dot(kernel.as_slice(), kernel.as_slice()) / (c_out as f64 / 3.0);
        assert!((ratio - 1.0).abs() < 0.045, "T {num_terms} k {low_rank}: {ratio}");
    }
}

#[test]
fn layers_are_loaded_as_they_were_saved() {
    let cpu = Cpu::default();
    let x = gaussian(&[2, 3, 6, 5], &mut Random::new(5));
    let make = |seed| {
        let options = SkConv2dOptions { num_terms: 2, low_rank: 3, bias: true, seed };
        let window = Window::new([3, 2]);
        let sketched = SkConv2d::<f64, _>::new(&cpu, 3, 4, window, options).unwrap();
        (sketched, Conv2d::<f64, _>::new(&cpu, 3, 4, window, true, seed).unwrap())
    };
    let ((sketched, dense), (mut other_sketched, mut other_dense)) = (make(1), make(2));
    let mut state = State::new();
    sketched.save("a", &mut state).unwrap();
    dense.save("b", &mut state).unwrap();
    let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.S1s", "a.U1s", "a.bias", "b.bias", "b.weight"]);
    assert_ne!(other_sketched.forward(&x).unwrap(), sketched.forward(&x).unwrap());
    other_sketched.load("a", &state).unwrap();
    other_dense.load("b", &state).unwrap();
    assert_eq!(other_sketched.forward(&x).unwrap(), sketched.forward(&x).unwrap());
    assert_eq!(other_dense.forward(&x).unwrap(), dense.forward(&x).unwrap());
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let cpu = Cpu::default();
    let conv = |window: Window| Conv2d::<f32, _>::new(&cpu, 3, 4, window, true, 1);
    let window = Window::new([3, 3]);
    let out_of_range = |argument, high, got| NnError::OutOfRange { argument, low: 1, high, got };
    let refused = conv(Window { stride: [1, 0], ..window }).unwrap_err();
    assert_eq!(refused, out_of_range("stride", usize::MAX, 0));
    let refused = conv(Window { dilation: [0, 1], ..window }).unwrap_err();
    assert_eq!(refused, out_of_range("dilation", usize::MAX, 0));
    assert_eq!(conv(Window::new([0, 3])).unwrap_err(), out_of_range("kernel", usize::MAX, 0));
    let refused = conv(Window { stride: [1, 2], padding: Padding::Same, ..window }).unwrap_err();
    assert_eq!(refused, out_of_range("stride with same padding", 1, 2));
    assert!(matches!(conv(Window::new([usize::MAX, 2])), Err(NnError::Shape { argument: "weight", .. })));
    let refused = Conv2d::<f32, _>::new(&cpu, 0, 4, window, true, 1).unwrap_err();
    assert_eq!(refused, out_of_range("c_in", usize::MAX, 0));

    let sketched = |num_terms, low_rank| {
        let options = SkConv2dOptions { num_terms, low_rank, bias: true, seed: 1 };
        SkConv2d::<f32, _>::new(&cpu, 3, 4, window, options)
    };
    assert_eq!(sketched(1, 0).unwrap_err(), out_of_range("low_rank", 4, 0));
    assert_eq!(sketched(1, 5).unwrap_err(), out_of_range("low_rank", 4, 5));
    for terms in [0, usize::MAX / 2] {
        let refused = sketched(terms, 2).unwrap_err();
        assert!(matches!(refused, NnError::OutOfRange { argument: "num_terms", got, .. } if got == terms));
    }

    let image = |shape: &[usize]| cpu.upload(shape, vec![0f32; shape.iter().product()]).unwrap();
    let layers: [Box<dyn Layer<f32, Cpu>>; 2] = [Box::new(conv(window).unwrap()), Box::new(sketched(1, 2).unwrap())];
    for mut layer in layers {
        for shape in [[1, 2, 5, 5].as_slice(), &[1, 3, 2, 5], &[3, 5, 2], &[3, 5], &[1, 1, 3, 5, 5], &[1, 3, 0, 5]] {
            assert!(matches!(layer.forward(&image(shape)), Err(NnError::Shape { argument: "x", .. })), "{shape:?}");
        }
        assert!(matches!(layer.backward(&image(&[1, 4, 3, 3])), Err(NnError::BackwardWithoutForward { .. })));
        for shape in [[1, 4, 3, 4].as_slice(), &[2, 4, 3, 3], &[1, 3, 3, 3], &[4, 2, 3], &[9]] {
            layer.forward_train(&image(&[1, 3, 5, 5])).unwrap();
            assert!(matches!(layer.backward(&image(shape)), Err(NnError::Shape { argument: "dy", .. })), "{shape:?}");
        }
    }
    // What would not fit into the address space.
    for padding in [Padding::All(usize::MAX), Padding::All(usize::MAX / 4), Padding::Pair(1 << 40, 1 << 40)] {
        let layer = conv(Window { padding, ..window }).unwrap();
        assert!(matches!(layer.forward(&image(&[1, 3, 5, 5])), Err(NnError::Shape { .. })), "{padding:?}");
    }
    let layer = conv(Window { dilation: [usize::MAX, 1], ..window }).unwrap();
    assert!(matches!(layer.forward(&image(&[1, 3, 5, 5])), Err(NnError::Shape { argument: "x", .. })));
}
