//! Quantities as people write them: durations (`10s`, `250ms`, `1.5s`, `2m`), counts (`500`, `10k`, `1.5M`) and sizes
//! (`2`, `64KiB`, `1MB`).
//!
//! A duration has a unit always, since nobody knows whether `10` is long. Decimals are exact: what cannot be said in
//! nanoseconds, or is no whole number of things, is refused.

use std::time::Duration;

/// Reads a duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const EXAMPLE: &str = "give a number with a unit (ms, s, m or h), such as 10s, 250ms or 1.5s";
    let (number, unit) = split(text);
    let scale = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "" if !number.is_empty() => return Err(format!("a duration without a unit; {EXAMPLE}")),
        _ => return Err(format!("not a duration; {EXAMPLE}")),
    };
    match scaled(number, scale) {
        Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
        Err(Wrong::TooLarge) => Err("too long a time; give at most 5000000h".to_owned()),
        Err(Wrong::TooFine) => Err("too fine a time; a nanosecond is the least there is".to_owned()),
        Err(Wrong::NoNumber) => Err(format!("not a duration; {EXAMPLE}")),
    }
}

/// Reads a count.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    const EXAMPLE: &str = "give a number, such as 500, 10k or 1M";
    let (number, unit) = split(text);
    let scale = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return Err(format!("not a count; {EXAMPLE}")),
    };
    match scaled(number, scale).map(usize::try_from) {
        Ok(Ok(count)) => Ok(count),
        Ok(Err(_)) | Err(Wrong::TooLarge) => Err(format!("too large a count; {EXAMPLE}")),
        Err(Wrong::TooFine) => Err(format!("not a whole number; {EXAMPLE}")),
        Err(Wrong::NoNumber) => Err(format!("not a count; {EXAMPLE}")),
    }
}

/// Reads how often something happens in a second, exact to a thousandth.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    const EXAMPLE: &str = "give how many a second, such as 1000, 10k or 0.5";
    let (number, unit) = split(text);
    let scale = match unit {
        "" => 1_000,
        "k" | "K" => 1_000_000,
        "M" => 1_000_000_000,
        _ => return Err(format!("not a rate; {EXAMPLE}")),
    };
    match scaled(number, scale) {
        Ok(0) => Err(format!("that would be never; {EXAMPLE}")),
        Ok(thousandths) => Ok(thousandths as f64 / 1000.0),
        Err(Wrong::TooLarge) => Err(format!("too large a rate; {EXAMPLE}")),
        Err(Wrong::TooFine) => Err(format!("too fine a rate; {EXAMPLE}")),
        Err(Wrong::NoNumber) => Err(format!("not a rate; {EXAMPLE}")),
    }
}

/// Reads a size, in bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    usize::try_from(size).map_err(|_| "too large a size".to_owned())
}

/// Reads a size that need not fit into memory, in bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    const EXAMPLE: &str = "give a number of bytes, such as 512, 64KiB or 1MB";
    let (number, unit) = split(text);
    let scale = match unit {
        "" | "B" => 1,
        "k" | "K" | "kB" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("not a size; {EXAMPLE}")),
    };
    scaled(number, scale).map_err(|wrong| match wrong {
        Wrong::TooLarge => format!("too large a size; {EXAMPLE}"),
        Wrong::TooFine => format!("not a whole number of bytes; {EXAMPLE}"),
        Wrong::NoNumber => format!("not a size; {EXAMPLE}"),
    })
}

/// What is wrong with a number.
enum Wrong {
    NoNumber,
    TooLarge,
    TooFine,
}

