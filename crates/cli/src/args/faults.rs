//! Faults, as they may be typed after `switchboard serve`.

use clap::Args;

use super::{understand_time, wrong_value};
use crate::error::Error;
use crate::faults::{Cut, Drip, Faults};
use crate::quantity::{bytes, size};

/// What to do wrong on purpose, whatever the service.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults, to test clients with")]
pub(super) struct LowFaults {
    /// Answer so much later, such as 5s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    delay: Option<String>,

    /// And by a random time up to this later still
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    jitter: Option<String>,

    /// Send no more than N bytes in a time D, such as 1/100ms
    #[arg(long, value_name = "N/D", allow_hyphen_values = true)]
    drip: Option<String>,

    /// Send in pieces of a random few bytes
    #[arg(long)]
    chop: bool,

    /// Receive nothing, ever
    #[arg(long)]
    never_read: bool,

    /// End the connection after N bytes have gone to the client (come from it, with discard), in what looks like good order
    #[arg(long, value_name = "N", allow_hyphen_values = true, conflicts_with = "reset_after")]
    close_after: Option<String>,

    /// The same, by a reset
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    reset_after: Option<String>,
}

impl LowFaults {
    pub(super) fn understand(&self) -> Result<Faults, Error> {
        let time = |name, text: &Option<String>| {
            text.as_deref().map_or(Ok(Default::default()), |text| understand_time(name, text))
        };
        let cut = |name, text: &Option<String>, reset| match text {
            Some(text) => match bytes(text) {
                Ok(after) => Ok(Some(Cut { after, reset })),
                Err(wrong) => Err(wrong_value(name, text, wrong)),
            },
            None => Ok(None),
        };
        Ok(Faults {
            delay: time("delay", &self.delay)?,
            jitter: time("jitter", &self.jitter)?,
            drip: self.drip.as_deref().map(understand_drip).transpose()?,
            cut: cut("close-after", &self.close_after, false)?.or(cut(
                "reset-after",
                &self.reset_after,
                true,
            )?),
            never_read: self.never_read,
            chop: self.chop,
        })
    }
}

fn understand_drip(text: &str) -> Result<Drip, Error> {
    let wrong = |what: &dyn std::fmt::Display| wrong_value("drip", text, what);
    let Some((number, time)) = text.split_once('/') else {
        return Err(wrong(&"give how many bytes in which time, such as 1/100ms"));
    };
    let bytes = size(number).map_err(|what| wrong(&what))?;
    let time = crate::quantity::duration(time).map_err(|what| wrong(&what))?;
    if bytes == 0 || time.is_zero() {
        return Err(wrong(&"nothing would ever go, or all at once; give more of both"));
    }
    Ok(Drip { bytes, time })
}
