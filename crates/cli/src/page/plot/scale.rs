//! Where a value lies on an axis, and which values an axis names.

/// An axis: from values to places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    kind: Kind,
    /// Of the values.
    low: f64,
    high: f64,
    /// Of the places: `from` belongs to `low`.
    from: f64,
    to: f64,
    /// What ticks are round multiples of, times a power of ten.
    unit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
    /// Of percentiles: as far from 90 to 99 as from 99 to 99.9, as `HdrHistogram` draws them.
    Tail,
}

impl Scale {
    /// From zero to the highest of these values, or a little beyond.
    pub(super) fn linear(values: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let highest = finite(values).fold(0.0, f64::max);
        let high = if highest > 0.0 { highest } else { 1.0 };
        Self { kind: Kind::Linear, low: 0.0, high, from, to, unit: 1.0 }
    }

    /// The same, counted in a unit: three KiB are round.
    pub(super) fn counted_in(self, unit: impl Fn(f64) -> f64) -> Self {
        Self { unit: unit(self.high), ..self }
    }

    /// From the lowest to the highest of these values, a decade at least. What is not above zero lies at the low end.
    pub(super) fn log(values: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let positive = finite(values).filter(|value| *value > 0.0);
        let (low, high) =
            positive.fold((f64::INFINITY, 0.0), |(low, high), value| (value.min(low), value.max(high)));
        let (low, high) = if low.is_finite() { (below(low), above(high)) } else { (0.1, 1.0) };
        let high = if high < low * 9.99 { above(low * 9.99) } else { high };
        Self { kind: Kind::Log, low, high, from, to, unit: 1.0 }
    }

    /// From 0 to the highest of these percentiles, 90 at least.
    pub(super) fn tail(percents: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let high = finite(percents).filter(|percent| *percent < 100.0).fold(90.0, f64::max);
        Self { kind: Kind::Tail, low: 0.0, high, from, to, unit: 1.0 }
    }

    /// Where a value lies; at the nearer end, if it is beyond them.
    pub(super) fn place(&self, value: f64) -> f64 {
        let even = |value: f64| match self.kind {
            Kind::Linear => value,
            Kind::Log => value.max(f64::MIN_POSITIVE).log10(),
            Kind::Tail => -(1.0 - value.clamp(0.0, self.high) / 100.0).log10(),
        };
        let (low, high) = (even(self.low), even(self.high));
        let share = ((even(value) - low) / (high - low)).clamp(0.0, 1.0);
        self.from + (self.to - self.from) * if share.is_nan() { 0.0 } else { share }
    }

    /// The values to name: round ones, and rarely more than so many.
    pub(super) fn ticks(&self, at_most: usize) -> Vec<f64> {
        let at_most = at_most.max(2);
        match self.kind {
            Kind::Linear => {
                let step = above_round(self.high / self.unit / at_most as f64) * self.unit;
                // Not by adding up: 0.30000000000000004 is not round.
                (0..)
                    .map(|count| f64::from(count) * step)
                    .take_while(|tick| *tick <= self.high * 1.001)
                    .collect()
            }
            Kind::Log => self.log_ticks(at_most),
            Kind::Tail => {
                let named = PERCENTILES.into_iter().filter(|percent| *percent <= self.high + 1e-9);
                named.collect()
            }
        }
    }

    fn log_ticks(&self, at_most: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let within = |tick: &f64| (self.low * 0.999..=self.high * 1.001).contains(tick);
        let of = |multiples: &[f64], every: usize| -> Vec<f64> {
            let decades = (first..=last).filter(|decade| decade.rem_euclid(every as i32) == 0);
            let all = decades
                .flat_map(|decade| multiples.iter().map(move |multiple| multiple * 10f64.powi(decade)));
            all.filter(within).collect()
        };
        let densities: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        let fitting =
            densities.into_iter().map(|multiples| of(multiples, 1)).find(|ticks| ticks.len() <= at_most);
        fitting.unwrap_or_else(|| of(&[1.0], ((last - first) as usize).div_ceil(at_most)))
    }
}

/// The percentiles that have a name.
pub(super) const PERCENTILES: [f64; 8] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];

fn finite(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.into_iter().filter(|value| value.is_finite())
}

/// The next that is one, two or five times a power of ten.
fn above_round(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|round| *round >= value * 0.999)
        .unwrap_or(value)
}

/// The same for the ends of an axis.
fn above(value: f64) -> f64 {
    above_round(value)
}

fn below(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|round| *round <= value * 1.001)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(values: &[f64]) -> Scale {
        Scale::log(values.iter().copied(), (0.0, 100.0))
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_ticks() {
        let scale = Scale::linear([0.7, 0.93], (10.0, 110.0));
        assert_eq!(scale.place(0.0), 10.0);
        assert_eq!(scale.place(0.93), 110.0);
        assert_eq!(scale.ticks(5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8]);
    }

    #[test]
    fn ticks_of_sizes_are_round_in_their_unit() {
        let scale = Scale::linear([25_000.0], (0.0, 100.0)).counted_in(|_| 1024.0);
        assert_eq!(scale.ticks(5), [0.0, 5.0, 10.0, 15.0, 20.0].map(|kibibytes| kibibytes * 1024.0));
    }

    #[test]
    fn a_logarithmic_axis_has_as_far_from_one_to_ten_as_from_ten_to_a_hundred() {
        let scale = log(&[1.0, 100.0]);
        assert_eq!([1.0, 10.0, 100.0].map(|value| scale.place(value)), [0.0, 50.0, 100.0]);
        assert_eq!(scale.ticks(10), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(scale.ticks(3), [1.0, 10.0, 100.0]);
    }

    #[test]
    fn a_logarithmic_axis_of_many_decades_names_few_of_them() {
        let ticks = log(&[1e-9, 1e3]).ticks(5);
        assert!((2..=6).contains(&ticks.len()), "{ticks:?}");
    }

    #[test]
    fn the_tail_has_as_far_from_90_to_99_as_from_99_to_three_nines() {
        let scale = Scale::tail([99.9], (0.0, 90.0));
        let places = [0.0, 90.0, 99.0, 99.9].map(|percent| scale.place(percent).round());
        assert_eq!(places, [0.0, 30.0, 60.0, 90.0]);
        assert_eq!(scale.place(100.0), 90.0, "what cannot be drawn lies at the end");
        assert_eq!(scale.ticks(9), [0.0, 50.0, 90.0, 99.0, 99.9]);
    }

    #[test]
    fn nothing_one_value_and_zeros_have_places_too() {
        for values in [&[][..], &[0.0], &[0.0, 0.0], &[7.0], &[f64::NAN, f64::INFINITY]] {
            for scale in [Scale::linear(values.iter().copied(), (0.0, 100.0)), log(values)] {
                for value in values.iter().chain(&[0.0, 1.0]) {
                    assert!((0.0..=100.0).contains(&scale.place(*value)), "{value} of {values:?}");
                }
                assert!(scale.ticks(5).len() >= 2, "{values:?}: {:?}", scale.ticks(5));
            }
        }
    }
}