/// The number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number, so many times.
fn scaled(number: &str, scale: u64) -> Result<u64, Wrong> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(Wrong::NoNumber),
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return Err(Wrong::NoNumber);
    }
    let fraction = fraction.trim_end_matches('0');
    // More digits than this are finer than anything there is.
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 18).ok_or(Wrong::TooFine)?;
    let whole: u64 = whole.parse().map_err(|_| Wrong::TooLarge)?;
    let parts: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| Wrong::NoNumber)? };
    let (parts, unit) = (parts * u128::from(scale), 10_u128.pow(places));
    if !parts.is_multiple_of(unit) {
        return Err(Wrong::TooFine);
    }
    let all = u128::from(whole) * u128::from(scale) + parts / unit;
    u64::try_from(all).map_err(|_| Wrong::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_what_they_say() {
        for (text, nanoseconds) in [
            ("10s", 10_000_000_000),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("0.5m", 30_000_000_000),
            ("1h", 3_600_000_000_000),
            ("0s", 0),
            ("0.0s", 0),
            ("1.50s", 1_500_000_000),
            ("7us", 7_000),
            ("0.001us", 1),
            ("0.000000001s", 1),
            ("5000000h", 18_000_000_000_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_said_to_be_none() {
        for (text, said) in [
            ("10", "a duration without a unit; give"),
            ("2x", "not a duration; give"),
            ("", "not a duration; give"),
            ("s", "not a duration; give"),
            (".5s", "not a duration; give"),
            ("1.s", "not a duration; give"),
            ("1.2.3s", "not a duration; give"),
            ("-1s", "not a duration; give"),
            ("+1s", "not a duration; give"),
            (" 1s", "not a duration; give"),
            ("1 s", "not a duration; give"),
            ("1s ", "not a duration; give"),
            ("1S", "not a duration; give"),
            ("1e3s", "not a duration; give"),
            ("infs", "not a duration; give"),
            ("٣s", "not a duration; give"),
            ("0.0000000001s", "too fine a time"),
            ("1000000000000h", "too long a time"),
            ("99999999999999999999s", "too long a time"),
        ] {
            let error = duration(text).expect_err(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn counts_are_what_they_say() {
        for (text, number) in [
            ("1", 1),
            ("0", 0),
            ("10k", 10_000),
            ("10K", 10_000),
            ("1.5k", 1_500),
            ("2M", 2_000_000),
            ("1G", 1_000_000_000),
        ] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_count_is_said_to_be_none() {
        for (text, said) in [
            ("", "not a count"),
            ("k", "not a count"),
            ("2x", "not a count"),
            ("1m", "not a count"),
            ("10kk", "not a count"),
            ("-1", "not a count"),
            ("1.", "not a count"),
            ("0x10", "not a count"),
            ("1.5", "not a whole number"),
            ("1.0005k", "not a whole number"),
            ("99999999999999999999", "too large a count"),
            ("99999999999G", "too large a count"),
        ] {
            let error = count(text).expect_err(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn rates_are_what_they_say() {
        for (text, number) in [("1000", 1000.0), ("10k", 10_000.0), ("0.5", 0.5), ("1.5M", 1_500_000.0)] {
            assert_eq!(rate(text), Ok(number), "{text}");
        }
        for (text, said) in [
            ("", "not a rate"),
            ("-1", "not a rate"),
            ("1/s", "not a rate"),
            ("0", "that would be never"),
            ("0.0001", "too fine a rate"),
            ("99999999999999999M", "too large a rate"),
        ] {
            let error = rate(text).expect_err(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_what_they_say() {
        for (text, number) in [
            ("0", 0),
            ("2", 2),
            ("512B", 512),
            ("1k", 1_000),
            ("1K", 1_000),
            ("1kB", 1_000),
            ("1KB", 1_000),
            ("1KiB", 1_024),
            ("1.5KiB", 1_536),
            ("0.5KiB", 512),
            ("1.50k", 1_500),
            ("64KiB", 65_536),
            ("1M", 1_000_000),
            ("1MB", 1_000_000),
            ("1MiB", 1_048_576),
            ("2.25MiB", 2_359_296),
            ("0.0009765625KiB", 1),
            ("1G", 1_000_000_000),
            ("1GB", 1_000_000_000),
            ("4GiB", 4_294_967_296),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(number), "{text}");
            assert_eq!(size(text).ok(), usize::try_from(number).ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_said_to_be_none() {
        for (text, said) in [
            ("", "not a size; give"),
            ("KiB", "not a size; give"),
            ("2x", "not a size; give"),
            ("2kib", "not a size; give"),
            ("2KIB", "not a size; give"),
            ("2m", "not a size; give"),
            ("2 KiB", "not a size; give"),
            ("-2", "not a size; give"),
            (".5KiB", "not a size; give"),
            ("1.", "not a size; give"),
            ("1.2.3", "not a size; give"),
            ("0x10", "not a size; give"),
            ("1TiB", "not a size; give"),
            ("0.5", "not a whole number of bytes"),
            ("0.5B", "not a whole number of bytes"),
            ("0.1KiB", "not a whole number of bytes"),
            ("1.0005k", "not a whole number of bytes"),
            ("18446744073709551616", "too large a size"),
            ("99999999999GiB", "too large a size"),
        ] {
            for error in [bytes(text).expect_err(text), size(text).expect_err(text)] {
                assert!(error.starts_with(said), "{text}: {error}");
            }
        }
    }
}
