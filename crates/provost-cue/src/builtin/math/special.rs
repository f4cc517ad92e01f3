//! Functions of floats that Go computes in its own way.

use std::f64::consts::PI;

/// The exponent of the power of two at or below a magnitude.
pub(super) fn binary_exponent(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { f64::NEG_INFINITY } else { value.abs() };
    }
    let (_, exponent) = libm::frexp(value);
    f64::from(exponent - 1)
}

/// The x whose error function is y, by Halley's method from a first guess.
pub(super) fn inverse_error_function(y: f64) -> f64 {
    if !(-1.0..=1.0).contains(&y) {
        return f64::NAN;
    }
    if y.abs() == 1.0 {
        return y * f64::INFINITY;
    }
    if y == 0.0 {
        return y;
    }
    // Winitzki's approximation is good to three digits, and each step triples them.
    let log = (1.0 - y * y).ln();
    let a = 2.0 / (PI * 0.147) + log / 2.0;
    let mut x = ((a * a - log / 0.147).sqrt() - a).sqrt().copysign(y);
    for _ in 0..4 {
        let error = if y.abs() < 0.5 {
            libm::erf(x) - y
        } else {
            // Near one the complement keeps the digits that erf itself loses.
            ((1.0 - y.abs()) - libm::erfc(x.abs())) * y.signum()
        };
        let slope = 2.0 / PI.sqrt() * (-x * x).exp();
        let step = error / slope;
        x -= step / (1.0 + x * step);
    }
    x
}

pub(super) fn inverse_complement(y: f64) -> f64 {
    inverse_error_function(1.0 - y)
}
