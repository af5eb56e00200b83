//! Randomness without a state: hashes of positions, and the smooth noise made of them. What is drawn at a moment
//! depends on seed and moment alone.

/// A hash of whole numbers (splitmix64's finisher).
pub(super) fn hash(seed: u64, x: i64, y: i64) -> u64 {
    let mut h = seed
        ^ (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F).rotate_left(31);
    h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    h ^ (h >> 31)
}

/// A hash as a number of 0..1.
pub(super) fn unit(seed: u64, x: i64, y: i64) -> f32 {
    (hash(seed, x, y) >> 40) as f32 / (1u64 << 24) as f32
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Smooth noise along a line, -1..=1, with features of length 1.
pub(super) fn line(seed: u64, x: f32) -> f32 {
    let cell = x.floor();
    let t = ease(x - cell);
    let (a, b) = (unit(seed, cell as i64, 7), unit(seed, cell as i64 + 1, 7));
    (a + (b - a) * t) * 2.0 - 1.0
}

/// Smooth noise in the plane, 0..=1, with features of length 1.
pub(super) fn plane(seed: u64, x: f32, y: f32) -> f32 {
    let (cx, cy) = (x.floor(), y.floor());
    let (tx, ty) = (ease(x - cx), ease(y - cy));
    let (ix, iy) = (cx as i64, cy as i64);
    let top = unit(seed, ix, iy) * (1.0 - tx) + unit(seed, ix + 1, iy) * tx;
    let bottom = unit(seed, ix, iy + 1) * (1.0 - tx) + unit(seed, ix + 1, iy + 1) * tx;
    top + (bottom - top) * ty
}

/// Octaves of [`plane`]: 0..=1, from features of length 1 downwards.
pub(super) fn fractal(seed: u64, x: f32, y: f32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut scale) = (0.0, 1.0, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * plane(seed.wrapping_add(u64::from(octave) * 0x51), x * scale, y * scale);
        total += weight;
        weight *= 0.5;
        scale *= 2.0;
    }
    sum / total
}

/// A bell-shaped number: mean 0, deviation 1, at most ±3.5.
pub(super) fn bell(seed: u64, x: i64, y: i64) -> f32 {
    let h = hash(seed, x, y);
    let sum: f32 = (0..4).map(|part| f32::from((h >> (16 * part)) as u16) / 65536.0).sum();
    // Four uniform numbers have a variance of 1/3.
    (sum - 2.0) * 3f32.sqrt()
}
