//! Faults as users type them: `unseen,reset=0.01:3`.

use std::str::FromStr;
use std::{fmt, io};

use super::{Fault, Faults};
use crate::engine::error::invalid;

impl FromStr for Fault {
    type Err = io::Error;

    /// From the lower-case name. An unknown one is [`io::ErrorKind::InvalidInput`], with the names there are.
    fn from_str(name: &str) -> io::Result<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(|| {
            invalid(&format!("unknown fault {name:?}: one of {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

impl FromStr for Faults {
    type Err = io::Error;

    /// From a list as [above](Faults). What is wrong with one is [`io::ErrorKind::InvalidInput`], and said in one line.
    fn from_str(text: &str) -> io::Result<Self> {
        Self::parse(text, &Self::default())
    }
}

impl Faults {
    /// As above; `default` stands for the faults given.
    pub(in crate::engine) fn parse(text: &str, default: &Self) -> io::Result<Self> {
        let mut items = text.split(',').map(str::trim).peekable();
        let first = match items.peek().copied() {
            Some("none") => Some(Self::none()),
            Some("unseen") => Some(Self::unseen()),
            Some("default") => Some(default.clone()),
            Some("") if !text.contains(',') => {
                return Err(invalid(
                    "no fault is named: give none, unseen, default or a list such as short=0.2",
                ));
            }
            _ => None,
        };
        if first.is_some() {
            items.next();
        }
        let mut faults = first.unwrap_or_else(Self::none);
        let mut seen = Vec::new();
        for item in items {
            let (fault, probability, budget) = parse_item(item)?;
            if seen.contains(&fault) {
                return Err(invalid(&format!("fault {fault} is given twice; give it once")));
            }
            seen.push(fault);
            faults = faults.with(fault, probability);
            if let Some(budget) = budget {
                faults = faults.budget(fault, budget);
            }
        }
        Ok(faults)
    }
}

fn parse_item(item: &str) -> io::Result<(Fault, f64, Option<u64>)> {
    if matches!(item, "none" | "unseen" | "default") {
        return Err(invalid(&format!("{item} can only be the first item: what follows changes it")));
    }
    let (name, value) = item.split_once('=').unwrap_or((item, ""));
    let fault: Fault = name.trim().parse()?;
    let (probability, budget) = match value.split_once(':') {
        Some((probability, budget)) => (probability.trim(), Some(budget.trim())),
        None => (value.trim(), None),
    };
    if probability.is_empty() {
        return Err(invalid(&format!(
            "fault {fault} has no probability: give one in 0..=1, as in {fault}=0.1"
        )));
    }
    let number = probability.parse::<f64>().map_err(|_| {
        invalid(&format!("probability {probability:?} of fault {fault} is not a number: give one in 0..=1"))
    })?;
    if !(0.0..=1.0).contains(&number) {
        return Err(invalid(&format!("probability {probability} of fault {fault} is outside 0..=1")));
    }
    let budget = budget.map(|budget| {
        budget.parse().map_err(|_| {
            invalid(&format!(
                "budget {budget:?} of fault {fault} is not a whole number: give how often at most"
            ))
        })
    });
    // Minus zero is zero, and is not to be shown as something else.
    Ok((fault, number.abs(), budget.transpose()?))
}

impl fmt::Display for Faults {
    /// The text that means the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for fault in Fault::ALL {
            let (probability, budget) = (self.probability(fault), self.most(fault));
            let is_usual = budget == fault.budget();
            if probability == 0.0 && is_usual {
                continue;
            }
            write!(f, "{between}{fault}={probability}")?;
            if !is_usual {
                write!(f, ":{budget}")?;
            }
            between = ",";
        }
        if between.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}
