//! What inputs say rarely, so that most of what they ask for makes sense and gets somewhere.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Something odd, one time in sixteen.
#[derive(Clone, Copy, Debug)]
pub struct Rare<T>(pub Option<T>);

impl<T> Rare<T> {
    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Rare<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let odd = u8::arbitrary(u)? >= 0xf0;
        odd.then(|| T::arbitrary(u)).transpose().map(Self)
    }
}

/// One of the few values that matter, by its number, and rarely any other.
#[derive(Clone, Copy, Debug)]
pub enum Usual<T> {
    /// One of the few.
    Known(u8),
    /// Any.
    Any(T),
}

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Usual<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let number = u8::arbitrary(u)?;
        if number >= 0xf0 {
            T::arbitrary(u).map(Self::Any)
        } else {
            Ok(Self::Known(number))
        }
    }
}

impl Usual<u32> {
    /// The number: from 0 to 3, or any.
    pub fn get(self) -> u32 {
        match self {
            Self::Known(number) => u32::from(number % 4),
            Self::Any(number) => number,
        }
    }
}
