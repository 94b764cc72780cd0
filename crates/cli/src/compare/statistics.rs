//! Medians, ratios of them, and how far they can be trusted: the bootstrap.
//!
//! Values of one round are compared with each other, since what disturbs one of them disturbs its neighbours, too. How much the
//! median of such ratios means is found by taking it again and again of rounds that are drawn with replacement (Efron, 1979): where 95 % of
//! these medians lie. The draws have a fixed seed, so that the same rounds always give the same interval.

use serde::{Deserialize, Serialize};

/// A ratio, and where it lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    /// Both `None` if there were fewer rounds than [`ENOUGH`]: nobody knows then.
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

impl Ratio {
    /// Of values to others of the same rounds. Rounds that have only one of them, or a zero to divide by, are left out; `None` if
    /// that leaves none.
    pub(crate) fn paired(values: &[Option<f64>], others: &[Option<f64>]) -> Option<Self> {
        let ratios: Vec<_> = values
            .iter()
            .zip(others)
            .filter_map(|(value, other)| value.zip(*other))
            .filter(|(_, other)| *other > 0.0)
            .map(|(value, other)| value / other)
            .collect();
        let mut draw = fastrand::Rng::with_seed(SEED);
        let resample = || median(&drawn(&ratios, &mut draw)).unwrap_or_default();
        Some(Self::new(median(&ratios)?, ratios.len(), resample))
    }

    /// Of the median of values to that of others, which belong to no common rounds.
    pub(crate) fn unpaired(values: &[f64], others: &[f64]) -> Option<Self> {
        let ratio = |values: &[f64], others: &[f64]| {
            median(values)
                .zip(median(others))
                .filter(|(_, other)| *other > 0.0)
                .map(|(value, other)| value / other)
        };
        let mut draw = fastrand::Rng::with_seed(SEED);
        let resample =
            || ratio(&drawn(values, &mut draw), &drawn(others, &mut draw)).unwrap_or(f64::INFINITY);
        Some(Self::new(ratio(values, others)?, values.len().min(others.len()), resample))
    }

    fn new(median: f64, rounds: usize, mut resample: impl FnMut() -> f64) -> Self {
        if rounds < ENOUGH {
            return Self { median, low: None, high: None };
        }
        let mut medians: Vec<_> = (0..RESAMPLES).map(|_| resample()).collect();
        medians.sort_unstable_by(f64::total_cmp);
        let tail = RESAMPLES / 40;
        Self { median, low: Some(medians[tail]), high: Some(medians[RESAMPLES - 1 - tail]) }
    }

    /// Whether it is told apart from 1.
    pub(crate) fn differs(&self) -> bool {
        self.low.is_some_and(|low| low > 1.0) || self.high.is_some_and(|high| high < 1.0)
    }
}

/// The one in the middle, or what lies between the two that are. `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(below.midpoint(*above))
}

/// The median of those that are there.
pub(crate) fn median_of_some(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    median(&values.into_iter().flatten().collect::<Vec<_>>())
}

/// As many as there are, with replacement.
fn drawn(values: &[f64], draw: &mut fastrand::Rng) -> Vec<f64> {
    (0..values.len()).map(|_| values[draw.usize(..values.len())]).collect()
}

/// Of fewer rounds the least and the most do not enclose the median in 95 % of cases, so no interval could (1 - 2 / 2^5 is less).
pub(crate) const ENOUGH: usize = 6;

const RESAMPLES: usize = 10_000;
const SEED: u64 = 0x5eed;

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_median_is_in_the_middle() {
        for (values, middle) in [
            (&[][..], None),
            (&[3.0], Some(3.0)),
            (&[5.0, 1.0], Some(3.0)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[4.0, 1.0, 100.0, 2.0], Some(3.0)),
        ] {
            assert_eq!(median(values), middle, "{values:?}");
        }
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The second round was slow for both: their medians differ by more than any of the ratios.
        let (values, others) = (some(&[2.0, 60.0, 4.0]), some(&[1.0, 30.0, 2.0]));
        assert_eq!(Ratio::paired(&values, &others).unwrap().median, 2.0);
        let others = vec![Some(1.0), None, Some(0.0)];
        assert_eq!(Ratio::paired(&values, &others).unwrap().median, 2.0, "one round has both");
        assert_eq!(Ratio::paired(&values, &[None, None, None]), None);
    }

    #[test]
    fn rounds_that_agree_leave_no_doubt() {
        let ratio = Ratio::paired(&some(&[3.0; 6]), &some(&[2.0; 6])).unwrap();
        assert_eq!(ratio, Ratio { median: 1.5, low: Some(1.5), high: Some(1.5) });
        assert!(ratio.differs());
    }

    #[test]
    fn too_few_rounds_say_nothing() {
        let ratio = Ratio::paired(&some(&[3.0; 5]), &some(&[2.0; 5])).unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.differs()), (1.5, None, false));
    }

    /// Of 11 values, the median of a resample is at most the second with a probability of 0.7 %, and at most the third with 5.1 %
    /// (binomial distribution): so 2.5 % lie below the third.
    #[test]
    fn the_interval_is_the_one_that_can_be_computed() {
        let values: Vec<_> = (1..=11).map(f64::from).collect();
        let ratio = Ratio::paired(&some(&values), &some(&[1.0; 11])).unwrap();
        assert_eq!(ratio, Ratio { median: 6.0, low: Some(3.0), high: Some(9.0) });
    }

    #[test]
    fn noise_around_the_same_is_no_difference_and_a_real_one_is() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut noisy = |center: f64| (0..15).map(|_| Some(center + random.f64() - 0.5)).collect::<Vec<_>>();
        let (one, same, other) = (noisy(10.0), noisy(10.0), noisy(12.0));
        assert!(!Ratio::paired(&one, &same).unwrap().differs());
        assert!(Ratio::paired(&one, &other).unwrap().differs());
    }

    #[test]
    fn medians_of_different_files_are_compared_without_rounds() {
        let old: Vec<_> = (0..9).map(|value| 10.0 + f64::from(value) / 10.0).collect();
        let new: Vec<_> = old.iter().map(|value| value * 2.0).collect();
        let ratio = Ratio::unpaired(&new, &old).unwrap();
        assert_eq!(ratio.median, 2.0);
        assert!(ratio.low.unwrap() > 1.85 && ratio.high.unwrap() < 2.15, "{ratio:?}");
        assert!(ratio.differs());
        assert!(!Ratio::unpaired(&old, &old).unwrap().differs());
        assert_eq!(Ratio::unpaired(&old, &[0.0]), None);
    }
}
