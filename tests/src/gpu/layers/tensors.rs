//! Operations on tensors.

use panther_nn::Scalar;
use panther_nn::backend::{Activation, Backend, KeysSeen, Layout, SequenceRows, Waves};

use super::{Case, Outputs};

pub(super) fn storage<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 1);
    let x = case.gaussian::<T>(&[3, 5], 1.0)?;
    let mut shared = backend.reshape(&x, &[15])?;
    backend.scale(T::from_f64(2.0), &mut shared)?;
    case.keep("original", &x)?;
    case.keep("scaled", &shared)?;
    case.keep("nothing", &backend.zeros::<T>(&[0, 4])?)?;
    case.keep("zeros", &backend.zeros::<T>(&[7])?)?;
    Ok(case.outputs)
}

pub(super) fn elementwise<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 2);
    for shape in [vec![0, 3], vec![1, 1], vec![37, 5], vec![1000, 129]] {
        let (x, mut y) = (case.gaussian::<T>(&shape, 2.0)?, case.gaussian::<T>(&shape, 1.0)?);
        for f in [Activation::Relu, Activation::Gelu] {
            let activated = backend.activate(f, &x)?;
            case.keep(format!("{f:?} {shape:?}"), &activated)?;
            let gradient = backend.activate_backward(f, &x, &y)?;
            case.keep(format!("{f:?} backward {shape:?}"), &gradient)?;
        }
        backend.add_scaled(T::from_f64(-0.75), &x, &mut y)?;
        let bias = case.gaussian::<T>(&shape[1..], 1.0)?;
        backend.add_rows(&bias, &mut y)?;
        case.keep(format!("sums {shape:?}"), &y)?;
    }
    Ok(case.outputs)
}

pub(super) fn reductions<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 3);
    for (rows, width) in [(0, 3), (1, 1), (2, 700), (1000, 33), (5001, 7)] {
        let (x, mut sum) = (case.gaussian::<T>(&[rows, width], 1.0)?, case.gaussian::<T>(&[width], 1.0)?);
        backend.sum_rows(&x, &mut sum)?;
        case.keep(format!("rows {rows}×{width}"), &sum)?;
        let squares = backend.sum_of_squares(&x)?;
        case.keep_number("squares", squares);
    }
    for shape in [[0, 3, 4, 4], [1, 1, 1, 1], [3, 5, 7, 9], [2, 4, 65, 64]] {
        let (x, mut sum) = (case.gaussian::<T>(&shape, 1.0)?, case.gaussian::<T>(&shape[1..2], 1.0)?);
        backend.sum_channels(&x, &mut sum)?;
        case.keep(format!("channels {shape:?}"), &sum)?;
    }
    Ok(case.outputs)
}

pub(super) fn products<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 4);
    for (m, n, k) in
        [(1, 1, 1), (3, 5, 7), (33, 65, 17), (4, 6, 0), (1, 9, 8), (9, 1, 8), (200, 128, 7700), (800, 600, 400)]
    {
        // Two levels of batches that one distance does not lead through, heads side by side in the columns of C.
        let (outer, inner) = (2, 3);
        let (a, b) = (case.gaussian::<T>(&[outer, inner, m, k], 1.0)?, case.gaussian::<T>(&[inner, n, k], 1.0)?);
        for beta in [0.0, 0.5] {
            let mut c = case.gaussian::<T>(&[outer, m, inner, n], 1.0)?;
            let a_at = Layout::matrix(m, k).batched([outer, inner], [inner * m * k, m * k]);
            let b_at = Layout::matrix(n, k).t().batched([outer, inner], [0, n * k]);
            let mut c_at = Layout::matrix(m, n).batched([outer, inner], [m * inner * n, n]);
            c_at.row_stride = inner * n;
            backend.gemm(T::from_f64(1.5), (&a, a_at), (&b, b_at), T::from_f64(beta), (&mut c, c_at))?;
            case.keep(format!("{m}×{n}×{k} β {beta}"), &c)?;
            let mut c = case.gaussian::<T>(&[m, n], 1.0)?;
            let (a_at, b_at) = (Layout::matrix(m, k), Layout::matrix(n, k).t());
            backend.gemm(T::ONE, (&a, a_at), (&b, b_at), T::from_f64(beta), (&mut c, Layout::matrix(m, n)))?;
            case.keep("single", &c)?;
            let mut c = case.gaussian::<T>(&[n, m], 1.0)?;
            let c_at = Layout::matrix(n, m).t();
            backend.gemm(T::ONE, (&a, a_at), (&b, b_at), T::from_f64(beta), (&mut c, c_at))?;
            case.keep("transposed", &c)?;
        }
        let a_at = Layout::matrix(m, k).batched([outer, inner], [inner * m * k, m * k]);
        let b_at = Layout::matrix(n, k).t().batched([outer, inner], [0, n * k]);
        let product = backend.product(&[outer, inner, m, n], T::from_f64(1.5), (&a, a_at), (&b, b_at))?;
        case.keep("new", &product)?;
    }
    Ok(case.outputs)
}

