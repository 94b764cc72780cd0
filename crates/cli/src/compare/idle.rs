//! What an idle connection costs a server in memory: what its processes have with many of them, less what they had before. And
//! what of a processor the server uses while none of them says anything.
//!
//! Each of them has exchanged one message, as connections in use have. What the kernel keeps for a socket is not in it, and the
//! same for everyone.

use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use switchboard::sleep;

use super::census::{Census, memory};
use super::clock;
use super::contestant::Scenario;
use super::measure::{Load, MOMENT, Manner, plan};
use super::results::Figure;
use super::server::Server;
use crate::error::reason;
use crate::load::Pace;

/// KiB of an idle connection, and the share of a core that is used while all are idle.
pub(super) async fn idle(server: &Server, scenario: &Scenario, manner: &Manner) -> (Figure, Option<f64>) {
    match measure(server, scenario, manner).await {
        Ok((value, share)) => {
            (Figure { value: Some(value), means: Some("pss".to_owned()), missing: None }, share)
        }
        Err(why) => (Figure { missing: Some(why), ..Figure::default() }, None),
    }
}

async fn measure(
    server: &Server,
    scenario: &Scenario,
    manner: &Manner,
) -> Result<(f64, Option<f64>), String> {
    let scenario = Scenario { connections: 1, ..*scenario };
    // The first ever comes with what all of them share.
    drop(connect(server, &scenario, manner).await?);
    let memory =
        || memory(server.id()).map_err(|error| format!("the system does not tell: {}", reason(&error)));
    let before = memory()?;
    let many = Scenario { connections: MANY, ..scenario };
    let load = connect(server, &many, manner).await?;
    let after = memory()?;
    let share = used_in_silence(server).await;
    drop(load);
    Ok((after.saturating_sub(before) as f64 / 1024.0 / MANY as f64, share))
}

/// What it uses of a core, for a moment in which nobody says anything.
async fn used_in_silence(server: &Server) -> Option<f64> {
    let (before, began) = (Census::take(server.id()).ok()?, clock());
    sleep(SILENCE).await;
    let (after, lasted) = (Census::take(server.id()).ok()?, clock().saturating_duration_since(began));
    let spent = after.since(&before, clock_ticks_per_second());
    Some(spent.cpu.as_secs_f64() / lasted.as_secs_f64())
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

/// Long enough for whoever never waits to be seen, and for many ticks.
const SILENCE: Duration = Duration::from_millis(100);

/// As good as for ever.
const HOUR: Duration = Duration::from_secs(3600);

/// For the next answer.
const PATIENCE: Duration = Duration::from_secs(1);
