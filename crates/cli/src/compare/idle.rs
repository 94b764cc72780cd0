//! What an idle connection costs a server in memory: what its processes have with many of them, less what they had before.
//!
//! Each of them has exchanged one message, as connections in use have. What the kernel keeps for a socket is not in it, and the
//! same for everyone.

use std::time::Duration;

use switchboard::sleep;

use super::census::memory;
use super::clock;
use super::contestant::Scenario;
use super::measure::{Load, MOMENT, Manner, plan};
use super::results::Figure;
use super::server::Server;
use crate::error::reason;
use crate::load::Pace;

/// KiB of an idle connection.
pub(super) async fn idle(server: &Server, scenario: &Scenario, manner: &Manner) -> Figure {
    match measure(server, scenario, manner).await {
        Ok(value) => Figure { value: Some(value), means: Some("pss".to_owned()), missing: None },
        Err(why) => Figure { missing: Some(why), ..Figure::default() },
    }
}

async fn measure(server: &Server, scenario: &Scenario, manner: &Manner) -> Result<f64, String> {
    let scenario = Scenario { connections: 1, ..*scenario };
    // The first ever comes with what all of them share.
    drop(connect(server, &scenario, manner).await?);
    let memory =
        || memory(server.id()).map_err(|error| format!("the system does not tell: {}", reason(&error)));
    let before = memory()?;
    let many = Scenario { connections: MANY, ..scenario };
    let load = connect(server, &many, manner).await?;
    let after = memory()?;
    drop(load);
    Ok(after.saturating_sub(before) as f64 / 1024.0 / MANY as f64)
}

/// Connections that have all been answered once, and are idle until what is returned is dropped.
async fn connect(server: &Server, scenario: &Scenario, manner: &Manner) -> Result<Load, String> {
    let mut plan = plan(server, scenario, &Manner { duration: HOUR, ..*manner });
    plan.pace = Pace::Answered { think: HOUR };
    let load = Load::start(plan)?;
    let wanted = scenario.connections as u64;
    let (mut answered, mut since) = (0, clock());
    loop {
        match load.progress.answered() {
            all if all >= wanted => return Ok(load),
            more if more > answered => (answered, since) = (more, clock()),
            _ if load.progress.is_over() || clock() > since + PATIENCE => {
                return Err(format!(
                    "{answered} of {wanted} connections were answered, and no other within {PATIENCE:?}"
                ));
            }
            _ => sleep(MOMENT).await,
        }
    }
}

/// Enough for a page of memory, which is all or nothing, to count little.
const MANY: usize = 250;

/// As good as for ever.
const HOUR: Duration = Duration::from_secs(3600);

/// For the next answer.
const PATIENCE: Duration = Duration::from_secs(1);