pub(super) fn random<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 5);
    for shape in [vec![0], vec![1], vec![3, 1025], vec![5000]] {
        case.keep("uniform", &backend.uniform::<T>(&shape, 0.3, 11)?)?;
        case.keep("normal", &backend.normal::<T>(&shape, 0.3, 12)?)?;
        let mut x = case.gaussian::<T>(&shape, 1.0)?;
        backend.dropout(0.4, 13, &mut x)?;
        case.keep("dropout", &x)?;
    }
    Ok(case.outputs)
}

pub(super) fn gather<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 6);
    let table = case.gaussian::<T>(&[11, 5], 1.0)?;
    for indices in [vec![], vec![10], vec![3, 0, 3, 3, 10, 0, 7]] {
        case.keep("rows", &backend.gather_rows(&table, &indices)?)?;
        let (x, mut sum) = (case.gaussian::<T>(&[indices.len(), 5], 1.0)?, table.clone());
        backend.scatter_add_rows(&x, &indices, &mut sum)?;
        case.keep("sums", &sum)?;
    }
    case.keep("untouched", &table)?;
    Ok(case.outputs)
}

pub(super) fn normalization<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 7);
    for (rows, width, size) in [(0, 4, 1.0), (1, 1, 1.0), (3, 7, 1.0), (70, 513, 1.0), (5, 33, 1e15)] {
        let (x, dy) = (case.gaussian::<T>(&[rows, width], size)?, case.gaussian::<T>(&[rows, width], 1.0)?);
        let (weight, bias) = (case.gaussian::<T>(&[width], 1.0)?, case.gaussian::<T>(&[width], 1.0)?);
        let normalized = backend.normalize(1e-5, &x, &weight, &bias)?;
        case.keep(format!("y {rows}×{width}"), &normalized.y)?;
        let (mut dw, mut db) = (case.gaussian::<T>(&[width], 1.0)?, case.gaussian::<T>(&[width], 1.0)?);
        let dx = backend.normalize_backward(&x, &normalized.moments, &weight, &dy, (&mut dw, &mut db))?;
        case.keep(format!("dx {rows}×{width}"), &dx)?;
        case.keep("dw", &dw)?;
        case.keep("db", &db)?;
    }
    Ok(case.outputs)
}

pub(super) fn softmax<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 8);
    for ([batch, heads, rows, keys], first_sees) in
        [([0, 1, 2, 3], None), ([1, 1, 1, 1], Some(0)), ([2, 3, 5, 7], None), ([2, 2, 9, 300], Some(2))]
    {
        let penalty: Vec<T> = (0..batch * (keys + 2))
            .map(|i| T::from_f64(if i % 3 == 1 || i < keys { f64::NEG_INFINITY } else { 0.0 }))
            .collect();
        let penalty = backend.upload(&[batch, keys + 2], penalty)?;
        for penalty in [None, Some(&penalty)] {
            let shape = [batch, heads, rows, keys];
            let mut p = case.gaussian::<T>(&shape, 3.0)?;
            backend.softmax(&mut p, KeysSeen { first_sees, penalty })?;
            case.keep(format!("p {shape:?}"), &p)?;
            let mut gradient = case.gaussian::<T>(&shape, 1.0)?;
            backend.softmax_backward(&p, &mut gradient)?;
            case.keep(format!("gradient {shape:?}"), &gradient)?;
        }
    }
    Ok(case.outputs)
}

pub(super) fn sinusoids<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 9);
    for (columns, waves, rows) in [(1, 1, 0..1), (5, 3, 2..77), (4, 2, 0..0)] {
        let x = case.gaussian::<T>(&[2, 40, columns], 1.0)?;
        let shape = [columns, waves];
        let at = SequenceRows { rows, length: 40 };
        let own = Waves {
            frequencies: case.gaussian::<T>(&shape, 0.2)?,
            phases: Some(case.gaussian::<T>(&shape, 1.0)?),
            gains: case.gaussian::<T>(&shape, 1.0)?,
        };
        for phases in [None, own.phases.as_ref()] {
            let given = Waves { frequencies: &own.frequencies, phases, gains: &own.gains };
            let y = backend.modulate(&x, &at, &given)?;
            case.keep("y", &y)?;
            let (dy, mut dx) = (case.gaussian::<T>(B::shape(&y), 1.0)?, case.gaussian::<T>(B::shape(&x), 1.0)?);
            let mut gradients = Waves {
                frequencies: backend.zeros::<T>(&shape)?,
                phases: phases.map(|_| backend.zeros::<T>(&shape)).transpose()?,
                gains: backend.zeros::<T>(&shape)?,
            };
            backend.modulate_backward(&x, &at, &given, &dy, &mut dx, &mut gradients)?;
            case.keep("dx", &dx)?;
            case.keep("by frequencies", &gradients.frequencies)?;
            case.keep("by gains", &gradients.gains)?;
            if let Some(phases) = &gradients.phases {
                case.keep("by phases", phases)?;
            }
        }
    }
    Ok(case.outputs)
}
