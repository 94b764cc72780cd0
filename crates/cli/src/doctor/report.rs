//! What was found, in words or as one JSON object.

use std::env::consts::{ARCH, OS};

use serde_json::{Map, Value, json};

use super::facts::Facts;
use super::finding::{Finding, Hint};
use super::mechanisms::{Auto, Trial};
use crate::error::one_line;

pub(super) fn to_text(facts: &Facts, trials: &[Trial], auto: &Auto, limits: &[Finding]) -> String {
    let release = facts.release.as_deref().map(|release| format!(" {release}")).unwrap_or_default();
    let mut lines = vec![format!("{OS}{release} on {ARCH}"), String::new(), "mechanisms".to_owned()];
    for trial in trials {
        lines.push(format!("  {:<8} {}", trial.mechanism, trial.verdict(facts)));
        lines.extend(of_hint(trial.hint().as_ref()));
    }
    lines.push(match auto {
        Auto::Takes { name, why, .. } => format!("  auto takes {name}: {why}"),
        Auto::Refused { why } => format!("  auto takes none: {why}"),
    });
    lines.extend(of_hint(auto.hint().as_ref()));
    lines.extend([String::new(), "limits".to_owned()]);
    let names = limits.iter().map(|limit| limit.name.len()).max().unwrap_or(0);
    let values = limits.iter().map(|limit| value_text(limit).len()).max().unwrap_or(0);
    for limit in limits {
        lines.push(format!("  {:<names$}  {:<values$}  {}", limit.name, value_text(limit), limit.meaning));
        lines.extend(of_hint(limit.hint.as_ref()));
    }
    lines.push(String::new());
    lines.push(match count_hints(trials, auto, limits) {
        0 => "no hints: nothing that was looked at will hurt".to_owned(),
        1 => "1 hint".to_owned(),
        count => format!("{count} hints"),
    });
    // What the environment and the system say may hold anything.
    lines.iter().map(|line| one_line(line.trim_end()) + "\n").collect()
}

pub(super) fn to_json(facts: &Facts, trials: &[Trial], auto: &Auto, limits: &[Finding]) -> Value {
    let mechanisms: Vec<_> = trials
        .iter()
        .map(|trial| {
            json!({
                "name": trial.mechanism.name(),
                "works": trial.refusal.is_none(),
                "cause": trial.refusal.as_ref().map(|refusal| refusal.cause.name()),
                "why": trial.refusal.as_ref().map(|refusal| &refusal.why),
                "hint": hint_json(trial.hint().as_ref()),
            })
        })
        .collect();
    let (mechanism, why) = match auto {
        Auto::Takes { name, why, .. } => (Some(name), why),
        Auto::Refused { why } => (None, why),
    };
    let limits_json: Map<String, Value> = limits
        .iter()
        .map(|limit| {
            let value = limit.value.as_ref().map(|told| &told.json);
            let of =
                json!({ "value": value, "meaning": limit.meaning, "hint": hint_json(limit.hint.as_ref()) });
            (limit.key(), of)
        })
        .collect();
    json!({
        "event": "examined",
        "system": { "os": OS, "release": facts.release, "arch": ARCH },
        "mechanisms": mechanisms,
        "auto": { "mechanism": mechanism, "why": why, "hint": hint_json(auto.hint().as_ref()) },
        "limits": limits_json,
        "hints": count_hints(trials, auto, limits),
    })
}

fn value_text(limit: &Finding) -> &str {
    limit.value.as_ref().map_or("not told by this system", |told| &told.text)
}

fn of_hint(hint: Option<&Hint>) -> Vec<String> {
    hint.map_or_else(Vec::new, |hint| {
        vec![format!("    hint: {}", hint.effect), format!("      try: {}", hint.remedy)]
    })
}

fn hint_json(hint: Option<&Hint>) -> Value {
    hint.map_or(Value::Null, |hint| json!({ "effect": hint.effect, "remedy": hint.remedy }))
}

fn count_hints(trials: &[Trial], auto: &Auto, limits: &[Finding]) -> usize {
    let of_trials = trials.iter().filter(|trial| trial.hint().is_some()).count();
    let of_limits = limits.iter().filter(|limit| limit.hint.is_some()).count();
    of_trials + of_limits + usize::from(auto.hint().is_some())
}
