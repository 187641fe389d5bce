//! Pooling and flattening.

use faer::Par;
use panther_nn::NnError;
use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{AvgPool2d, Flatten, Layer, MaxPool2d, Padding, Window};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

fn cases() -> Vec<([usize; 4], Window)> {
    let window = |kernel, stride, padding, dilation| Window { kernel, stride, padding, dilation };
    vec![
        ([1, 1, 1, 1], Window::new([1, 1])),
        ([2, 3, 6, 8], window([2, 2], [2, 2], Padding::Valid, [1, 1])),
        ([1, 2, 7, 5], window([3, 2], [2, 1], Padding::Valid, [1, 1])),
        ([1, 2, 7, 6], window([3, 3], [2, 3], Padding::All(1), [1, 1])),
        ([2, 1, 9, 8], window([2, 3], [1, 2], Padding::Pair(1, 2), [2, 2])),
        ([1, 2, 4, 5], window([2, 3], [1, 1], Padding::Same, [1, 1])),
        // Windows that leave pixels out.
        ([1, 2, 8, 9], window([1, 2], [3, 4], Padding::Valid, [1, 1])),
    ]
}

/// The numbers under each window, zeros for padding left out, with the kernel's count of taps.
fn under_windows(x: &CpuTensor<f64>, window: Window) -> Vec<Vec<f64>> {
    let g = window.geometry().unwrap();
    let &[batch, channels, height, width] = x.shape() else { panic!("not images") };
    let [rows, columns] = g.positions("test", [height, width]).unwrap();
    let mut all = Vec::new();
    for plane in x.as_slice().chunks(height * width).take(batch * channels) {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut covered = Vec::new();
            for ky in 0..g.kernel[0] {
                for kx in 0..g.kernel[1] {
                    let y = (row * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.padding[0][0]);
                    let x = (column * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.padding[1][0]);
                    if y < height && x < width {
                        covered.push(plane[y * width + x]);
                    }
                }
            }
            all.push(covered);
        }
    }
    all
}

