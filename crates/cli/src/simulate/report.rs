//! What the command says: in words, or as one JSON object; and meanwhile, to a person, how far it is.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::invariants::Broken;
use super::options::Options;
use super::sum::{Failure, Sum};
use super::work::Work;
use crate::error::{Error, one_line};
use crate::outlet;
use crate::stop::Signal;

/// Says on stdout what the seeds came to, in so many seconds.
pub(super) fn tell(options: &Options, sum: &Sum, seconds: f64, signal: Option<Signal>) -> Result<(), Error> {
    let text = if options.json {
        format!("{}\n", to_json(options, sum, seconds, signal))
    } else {
        to_text(options, sum, seconds, signal)
    };
    outlet::print("the report", text.as_bytes())
}

/// One line on stderr, over the last one.
pub(super) fn show(work: &Work, time: Duration) {
    let (done, all) = work.progress();
    let rate = done as f64 / time.as_secs_f64();
    let failures = work.sum().failures.len();
    write!(io::stderr(), "\r{done} of {all} seeds, {rate:.0} a second, {failures} failed ").ok();
}

/// Takes that line away.
pub(super) fn clear() {
    write!(io::stderr(), "\r\x1b[K").ok();
}

fn to_text(options: &Options, sum: &Sum, seconds: f64, signal: Option<Signal>) -> String {
    let Sum { seeds, time, connections, messages, bytes, cut, .. } = sum;
    let (model, service) = (options.server.model.name(), options.server.service.name());
    let many = options.seeds.end - options.seeds.start;
    let of = if *seeds == many { String::new() } else { format!(" of {many}") };
    let mut text = format!(
        "{seeds}{of} seeds of {model} serving {service} in {seconds:.1} s, {:.0} a second; {:.1} s of virtual time\n",
        rate(*seeds, seconds),
        time.as_secs_f64()
    );
    text.push_str(&format!(
        "{connections} connections, {messages} messages, {bytes} bytes verified, {cut} conversations cut off and begun anew\n"
    ));
    let injected: Vec<_> = sum
        .injected()
        .filter(|(_, count)| *count > 0)
        .map(|(fault, count)| format!("{fault} {count}"))
        .collect();
    let injected = if injected.is_empty() { "none".to_owned() } else { injected.join(", ") };
    text.push_str(&format!("injected: {injected}\n"));
    for failure in &sum.failures {
        text.push_str(&of_failure(options, failure));
    }
    if let Some(signal) = signal {
        text.push_str(&format!("{}: not all seeds were run\n", signal.name));
    }
    match sum.failures.len() {
        0 => text.push_str("all invariants held\n"),
        failed => text.push_str(&format!("{failed} of {seeds} seeds failed\n")),
    }
    text
}

fn of_failure(options: &Options, Failure { seed, broken }: &Failure) -> String {
    let mut text = format!("seed {seed} failed:\n");
    for broken in broken.iter().take(MOST_TOLD) {
        for (at, line) in broken.to_string().lines().enumerate() {
            let indent = if at == 0 { "  " } else { "    " };
            text.push_str(&format!("{indent}{}\n", one_line(line)));
        }
        text.push_str(&format!("    it has to hold: {}\n", broken.invariant.statement()));
    }
    if broken.len() > MOST_TOLD {
        text.push_str(&format!("  and {} more\n", broken.len() - MOST_TOLD));
    }
    text.push_str(&format!("  to see it: {}\n", again(options, *seed)));
    text
}

/// The command that repeats a seed.
fn again(options: &Options, seed: u64) -> String {
    format!("{} --seeds {seed} --trace seed-{seed}.txt", options.command)
}

fn to_json(options: &Options, sum: &Sum, seconds: f64, signal: Option<Signal>) -> Value {
    let injected: Map<String, Value> =
        sum.injected().map(|(fault, count)| (fault.to_string(), count.into())).collect();
    let of = |Broken { invariant, what }: &Broken| json!({ "invariant": invariant.name(), "what": what });
    let failures: Vec<_> = sum
        .failures
        .iter()
        .map(|Failure { seed, broken }| {
            let broken: Vec<_> = broken.iter().map(of).collect();
            json!({ "seed": seed, "broken": broken, "command": again(options, *seed) })
        })
        .collect();
    json!({
        "event": "simulated",
        "model": options.server.model.name(),
        "service": options.server.service.name(),
        "seeds": sum.seeds,
        "seconds": seconds,
        "seeds_per_second": rate(sum.seeds, seconds),
        "virtual_seconds": sum.time.as_secs_f64(),
        "connections": sum.connections,
        "messages": sum.messages,
        "bytes": sum.bytes,
        "cut": sum.cut,
        "injected": injected,
        "failures": failures,
        "signal": signal.map(|signal| signal.name),
    })
}

fn rate(seeds: u64, seconds: f64) -> f64 {
    seeds as f64 / seconds.max(1e-6)
}

/// How much is told of one seed.
const MOST_TOLD: usize = 5;
