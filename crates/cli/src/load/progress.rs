//! What is told while a load goes on: to a person one line that changes, otherwise a line a second. Both on stderr, and neither is
//! waited for; but a stream in JSON is a result, and goes to stdout.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::report::{of_failures, of_step, of_summary};
use super::seek::Step;
use super::shown::{rate, time};
use super::tally::{Interval, Phase};
use crate::outlet::{self, Log};

/// How it is told.
#[derive(Debug)]
pub(super) enum Progress {
    /// To a person.
    Bar(ProgressBar),
    Lines,
    /// To a program.
    Stream,
}

impl Progress {
    pub(super) fn new(stream: bool) -> Self {
        if stream {
            return Self::Stream;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("it is a template"));
        Self::Bar(bar)
    }

    /// What a second came to.
    pub(super) fn show(&self, interval: &Interval) {
        match self {
            // What comes after the last second is in the report.
            Self::Bar(_) | Self::Lines if interval.phase == Phase::Ending => {}
            // A terminal may be stopped, by Ctrl-S for one.
            Self::Bar(_) if !outlet::has_room(&io::stderr()) => {}
            Self::Bar(bar) => {
                if bar.is_finished() {
                    bar.reset();
                }
                bar.set_message(line(interval));
                bar.tick();
            }
            Self::Lines => log(&line(interval)),
            Self::Stream => print(
                &json!({
                    "event": "interval",
                    "number": interval.number,
                    "phase": name(interval.phase),
                    "seconds": interval.length.as_secs_f64(),
                    "open": interval.open,
                    "answered": interval.answered,
                    "rate": answered_rate(interval),
                    "failures": of_failures(&interval.failures),
                    "exchange": of_summary(&interval.exchange),
                })
                .to_string(),
            ),
        }
    }

    /// What a step of --seek came to.
    pub(super) fn tell(&self, step: &Step) {
        match self {
            Self::Bar(_) | Self::Lines => log(&step.to_string()),
            Self::Stream => {
                let mut told = of_step(step);
                told["event"] = "step".into();
                print(&told.to_string());
            }
        }
    }

    /// Takes away what was only for the moment.
    pub(super) fn clear(&self) {
        if let Self::Bar(bar) = self
            && outlet::has_room(&io::stderr())
        {
            bar.finish_and_clear();
        }
    }
}

fn line(interval: &Interval) -> String {
    let Interval { number, open, exchange, .. } = interval;
    let failed = interval.failures.total();
    let phase = match interval.phase {
        Phase::Measuring => String::new(),
        other => format!(" ({})", name(other)),
    };
    let times = if exchange.is_empty() {
        String::new()
    } else {
        let (half, most) = (exchange.percentile(50.0), exchange.percentile(99.0));
        format!(", p50 {}, p99 {}, max {}", time(half), time(most), time(exchange.max()))
    };
    format!(
        "{number} s{phase}: {} a second{times}; {open} open, {failed} failed",
        rate(answered_rate(interval))
    )
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::WarmUp => "warm-up",
        Phase::Measuring => "measuring",
        Phase::Ending => "ending",
    }
}

fn answered_rate(interval: &Interval) -> f64 {
    let seconds = interval.length.as_secs_f64();
    if seconds > 0.0 { interval.answered as f64 / seconds } else { 0.0 }
}

/// A line that waits for nobody.
fn log(line: &str) {
    Log.write_all(line.as_bytes()).ok();
}

/// Whoever has stopped reading it still gets the report, or an error with it.
fn print(line: &str) {
    outlet::write_line(&mut io::stdout(), line, outlet::PATIENCE).ok();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_is_a_line() {
        let mut interval = Interval {
            number: 3,
            length: Duration::from_millis(500),
            phase: Phase::Measuring,
            open: 50,
            answered: 600,
            ..Interval::default()
        };
        interval.exchange.record(Duration::from_micros(20));
        let said = "3 s: 1200 a second, p50 20.0 us, p99 20.0 us, max 20.0 us; 50 open, 0 failed";
        assert_eq!(line(&interval), said);
        interval.phase = Phase::WarmUp;
        assert!(line(&interval).starts_with("3 s (warm-up): 1200 a second"));
        assert_eq!(line(&Interval::default()), "0 s (connecting): 0 a second; 0 open, 0 failed");
    }
}