#[test]
fn outputs_are_maxima_and_means() {
    let cpu = Cpu::default();
    for (shape, window) in cases() {
        let x = gaussian(&shape, &mut Random::new(1));
        let covered = under_windows(&x, window);
        let largest: Vec<f64> = covered.iter().map(|x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
        let y = MaxPool2d::<f64, _>::new(&cpu, window).unwrap().forward(&x).unwrap();
        assert_eq!(y.as_slice(), largest, "{shape:?} {window:?}");
        let taps = (window.kernel[0] * window.kernel[1]) as f64;
        let y = AvgPool2d::<f64, _>::new(&cpu, window).unwrap().forward(&x).unwrap();
        assert_eq!(y.as_slice().len(), covered.len());
        for (y, covered) in y.as_slice().iter().zip(&covered) {
            let mean = covered.iter().sum::<f64>() / taps;
            assert!((y - mean).abs() <= 1e-15 * taps, "{shape:?} {window:?}");
        }
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    // Gaussian numbers have no two so near to each other that a step of the differences changes which is the largest.
    let cpu = Cpu::default();
    for (shape, window) in cases() {
        let x = gaussian(&shape, &mut Random::new(1));
        let what = format!("{shape:?} {window:?}");
        check(&what, &mut MaxPool2d::new(&cpu, window).unwrap(), &x, 2);
        check(&what, &mut AvgPool2d::new(&cpu, window).unwrap(), &x, 2);
        check(&what, &mut Flatten::new(&cpu), &x, 2);
    }
}

#[test]
fn the_first_of_equal_maxima_takes_the_gradient() {
    let cpu = Cpu::default();
    let mut layer = MaxPool2d::<f32, _>::new(&cpu, Window { stride: [2, 2], ..Window::new([2, 2]) }).unwrap();
    let x = cpu.upload(&[1, 2, 4], vec![1.0, 3.0, -5.0, -5.0, 3.0, 3.0, -5.0, -5.0]).unwrap();
    let y = layer.forward_train(&x).unwrap();
    assert_eq!((y.shape(), y.as_slice()), ([1, 1, 2].as_slice(), [3.0, -5.0].as_slice()));
    let dx = layer.backward(&cpu.upload(&[1, 1, 2], vec![7.0, 9.0]).unwrap()).unwrap();
    assert_eq!(
        (dx.shape(), dx.as_slice()),
        ([1, 2, 4].as_slice(), [0.0, 7.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0].as_slice())
    );
}

#[test]
fn a_nan_is_seen() {
    let cpu = Cpu::default();
    let layer = MaxPool2d::<f32, _>::new(&cpu, Window::new([1, 2])).unwrap();
    let y = layer.forward(&cpu.upload(&[1, 1, 4], vec![f32::NAN, 1.0, 2.0, f32::NAN]).unwrap()).unwrap();
    assert!(y.as_slice()[0].is_nan() && y.as_slice()[1] == 2.0 && y.as_slice()[2].is_nan(), "{y:?}");
}

#[test]
fn threads_batches_of_none_and_flat_shapes() {
    let run = |par| {
        let cpu = Cpu::new(par);
        let window = Window { stride: [2, 2], padding: Padding::All(1), ..Window::new([3, 3]) };
        let x = gaussian(&[3, 5, 31, 33], &mut Random::new(1));
        let (mut largest, mut mean) = (MaxPool2d::new(&cpu, window).unwrap(), AvgPool2d::new(&cpu, window).unwrap());
        let (a, b) = (largest.forward_train(&x).unwrap(), mean.forward_train(&x).unwrap());
        (largest.backward(&a).unwrap(), mean.backward(&b).unwrap(), a, b)
    };
    assert_eq!(run(Par::Seq), run(Par::rayon(2)));
    assert_eq!(run(Par::Seq), run(Par::rayon(3)));
    let cpu = Cpu::default();
    let nothing = cpu.upload::<f32>(&[0, 2, 4, 4], Vec::new()).unwrap();
    let window = Window::new([2, 2]);
    let mut layers: [Box<dyn Layer<f32, Cpu>>; 3] = [
        Box::new(MaxPool2d::new(&cpu, window).unwrap()),
        Box::new(AvgPool2d::new(&cpu, window).unwrap()),
        Box::new(Flatten::new(&cpu)),
    ];
    let shapes: [&[usize]; 3] = [&[0, 2, 3, 3], &[0, 2, 3, 3], &[0, 32]];
    for (layer, shape) in layers.iter_mut().zip(shapes) {
        let y = layer.forward_train(&nothing).unwrap();
        assert_eq!(y.shape(), shape);
        assert_eq!(layer.backward(&y).unwrap().shape(), [0, 2, 4, 4]);
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let cpu = Cpu::default();
    let image = |shape: &[usize]| cpu.upload(shape, vec![0f32; shape.iter().product()]).unwrap();
    let window = Window::new([2, 2]);
    let refused = MaxPool2d::<f32, _>::new(&cpu, Window { stride: [0, 1], ..window }).unwrap_err();
    assert_eq!(refused, NnError::OutOfRange { argument: "stride", low: 1, high: usize::MAX, got: 0 });
    // Windows that are too large, that see padding only, or that fall on both sides of the image.
    let only_padding = Window { padding: Padding::All(2), ..window };
    let beside = Window { padding: Padding::All(1), dilation: [4, 4], ..window };
    for window in [Window::new([4, 1]), only_padding, beside, Window { padding: Padding::All(1 << 50), ..window }] {
        let mut layers: [Box<dyn Layer<f32, Cpu>>; 2] =
            [Box::new(MaxPool2d::new(&cpu, window).unwrap()), Box::new(AvgPool2d::new(&cpu, window).unwrap())];
        for layer in &mut layers {
            assert!(matches!(layer.forward(&image(&[1, 1, 3, 3])), Err(NnError::Shape { argument: "x", .. })));
            assert!(matches!(layer.backward(&image(&[1, 1, 3, 3])), Err(NnError::BackwardWithoutForward { .. })));
        }
    }
    let mut layer = MaxPool2d::<f32, _>::new(&cpu, window).unwrap();
    layer.forward_train(&image(&[1, 2, 3, 3])).unwrap();
    assert!(matches!(layer.backward(&image(&[1, 2, 3, 3])), Err(NnError::Shape { argument: "dy", .. })));
    assert!(matches!(layer.forward(&image(&[3, 3])), Err(NnError::Shape { argument: "x", .. })));
    let scalar = cpu.upload(&[], vec![1f32]).unwrap();
    assert!(matches!(Flatten::new(&cpu).forward(&scalar), Err(NnError::Shape { argument: "x", .. })));
}
