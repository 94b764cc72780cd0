//! What the network of this system bounds: queues of listeners, ports of clients, and ports that rest.

use serde_json::json;

use super::facts::Facts;
use super::finding::{Finding, Hint, Told};

/// How long a listener's queue may be, whatever it asks for.
pub(super) fn listen_queue(facts: &Facts) -> Finding {
    const NAME: &str = "somaxconn";
    const MEANING: &str = "how many may wait to be accepted; a longer --backlog is cut to it";
    let Some(most) = facts.somaxconn else {
        return Finding::untold(NAME, MEANING);
    };
    Finding {
        name: NAME,
        value: Some(Told { text: most.to_string(), json: most.into() }),
        meaning: MEANING.to_owned(),
        hint: (most < BACKLOG).then(|| Hint {
            effect: format!(
                "of more than {most} clients that come at once, the others wait a second or longer"
            ),
            remedy: "sudo sysctl -w net.core.somaxconn=4096".to_owned(),
        }),
    }
}

/// How many connections may be half open.
pub(super) fn half_open(facts: &Facts) -> Finding {
    const NAME: &str = "tcp max syn backlog";
    let Some(most) = facts.syn_backlog else {
        return Finding::untold(NAME, "how many connections may be half open");
    };
    let (meaning, counts) = match facts.syn_cookies {
        Some(0) => ("how many connections may be half open: tcp_syncookies is 0", true),
        Some(_) => ("of no weight: tcp_syncookies is on", false),
        None => ("how many connections may be half open, unless tcp_syncookies is on", false),
    };
    Finding {
        name: NAME,
        value: Some(Told {
            text: most.to_string(),
            json: json!({ "most": most, "cookies": facts.syn_cookies }),
        }),
        meaning: meaning.to_owned(),
        hint: (counts && most < BACKLOG).then(|| Hint {
            effect: format!("when about {most} connections are half open, those of strangers are dropped"),
            remedy: "sudo sysctl -w net.ipv4.tcp_syncookies=1".to_owned(),
        }),
    }
}

/// The ports that clients get.
pub(super) fn local_ports(facts: &Facts) -> Finding {
    const NAME: &str = "local ports";
    const MEANING: &str = "connections from one address here to one target, at most";
    let (Some((first, last)), Some(count)) = (facts.local_ports, facts.usable_ports()) else {
        return Finding::untold(NAME, MEANING);
    };
    let reserved = facts.reserved_ports.unwrap_or(0);
    let but = if reserved == 0 { String::new() } else { format!(" but {reserved} reserved") };
    Finding {
        name: NAME,
        value: Some(Told {
            text: format!("{count} ({first} to {last}{but})"),
            json: json!({ "first": first, "last": last, "reserved": facts.reserved_ports, "count": count }),
        }),
        meaning: MEANING.to_owned(),
        hint: (count < ENOUGH_PORTS).then(|| Hint {
            effect: format!(
                "beyond {count} connections to one target, connecting fails: cannot assign requested address"
            ),
            remedy: format!("sudo sysctl -w net.ipv4.ip_local_port_range=\"{LOWEST} 65535\""),
        }),
    }
}

/// The connections whose ports rest.
pub(super) fn time_wait(facts: &Facts) -> Finding {
    const NAME: &str = "time wait";
    let meaning = match facts.time_wait_reuse {
        Some(1) => "connections that were ended here; after a second a new one may have their port",
        Some(2) => {
            "connections that were ended here and keep their port for a minute; over loopback, a second"
        }
        _ => "connections that were ended here and keep their port for a minute",
    };
    let Some(count) = facts.time_wait else {
        return Finding::untold(NAME, meaning);
    };
    let ports = facts.usable_ports().filter(|&ports| count > ports / 2 && facts.time_wait_reuse != Some(1));
    Finding {
        name: NAME,
        value: Some(Told {
            text: count.to_string(),
            json: json!({ "count": count, "reuse": facts.time_wait_reuse }),
        }),
        meaning: meaning.to_owned(),
        hint: ports.map(|ports| Hint {
            effect: format!(
                "if they were made from here to one target, {} more can be made to it within a minute",
                ports.saturating_sub(count)
            ),
            remedy: "sudo sysctl -w net.ipv4.tcp_tw_reuse=1".to_owned(),
        }),
    }
}

/// What `serve` asks for if nothing else is said.
const BACKLOG: u64 = 1024;

/// As many as one process connects at once under a heavy load.
const ENOUGH_PORTS: u64 = 10_000;

/// The first port that needs no root.
const LOWEST: u64 = 1024;
