//! What a process has to run on: cores, memory that it may lock, threads.

use serde_json::json;

use super::facts::Facts;
use super::finding::{Finding, Hint, Told, limit_json, limit_text};

/// How many cores there are for this process.
pub(super) fn cores(facts: &Facts) -> Finding {
    const NAME: &str = "cores";
    const MEANING: &str = "--threads auto takes one loop for each";
    let Some(cores) = facts.cores else {
        return Finding::untold(NAME, MEANING);
    };
    let of = facts.online.filter(|&online| online > cores);
    let mut text = cores.to_string();
    if let Some(online) = of {
        text.push_str(&format!(" of {online}"));
    }
    let quota = facts.quota.as_ref().filter(|quota| quota.cores < cores as f64);
    if let Some(quota) = quota {
        text.push_str(&format!(", time for {:.2}", quota.cores));
    }
    let json = json!({
        "usable": cores,
        "online": facts.online,
        "quota": facts.quota.as_ref().map(|quota| quota.cores),
    });
    Finding {
        name: NAME,
        value: Some(Told { text, json }),
        meaning: MEANING.to_owned(),
        hint: cores_hint(cores, of, quota.map(|quota| (quota.cores, quota.file.as_str()))),
    }
}

fn cores_hint(cores: u64, online: Option<u64>, quota: Option<(f64, &str)>) -> Option<Hint> {
    if let Some((share, file)) = quota {
        let unlimited = if file.ends_with("cpu.max") { "max" } else { "-1" };
        return Some(Hint {
            effect: format!(
                "when time for {share:.2} cores is used up, all threads stand still until the next period, tens of \
                 milliseconds: it shows in the tail of latencies"
            ),
            remedy: format!("echo {unlimited} | sudo tee {file}"),
        });
    }
    if cores > 1 {
        return None;
    }
    let effect = "a server and its load share one core: what is measured is both of them";
    let remedy = match online {
        Some(online) => format!("sudo taskset -pc 0-{} $$", online - 1),
        None => "measure on a machine with more, or load the server from another one".to_owned(),
    };
    Some(Hint { effect: effect.to_owned(), remedy })
}

/// How much memory may be locked, as some kernels count a ring's.
pub(super) fn locked_memory(facts: &Facts) -> Finding {
    const NAME: &str = "locked memory";
    let Some(limit) = facts.locked_memory else {
        return Finding::untold(NAME, "new kernels count the memory of io_uring");
    };
    let bytes = limit.soft;
    let text = bytes.map_or_else(|| limit_text(None), |bytes| format!("{} KiB", bytes >> 10));
    let rings = bytes.map(|bytes| bytes / RING);
    let meaning = match (facts.may_lock_all, rings) {
        (Some(true), _) => "does not bind this user, who has CAP_IPC_LOCK".to_owned(),
        (_, Some(rings)) => {
            format!("new kernels count the memory of io_uring: room for about {rings} loops of this user")
        }
        (_, None) => "new kernels count the memory of io_uring".to_owned(),
    };
    let loops = facts.cores.unwrap_or(1);
    let few = rings.filter(|&rings| rings < loops && facts.may_lock_all != Some(true));
    Finding {
        name: NAME,
        value: Some(Told {
            text,
            json: json!({
                "soft": limit_json(limit.soft),
                "hard": limit_json(limit.hard),
                "unbound": facts.may_lock_all,
            }),
        }),
        meaning,
        hint: few.map(|rings| Hint {
            effect: match rings {
                0 => "on new kernels, no server on uring starts: cannot allocate memory".to_owned(),
                1 => "on new kernels, a server on uring with a second loop is refused: cannot allocate memory".to_owned(),
                _ => format!("on new kernels, a server on uring with more than {rings} loops is refused: cannot allocate memory"),
            },
            remedy: "sudo prlimit --pid $$ --memlock=8388608:8388608".to_owned(),
        }),
    }
}

/// How many threads there may be, by whichever limit is the tightest.
pub(super) fn threads(facts: &Facts) -> Finding {
    const NAME: &str = "threads";
    const MEANING: &str = "--model threads takes one for each connection; all other models few";
    let Some(&(limit, most)) = facts.threads.iter().min_by_key(|(_, most)| most) else {
        return Finding::untold(NAME, MEANING);
    };
    let remedy = match limit {
        "ulimit -u" => format!("sudo prlimit --pid $$ --nproc={PLENTY}:{PLENTY}"),
        "pids.max" => "in a container, run it with --pids-limit -1".to_owned(),
        "vm.max_map_count" => format!("sudo sysctl -w vm.max_map_count={}", 2 * PLENTY),
        setting => format!("sudo sysctl -w {setting}={PLENTY}"),
    };
    Finding {
        name: NAME,
        value: Some(Told { text: format!("{most} ({limit})"), json: json!({ "most": most, "by": limit }) }),
        meaning: MEANING.to_owned(),
        hint: (most < FEW).then(|| Hint {
            effect: format!(
                "with --model threads or processes, fewer than {most} connections are served at once"
            ),
            remedy,
        }),
    }
}

/// What an engine on io_uring takes of it: measured, about 40 KiB on Linux 6.18.
const RING: u64 = 40 << 10;

/// Fewer are used up by a crowd of clients.
const FEW: u64 = 2048;

/// As many as no limit has to be raised again soon.
const PLENTY: u64 = 65_536;
