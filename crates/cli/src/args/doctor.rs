//! What may be typed after `switchboard doctor`, and what it means.

use clap::Args;

use super::Command;
use crate::doctor::Options;

/// Look at this system: which mechanisms work, and which limits will hurt.
///
/// Each mechanism is tried, not guessed, and for each that does not work it is said why; so is which one `auto` takes. Then
/// come the limits that servers and their clients run into, with what they mean here. Where one will hurt, a hint says what
/// will happen, and how to change it. Nothing is changed by looking.
#[derive(Debug, Args)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub(super) struct LowDoctor {
    /// Tell it as a JSON object
    #[arg(long)]
    json: bool,
}

impl LowDoctor {
    pub(super) fn understand(self) -> Command {
        Command::Doctor { options: Options { json: self.json } }
    }
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  switchboard doctor
  switchboard doctor | grep -A1 hint:       # what will hurt, and what to do about it
  switchboard doctor --json | jq -r .auto.mechanism
  SWITCHBOARD_ENGINE=poll switchboard doctor # what auto takes then

Exit codes:
  0      looked, whatever was found
  1      no mechanism works here, or the report could not be written
  2      wrong use";
