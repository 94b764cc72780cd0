//! What must hold of a load: `METRIC OP VALUE`, such as `p99<5ms` or `errors>0.1%`, as `--fail-if` and `--seek` have it.
//!
//! Where nothing was answered, no answer was quick: a latency is then without end, never zero.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::failure::Failure;
use super::tally::Tally;
use crate::quantity::{count, duration, rate};

/// A statement on what a load came to, true or not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limit {
    /// As it was typed.
    text: String,
    metric: Metric,
    comparison: Comparison,
    bound: Bound,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// Of an exchange's time.
    Percentile(f64),
    Mean,
    Max,
    /// Answers a second.
    Rate,
    /// Failures of all classes.
    Errors,
    Class(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// What it is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Time(Duration),
    Number(f64),
    /// Of all exchanges, in percent.
    Percent(f64),
}

impl Limit {
    /// Whether it is true of this.
    pub(crate) fn holds(&self, tally: &Tally) -> bool {
        let (value, bound) = (self.value(tally), self.bound.number());
        match self.comparison {
            Comparison::Less => value < bound,
            Comparison::AtMost => value <= bound,
            Comparison::More => value > bound,
            Comparison::AtLeast => value >= bound,
        }
    }

    /// Whether it is something that more load makes untrue.
    pub(crate) fn is_a_ceiling(&self) -> bool {
        self.metric != Metric::Rate && matches!(self.comparison, Comparison::Less | Comparison::AtMost)
    }

    /// What the metric came to, with its unit.
    pub(crate) fn shown(&self, tally: &Tally) -> String {
        let value = self.value(tally);
        match self.bound {
            Bound::Time(_) if value.is_infinite() => "no answer".to_owned(),
            Bound::Time(_) => super::shown::time(Duration::from_secs_f64(value / 1e9)),
            Bound::Number(_) if self.metric == Metric::Rate => format!("{value:.1}"),
            Bound::Number(_) => format!("{value:.0}"),
            Bound::Percent(_) => format!("{value:.3}%"),
        }
    }

    fn value(&self, tally: &Tally) -> f64 {
        let time =
            |time: Duration| if tally.exchange.is_empty() { f64::INFINITY } else { time.as_nanos() as f64 };
        let failures = |failed: u64| match self.bound {
            Bound::Percent(_) => {
                let all = tally.answered + tally.failures.total();
                if all == 0 { 0.0 } else { failed as f64 * 100.0 / all as f64 }
            }
            _ => failed as f64,
        };
        match self.metric {
            Metric::Percentile(percent) => time(tally.exchange.percentile(percent)),
            Metric::Mean => time(tally.exchange.mean()),
            Metric::Max => time(tally.exchange.max()),
            Metric::Rate => tally.rate(),
            Metric::Errors => failures(tally.failures.total()),
            Metric::Class(class) => failures(tally.failures[class]),
        }
    }
}

impl Bound {
    /// Times in nanoseconds.
    fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.as_nanos() as f64,
            Self::Number(number) | Self::Percent(number) => number,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "give such as 'p99<5ms', 'rate>=1000' or 'errors>0.1%', in quotes";
        let at = text.find(['<', '>']).ok_or_else(|| format!("nothing is compared; {EXAMPLE}"))?;
        let (name, rest) = text.split_at(at);
        let (comparison, value) =
            Comparison::read(rest).ok_or_else(|| format!("nothing is compared; {EXAMPLE}"))?;
        let metric = Metric::read(name.trim())?;
        let bound = metric.read_bound(value.trim())?;
        let text = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        Ok(Self { text, metric, comparison, bound })
    }
}

impl Comparison {
    fn read(text: &str) -> Option<(Self, &str)> {
        [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Less), (">", Self::More)]
            .into_iter()
            .find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))
    }
}

impl Metric {
    fn read(name: &str) -> Result<Self, String> {
        match name {
            "mean" => return Ok(Self::Mean),
            "max" => return Ok(Self::Max),
            "rate" => return Ok(Self::Rate),
            "errors" => return Ok(Self::Errors),
            _ => {}
        }
        if let Some(class) = Failure::ALL.into_iter().find(|class| class.name() == name) {
            return Ok(Self::Class(class));
        }
        let percentile =
            name.strip_prefix('p').filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()));
        match percentile.and_then(|digits| digits.parse::<f64>().ok()) {
            Some(percent) if (50.0..=99.999).contains(&percent) => Ok(Self::Percentile(percent)),
            Some(_) => Err("no such percentile; give one from p50 to p99.999, or max".to_owned()),
            None => {
                let classes: Vec<_> = Failure::ALL.into_iter().map(Failure::name).collect();
                Err(format!(
                    "no such figure; give p50 to p99.999, mean, max, rate, errors, or one of {}",
                    classes.join(", ")
                ))
            }
        }
    }

    fn read_bound(self, value: &str) -> Result<Bound, String> {
        match self {
            Self::Percentile(_) | Self::Mean | Self::Max => duration(value).map(Bound::Time),
            Self::Rate if value == "0" => Ok(Bound::Number(0.0)),
            Self::Rate => rate(value).map(Bound::Number),
            Self::Errors | Self::Class(_) => match value.strip_suffix('%') {
                Some(number) => match number.parse::<f64>() {
                    Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Bound::Percent(percent)),
                    _ => Err("not a percentage; give 0% to 100%".to_owned()),
                },
                None => count(value).map(|count| Bound::Number(count as f64)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_true_of_what_they_say() {
        let mut tally = Tally { window: Duration::from_secs(2), answered: 998, ..Tally::default() };
        tally.failures.count(Failure::Timeout, 2);
        for millisecond in 1..=1000 {
            tally.exchange.record(Duration::from_millis(millisecond));
        }
        for (text, holds) in [
            ("p99<995ms", true),
            ("p99<980ms", false),
            ("p50 >= 500ms", true),
            ("p99.9>1001ms", false),
            ("max<=1001ms", true),
            ("mean>502ms", false),
            ("mean>500ms", true),
            ("rate>498", true),
            ("rate>=500", false),
            ("errors>1", true),
            ("errors>2", false),
            ("errors<0.3%", true),
            ("errors<0.1%", false),
            ("timeout>=2", true),
            ("reset>0", false),
            ("mismatch<=0%", true),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap().holds(&tally), holds, "{text}");
        }
    }

    #[test]
    fn without_an_answer_no_latency_is_low() {
        let limit = |text: &str| text.parse::<Limit>().unwrap();
        assert!(!limit("p99<1h").holds(&Tally::default()));
        assert!(limit("p99>1h").holds(&Tally::default()));
        assert_eq!(limit("max>1h").shown(&Tally::default()), "no answer");
    }

    #[test]
    fn what_is_no_limit_is_said_to_be_none() {
        for (text, said) in [
            ("p99", "nothing is compared"),
            ("p99=5ms", "nothing is compared"),
            ("", "nothing is compared"),
            ("p49<5ms", "no such percentile"),
            ("p100<5ms", "no such percentile"),
            ("pinf<5ms", "no such figure"),
            ("latency<5ms", "no such figure; give p50 to p99.999"),
            ("<5ms", "no such figure"),
            ("p99<5", "a duration without a unit"),
            ("p99<", "not a duration"),
            ("p99<<5ms", "not a duration"),
            ("rate>x", "not a rate"),
            ("errors>101%", "not a percentage"),
            ("errors>NaN%", "not a percentage"),
            ("errors>0.5", "not a whole number"),
        ] {
            let error = text.parse::<Limit>().expect_err(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
