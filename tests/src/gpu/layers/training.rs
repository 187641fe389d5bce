//! Losses, optimisers, and both at work.

use panther_nn::Scalar;
use panther_nn::backend::{Activation, AdamWStep, Backend, CrossEntropy, SgdStep};
use panther_nn::layers::{ActivationLayer, Layer, LayerNorm, Linear, Sequential, SkLinear, SkLinearOptions};
use panther_nn::train::{AdamW, AdamWOptions, Optimizer, cross_entropy, zero_gradients};

use super::{Case, Outputs};

pub(super) fn losses<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 10);
    for (rows, classes, size) in [(0, 3, 1.0), (1, 1, 1.0), (33, 10, 1.0), (5, 1000, 1e3)] {
        let logits = case.gaussian::<T>(&[rows, classes], size)?;
        let targets: Vec<usize> = (0..rows).map(|row| if row == 2 { 7777 } else { row * 3 % classes }).collect();
        for label_smoothing in [0.0, 0.1] {
            let options = CrossEntropy { label_smoothing, ignored: Some(7777) };
            let loss = backend.cross_entropy(options, &logits, &targets)?;
            case.keep_number("cross-entropy", loss.value);
            case.keep("its gradient", &loss.gradient)?;
        }
        let wanted = case.gaussian::<T>(&[rows, classes], 1.0)?;
        let loss = backend.mean_squared_error(&logits, &wanted)?;
        case.keep_number("squared error", loss.value);
        case.keep("its gradient", &loss.gradient)?;
    }
    Ok(case.outputs)
}

pub(super) fn optimizers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 11);
    for (count, start) in [(0, 3), (1, 0), (1003, 5)] {
        let mut value = case.gaussian::<T>(&[count + start + 2], 1.0)?;
        let mut state = (0..3).map(|_| backend.zeros::<T>(&[count])).collect::<Result<Vec<_>, _>>()?;
        for step in 0..3 {
            let gradient = case.gaussian::<T>(&[count], 1.0)?;
            let plain = SgdStep { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: step == 1 };
            backend.sgd_step(plain, &gradient, None, &mut value, start)?;
            backend.sgd_step(plain, &gradient, Some(&mut state[0]), &mut value, start)?;
            let adamw =
                AdamWStep { learning_rate: 0.01, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1, count: step + 1 };
            let (first, second) = state[1..].split_at_mut(1);
            backend.adamw_step(adamw, &gradient, [&mut first[0], &mut second[0]], &mut value, start)?;
            case.keep("value", &value)?;
        }
        for moment in &state {
            case.keep("moment", moment)?;
        }
    }
    Ok(case.outputs)
}

pub(super) fn training<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 18);
    let options = SkLinearOptions { num_terms: 1, low_rank: 4, bias: true, seed: 3 };
    let mut model = Sequential::<T, B>::new(vec![
        Box::new(Linear::new(backend, 8, 24, true, 1)?),
        Box::new(ActivationLayer::new(backend, Activation::Gelu)),
        Box::new(SkLinear::new(backend, 24, 16, options)?),
        Box::new(LayerNorm::new(backend, 16)?),
        Box::new(Linear::new(backend, 16, 4, true, 2)?),
    ]);
    let mut optimizer = AdamW::new(backend, AdamWOptions { eps: 1e-3, ..AdamWOptions::default() })?;
    let x = case.gaussian::<T>(&[64, 8], 1.0)?;
    let classes: Vec<usize> = (0..64).map(|i| i % 4).collect();
    for _ in 0..20 {
        let logits = model.forward_train(&x)?;
        let loss = cross_entropy(backend, CrossEntropy::default(), &logits, &classes)?;
        case.keep_number("loss", loss.value);
        model.backward(&loss.gradient)?;
        optimizer.step(&mut model.parameters_mut(), 0.01)?;
        zero_gradients(&mut model.parameters_mut());
    }
    let logits = model.forward(&x)?;
    case.keep("logits", &logits)?;
    Ok(case.outputs)
}
