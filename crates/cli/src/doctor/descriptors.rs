//! Descriptors: each connection has one, in this process and in the system.

use serde_json::json;

use super::facts::Facts;
use super::finding::{Finding, Hint, Told, limit_json, limit_text};
use super::proc::Limit;

/// How many this process may have.
pub(super) fn of_process(facts: &Facts) -> Finding {
    const NAME: &str = "descriptors";
    let Some(Limit { soft, hard }) = facts.descriptors else {
        return Finding::untold(NAME, "a connection takes one");
    };
    let text = match soft == hard {
        true => limit_text(hard),
        false => format!("{}, up to {}", limit_text(soft), limit_text(hard)),
    };
    let meaning = match soft == hard {
        true => "a connection takes one",
        false => "a connection takes one; a server raises the lower limit to the upper one",
    };
    let few = hard.filter(|&hard| hard < ENOUGH);
    Finding {
        name: NAME,
        value: Some(Told { text, json: json!({ "soft": limit_json(soft), "hard": limit_json(hard) }) }),
        meaning: meaning.to_owned(),
        hint: few.map(|hard| Hint {
            effect: format!(
                "of more than about {} connections at once, the others wait until one ends",
                hard.saturating_sub(OWN)
            ),
            remedy: format!("sudo prlimit --pid $$ --nofile={PLENTY}:{PLENTY}"),
        }),
    }
}

/// How many the system has open, and may have.
pub(super) fn of_system(facts: &Facts) -> Finding {
    const NAME: &str = "open files";
    const MEANING: &str = "descriptors of all processes together";
    let Some((open, most)) = facts.files else {
        return Finding::untold(NAME, MEANING);
    };
    // By default there are more than memory has room for.
    let most = Some(most).filter(|&most| most < 1 << 60);
    let text = match most {
        Some(most) => format!("{open} of {most}"),
        None => format!("{open}, without a limit"),
    };
    let tight = most.filter(|&most| open > most / 10 * 8);
    Finding {
        name: NAME,
        value: Some(Told { text, json: json!({ "open": open, "most": limit_json(most) }) }),
        meaning: MEANING.to_owned(),
        hint: tight.map(|most| Hint {
            effect: format!(
                "with {} more, no process of this system can open anything",
                most.saturating_sub(open)
            ),
            remedy: format!("sudo sysctl -w fs.file-max={}", most.saturating_mul(2)),
        }),
    }
}

/// As many as the thousands of connections that one process can well serve or make take.
const ENOUGH: u64 = 10_240;

/// As many as no limit has to be raised again soon.
const PLENTY: u64 = 65_536;

/// What a server has open besides its connections: about so many.
const OWN: u64 = 16;
