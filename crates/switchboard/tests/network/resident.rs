//! How much memory this process has. In bounds on it, the file that sets them is alone in its process.

use std::{env, fs};

/// Bytes in memory (proc_pid_statm(5)). 0, so that every bound on growth holds, where nobody tells, and under a sanitizer
/// (`SWITCHBOARD_SANITIZED`, which `.ci/sanitize` sets), for that keeps what was freed.
pub(crate) fn resident() -> usize {
    if env::var_os("SWITCHBOARD_SANITIZED").is_some() {
        println!("memory is not measured: SWITCHBOARD_SANITIZED is set");
        return 0;
    }
    let Ok(statm) = fs::read_to_string("/proc/self/statm") else { return 0 };
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * rustix::param::page_size()
}
