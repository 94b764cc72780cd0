//! Whoever had an address before us: one that was killed on io_uring(7) has it for a moment longer.
//!
//! The kernel ends the operations of a ring after the process is gone, and each of them holds its socket open.

use std::time::Duration;

use switchboard::sleep;

/// What an attempt comes to, made again for a moment while the address is in use.
pub(super) async fn outlive<T>(attempt: impl AsyncFn() -> T, is_in_use: impl Fn(&T) -> bool) -> T {
    for _ in 0..TRIES {
        let answer = attempt().await;
        if !is_in_use(&answer) {
            return answer;
        }
        sleep(PAUSE).await;
    }
    attempt().await
}

/// Few: each may be a connection to somebody who is alive.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);
