//! Numbers that look random and are the same in every run (SplitMix64).

/// A source of numbers.
pub struct Random(u64);

impl Random {
    /// The source of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u16) -> u16 {
        u16::try_from(self.any() % u64::from(end)).unwrap_or(0)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u16) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let length = u16::try_from(choices.len()).unwrap_or(u16::MAX);
        choices[usize::from(self.below(length))]
    }

    /// Some bytes.
    pub fn bytes(&mut self, length: u16) -> Vec<u8> {
        (0..length).map(|_| self.any().to_le_bytes()[0]).collect()
    }
}
