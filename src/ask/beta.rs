//! The beta distribution, of which exact intervals of shares are made: a page of arithmetic, where a library would bring a
//! hundred other distributions and have all linear algebra built anew.

/// Terms of the fraction, at most; it needs some tens.
const MAX_TERMS: usize = 10_000;
/// A term that changes less than this is the last.
const PRECISION: f64 = 1e-14;
/// What stands for a 0 in a denominator.
const TINY: f64 = 1e-300;

/// The share of a beta distribution that is below `x`: the regularised incomplete beta function, for `a` and `b` above 0.
pub(super) fn beta_share(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on this side of the mean, and the other side is the same seen from there.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    }
}

/// The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8), from the front (Lentz 1976).
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let whole = |it: f64| if it.abs() < TINY { TINY } else { it };
    let mut c = 1.0;
    let mut d = 1.0 / whole(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in (1..MAX_TERMS).map(|it| it as f64) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / whole(1.0 + even * d);
        c = whole(1.0 + even / c);
        value *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / whole(1.0 + odd * d);
        c = whole(1.0 + odd / c);
        value *= c * d;
        if (c * d - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function, above 0: Stirling's series, from where it is exact to the last digits.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0f64);
    while x < 12.0 {
        product *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_tail_of_the_binomial() {
        // The probability of at least k of n.
        let binomial = |k: u32, n: u32, p: f64| -> f64 {
            let of = |i: u32| (0..i).fold(1.0, |it, j| it * f64::from(n - j) / f64::from(j + 1));
            (k..=n).map(|i| of(i) * p.powi(i as i32) * (1.0 - p).powi((n - i) as i32)).sum()
        };
        for (k, n, p) in [(1, 1, 0.3), (1, 10, 0.05), (5, 10, 0.5), (9, 10, 0.7), (3, 100, 0.01), (60, 100, 0.55)] {
            let share = beta_share(f64::from(k), f64::from(n - k + 1), p);
            assert!((share - binomial(k, n, p)).abs() < 1e-10, "{k} of {n}: {share}");
        }
        assert_eq!((beta_share(2.0, 3.0, 0.0), beta_share(2.0, 3.0, 1.0)), (0.0, 1.0));
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-12);
        assert!((beta_share(0.5, 0.5, 0.25) - 1.0 / 3.0).abs() < 1e-12, "the arcsine distribution");
    }
}
