//! Figures as people read them: three digits and a unit.

use std::time::Duration;

/// A time: `950 ns`, `12.3 us`, `4.56 ms`, `7.89 s`.
pub(crate) fn time(time: Duration) -> String {
    let nanoseconds = time.as_nanos() as f64;
    match nanoseconds {
        ..1e3 => format!("{nanoseconds:.0} ns"),
        ..1e6 => format!("{} us", digits(nanoseconds / 1e3)),
        ..1e9 => format!("{} ms", digits(nanoseconds / 1e6)),
        _ => format!("{} s", digits(nanoseconds / 1e9)),
    }
}

/// A size: `512 B`, `1.50 KiB`, `20.0 MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    const KIBI: f64 = 1024.0;
    if bytes < KIBI {
        return format!("{bytes:.0} B");
    }
    let (mut value, mut unit) = (bytes / KIBI, "KiB");
    for larger in ["MiB", "GiB", "TiB"] {
        if value >= KIBI {
            (value, unit) = (value / KIBI, larger);
        }
    }
    format!("{} {unit}", digits(value))
}

/// How many a second.
pub(crate) fn rate(rate: f64) -> String {
    if rate > 0.0 && rate < 100.0 { digits(rate) } else { format!("{rate:.0}") }
}

/// A share of one, in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        for (nanoseconds, shown) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (12_345, "12.3 us"),
            (99_960, "100 us"),
            (4_560_000, "4.56 ms"),
            (123_456_789, "123 ms"),
            (61_000_000_000, "61.0 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanoseconds)), shown);
        }
        for (number, shown) in
            [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.50 KiB"), (20.0 * 1024.0 * 1024.0, "20.0 MiB")]
        {
            assert_eq!(bytes(number), shown);
        }
        assert_eq!(rate(0.0), "0");
        assert_eq!((rate(0.5).as_str(), rate(12345.6).as_str()), ("0.50", "12346"));
        assert_eq!(percent(0.42), "42 %");
    }
}
