//! Quantities as people read them: three digits, a unit, and no zeros to count.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Time,
    /// Something a second.
    Rate,
    /// Things.
    Count,
    /// Things, on average: there may be less than one.
    Average,
    /// Bytes.
    Size,
    /// How many times something else.
    Factor,
    /// Of one.
    Share,
}

impl Unit {
    /// A number of it, to three digits; counts to the last one.
    pub(crate) fn say(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Self::Time => scaled(value, &TIMES),
            Self::Size => scaled(value, &SIZES),
            Self::Rate => format!("{}/s", grouped(value)),
            Self::Count => grouped(value),
            Self::Average => significant(value),
            Self::Factor => format!("{}×", significant(value)),
            Self::Share => format!("{}\u{a0}%", significant(value * 100.0)),
        }
    }

    /// The same without zeros at its end: of round numbers, as on an axis or of a setting.
    pub(crate) fn short(self, value: f64) -> String {
        let trimmed = |text: String| match text.split_once('.') {
            Some((whole, rest)) => {
                let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
                let digits = rest[..end].trim_end_matches('0');
                let dot = if digits.is_empty() { "" } else { "." };
                format!("{whole}{dot}{digits}{}", &rest[end..])
            }
            None => text,
        };
        if value == 0.0 {
            return "0".to_owned();
        }
        match self {
            Self::Rate | Self::Count => trimmed(scaled(value, &COUNTS)),
            _ => trimmed(self.say(value)),
        }
    }
}

impl Unit {
    /// The unit in which this is said, as a number, if it is none of a power of ten.
    pub(super) fn base(self, value: f64) -> f64 {
        match self {
            Self::Size => SIZES.iter().map(|(scale, _)| *scale).find(|scale| value >= *scale).unwrap_or(1.0),
            _ => 1.0,
        }
    }
}

/// In the largest unit of which there is one.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // As it will be rounded: 999.9996 µs are a millisecond.
    let reached = value.abs() * 1.0005;
    let (scale, name) =
        units.iter().copied().find(|(scale, _)| reached >= *scale).unwrap_or(units[units.len() - 1]);
    let name = if name.is_empty() { String::new() } else { format!("\u{a0}{name}") };
    if value == 0.0 { format!("0{name}") } else { format!("{}{name}", significant(value / scale)) }
}

/// Three digits, or the whole number if that has more.
fn significant(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => "0".to_owned(),
        _ if size >= 999.5 => grouped(value),
        _ if size >= 99.95 => format!("{value:.0}"),
        _ if size >= 9.995 => format!("{value:.1}"),
        _ if size >= 0.9995 => format!("{value:.2}"),
        _ if size >= 0.0005 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

/// A whole number, its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let sign = if value < 0.0 && digits != "0" { "−" } else { "" };
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are ASCII"))
        .collect();
    format!("{sign}{}", groups.join(","))
}

/// The last is for what is smaller, too.
const TIMES: [(f64, &str); 4] = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
const SIZES: [(f64, &str); 4] = [(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")];
const COUNTS: [(f64, &str); 4] = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_to_three_digits_in_the_unit_that_fits() {
        let said = |unit: Unit, value| unit.say(value).replace('\u{a0}', " ");
        assert_eq!(said(Unit::Time, 0.001_234_5), "1.23 ms");
        assert_eq!(said(Unit::Time, 999.9996e-6), "1.00 ms");
        assert_eq!(said(Unit::Time, 12e-9), "12.0 ns");
        assert_eq!(said(Unit::Time, 4000.0), "4,000 s");
        assert_eq!(said(Unit::Time, 0.0), "0 ns");
        assert_eq!(said(Unit::Rate, 182_345.4), "182,345/s");
        assert_eq!(said(Unit::Count, 1_000.0), "1,000");
        assert_eq!(said(Unit::Size, 3_300.0), "3.22 KiB");
        assert_eq!(said(Unit::Factor, 1.0), "1.00×");
        assert_eq!(said(Unit::Share, 0.081), "8.10 %");
        assert_eq!(said(Unit::Average, 0.000_04), "4.0e-5");
        assert_eq!(said(Unit::Time, f64::NAN), "–");
    }

    #[test]
    fn ticks_have_no_zeros_to_spare() {
        let tick = |unit: Unit, value| unit.short(value).replace('\u{a0}', " ");
        assert_eq!(tick(Unit::Time, 1e-3), "1 ms");
        assert_eq!(tick(Unit::Time, 2.5e-6), "2.5 µs");
        assert_eq!(tick(Unit::Rate, 50_000.0), "50 k");
        assert_eq!(tick(Unit::Count, 0.0), "0");
        assert_eq!(tick(Unit::Count, 100.0), "100");
    }
}
