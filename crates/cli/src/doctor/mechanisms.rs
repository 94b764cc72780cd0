//! Each mechanism, tried; why those do not work that do not; and which one `auto` takes.

use std::{env, io};

use rustix::io::Errno;
use switchboard::{Mechanism, engine};

use super::facts::Facts;
use super::finding::Hint;
use super::proc;
use crate::error::{plain, reason};

/// What came of trying one.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) mechanism: Mechanism,
    /// `None` if it works.
    pub(super) refusal: Option<Refusal>,
}

/// Why it does not work.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    /// In the engine's words.
    pub(super) why: String,
}

/// What kind of reason it is, by all that the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// This system has no such thing, or switchboard cannot use it there.
    NotOnThisSystem,
    /// The kernel is older than what is needed.
    TooOld,
    /// It could have it, and was built without.
    NotInThisKernel,
    /// It is refused, and a filter of system calls is at work.
    Seccomp,
    /// A setting of the system forbids it.
    Sysctl,
    /// It is forbidden, and neither of these does it.
    Forbidden,
    /// Too little memory may be locked.
    LockedMemory,
    /// No descriptor was left for it.
    Descriptors,
    /// The environment says how engines are to go wrong, and says it wrongly.
    Environment,
    /// Something else.
    Other,
}

/// What `auto` takes.
#[derive(Debug)]
pub(super) enum Auto {
    /// This one, for this reason; and the faults that the environment asks for.
    Takes { name: String, why: String, faults: Option<String> },
    /// None, for this reason: what the environment names is not to be had.
    Refused { why: String },
}

impl Trial {
    /// All of them, the best first.
    pub(super) fn all(facts: &Facts) -> Vec<Self> {
        let one = |mechanism| Self::new(mechanism, engine::with(mechanism).err().as_ref(), facts);
        Mechanism::ALL.into_iter().map(one).collect()
    }

    /// Opening this one has come to that.
    pub(super) fn new(mechanism: Mechanism, error: Option<&io::Error>, facts: &Facts) -> Self {
        let refusal =
            error.map(|error| Refusal { cause: cause(mechanism, error, facts), why: reason(error) });
        Self { mechanism, refusal }
    }

    /// What is said of it.
    pub(super) fn verdict(&self, facts: &Facts) -> String {
        let Some(refusal) = &self.refusal else {
            return match self.mechanism.limit() {
                Some(limit) => format!("works, for descriptors below {limit}"),
                None => "works".to_owned(),
            };
        };
        let why = match refusal.cause {
            Cause::NotOnThisSystem => "not on this system",
            Cause::TooOld => {
                let release = facts.release.as_deref().unwrap_or("this one");
                return format!("no: needs Linux 6.1 or later, and this is {release}");
            }
            Cause::NotInThisKernel => "this kernel was built without it",
            Cause::Seccomp => "refused, and a filter of system calls (seccomp) is at work",
            Cause::Sysctl => {
                let value = facts.io_uring_disabled.unwrap_or_default();
                return format!("no: forbidden by the setting kernel.io_uring_disabled, which is {value}");
            }
            Cause::Forbidden => "forbidden, as by a security module",
            Cause::LockedMemory => "this process may lock too little memory",
            Cause::Descriptors => "no descriptor was left for it",
            Cause::Environment | Cause::Other => &refusal.why,
        };
        format!("no: {why}")
    }

    /// What to do about it, where something can be done.
    pub(super) fn hint(&self) -> Option<Hint> {
        let instead = "the next best mechanism does the same, with more system calls";
        let (effect, remedy) = match self.refusal.as_ref()?.cause {
            Cause::Seccomp => (
                instead,
                "in a container, run it with --security-opt seccomp=FILE, a profile that allows io_uring_setup, \
                 io_uring_enter and io_uring_register",
            ),
            Cause::Sysctl => (instead, "sudo sysctl -w kernel.io_uring_disabled=0"),
            Cause::TooOld => (instead, "boot Linux 6.1 or later"),
            Cause::LockedMemory => (instead, "sudo prlimit --pid $$ --memlock=8388608:8388608"),
            Cause::Descriptors => {
                ("nothing can be served on it", "sudo prlimit --pid $$ --nofile=65536:65536")
            }
            Cause::Environment => ("no engine can be opened", "unset SWITCHBOARD_CHAOS"),
            Cause::NotOnThisSystem | Cause::NotInThisKernel | Cause::Forbidden | Cause::Other => return None,
        };
        Some(Hint { effect: effect.to_owned(), remedy: remedy.to_owned() })
    }
}

