//! Numbers that look like chance and are the same on every machine and for ever: `SplitMix64`.

/// A sequence that follows from what it was made of.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The sequence of these numbers.
    pub(crate) fn new(parts: &[u64]) -> Self {
        parts.iter().fold(Self(0x5eed), |mut rng, part| {
            rng.0 ^= part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Self(rng.bits())
        })
    }

    /// 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// At least 0, less than 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// At least `least`, less than `end`.
    pub(crate) fn within(&mut self, least: f64, end: f64) -> f64 {
        least + self.unit() * (end - least)
    }

    /// Whether something happens that happens with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of them.
    pub(crate) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let at = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        items.get(at).copied().unwrap_or_default()
    }

    /// A number of at least 1 that is mostly about `least` and sometimes much more (Pareto), at most `most`.
    pub(crate) fn skewed(&mut self, least: f64, most: u32) -> u32 {
        count(least * self.unit().max(1e-9).powf(-0.7), most)
    }

    /// Whole numbers whose mean is `mean`.
    pub(crate) fn about(&mut self, mean: f64) -> u64 {
        u64::from(whole(mean)) + u64::from(self.chance(mean.fract()))
    }
}

/// What is before the point of a number of at least 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
pub(crate) fn whole(value: f64) -> u32 {
    value as u32
}

fn count(value: f64, most: u32) -> u32 {
    whole(value).clamp(1, most)
}
