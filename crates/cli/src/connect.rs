//! The parts of `switchboard connect` that neither touch a socket nor look at a clock.

#[cfg_attr(not(test), expect(dead_code, reason = "the subcommand is not there yet"))]
mod expect;
#[cfg_attr(not(test), expect(dead_code, reason = "the subcommand is not there yet"))]
mod hex;
#[cfg_attr(not(test), expect(dead_code, reason = "the subcommand is not there yet"))]
mod telnet;