impl Cause {
    /// The word for it, in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NotOnThisSystem => "not_on_this_system",
            Self::TooOld => "too_old",
            Self::NotInThisKernel => "not_in_this_kernel",
            Self::Seccomp => "seccomp",
            Self::Sysctl => "sysctl",
            Self::Forbidden => "forbidden",
            Self::LockedMemory => "locked_memory",
            Self::Descriptors => "descriptors",
            Self::Environment => "environment",
            Self::Other => "other",
        }
    }
}

impl Auto {
    /// What it takes in this process. Opens it, as what works in a small trial may be refused in earnest.
    pub(super) fn from_environment() -> Self {
        let refused = |error: io::Error| Self::Refused { why: reason(&error) };
        let choice = match engine::Choice::from_environment() {
            Ok(choice) => choice,
            Err(error) => return refused(error),
        };
        let opened = match choice.open() {
            Ok(opened) => opened,
            Err(error) => return refused(error),
        };
        let is_chosen = opened.name() == choice.mechanism.name();
        let why = match is_chosen {
            true => plain(&choice.why),
            false => format!("{} works in a small trial only", choice.mechanism),
        };
        let faults = env::var("SWITCHBOARD_CHAOS").ok().filter(|faults| !faults.is_empty());
        Self::Takes { name: opened.name().to_owned(), why, faults }
    }

    /// What to do where none is taken, or goes wrong on purpose.
    pub(super) fn hint(&self) -> Option<Hint> {
        let (effect, remedy) = match self {
            Self::Takes { faults: None, .. } => return None,
            Self::Takes { faults: Some(faults), .. } => (
                format!("all engines go wrong on purpose, by SWITCHBOARD_CHAOS={faults}"),
                "unset SWITCHBOARD_CHAOS",
            ),
            Self::Refused { .. } => (
                "commands for which no --engine is given end with this error".to_owned(),
                "unset SWITCHBOARD_ENGINE SWITCHBOARD_CHAOS",
            ),
        };
        Some(Hint { effect, remedy: remedy.to_owned() })
    }
}

fn cause(mechanism: Mechanism, error: &io::Error, facts: &Facts) -> Cause {
    let is_uring = mechanism == Mechanism::Uring;
    let version = facts.release.as_deref().and_then(proc::version);
    match error.kind() {
        io::ErrorKind::InvalidInput => Cause::Environment,
        _ if is_out_of_descriptors(error) => Cause::Descriptors,
        io::ErrorKind::OutOfMemory if is_uring => Cause::LockedMemory,
        io::ErrorKind::PermissionDenied => match (facts.io_uring_disabled, facts.is_filtered) {
            (Some(1 | 2), _) if is_uring => Cause::Sysctl,
            (_, Some(true)) => Cause::Seccomp,
            _ => Cause::Forbidden,
        },
        io::ErrorKind::Unsupported => match (version, facts.is_filtered) {
            (Some(version), _) if is_uring && version < (6, 1) => Cause::TooOld,
            (Some(_), Some(true)) if is_uring => Cause::Seccomp,
            (Some(_), _) if is_uring => Cause::NotInThisKernel,
            _ => Cause::NotOnThisSystem,
        },
        _ => Cause::Other,
    }
}

/// Whether the process (EMFILE) or the system (ENFILE) has none left, whatever was said before that.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE)) {
            return true;
        }
        next = error.get_ref().and_then(|inner| inner.source()?.downcast_ref());
    }
    false
}
