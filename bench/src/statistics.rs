//! What a row of values says.

/// The middle of some values, and how far the middle half of them reaches to either side of it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) quartiles: [f64; 2],
}

impl Summary {
    /// None of no values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: quantile(&sorted, 2)?,
            quartiles: [quantile(&sorted, 1)?, quantile(&sorted, 3)?],
        })
    }

    /// Half the way between the quartiles.
    pub(crate) fn spread(self) -> f64 {
        let [low, high] = self.quartiles;
        (high - low) / 2.0
    }
}

/// The value that so many quarters of them are not above, between two of them if need be.
fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let (whole, rest) = (last * quarters / 4, last * quarters % 4);
    let (below, above) = (sorted.get(whole)?, sorted.get(whole + 1).or(sorted.last())?);
    let rest = f64::from(u8::try_from(rest).unwrap_or(0)) / 4.0;
    Some(below + (above - below) * rest)
}

/// The values' mean; 0 of none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX).max(1);
    values.iter().sum::<f64>() / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let summary = Summary::of(&[4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(summary.median, 2.5);
        assert_eq!(summary.quartiles, [1.75, 3.25]);
        assert_eq!(summary.spread(), 0.75);
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_summary() {
        assert_eq!(Summary::of(&[7.0]).unwrap().spread(), 0.0);
        assert_eq!(Summary::of(&[]), None);
    }
}
