//! What may go wrong on purpose, how likely, and how often at most.
//!
//! A fault is something a real kernel, a signal or a stranger may bring about at any time, and seldom does. Some of them a
//! correct program does not notice, so any test may run under them: [`Faults::unseen`]. The others it has to answer, so they
//! have a budget: a test that waits for something good gets there in the end.
//!
//! The same faults are meant on every engine, so they are named and decided here, once.

mod dice;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

pub(crate) use dice::Dice;
pub use dice::Injected;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// `short`: a receive or send moves fewer bytes than it could. The rest comes, or has room, later.
    Short,
    /// `eintr`: a call is interrupted by a signal that concerns nobody (`EINTR`).
    Interrupted,
    /// `spurious`: a wait ends for nothing, or something is told to be ready that is not.
    Spurious,
    /// `emfile`: opening (but a listener) or accepting is out of descriptors (`EMFILE`).
    OutOfDescriptors,
    /// `aborted`: a connection is gone before it is accepted (`ECONNABORTED`).
    Aborted,
    /// `enobufs`: opening (but a listener), accepting or sending a datagram is out of memory for buffers (`ENOBUFS`).
    OutOfBuffers,
    /// `reset`: the connection is reset (`ECONNRESET`) as one receives or sends.
    Reset,
    /// `early`: a stranger connects, and closes or resets at once. Simulated networks only.
    Early,
    /// `late`: a stranger connects, and is silent for long. Simulated networks only.
    Late,
    /// `half`: a stranger connects, and ends its side at once. Simulated networks only.
    Half,
    /// `signal`: a signal arrives that somebody watches. Simulated networks only.
    Signal,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Short,
        Self::Interrupted,
        Self::Spurious,
        Self::OutOfDescriptors,
        Self::Aborted,
        Self::OutOfBuffers,
        Self::Reset,
        Self::Early,
        Self::Late,
        Self::Half,
        Self::Signal,
    ];

    /// The lower-case name: `short`, `eintr`, `spurious`, `emfile`, `aborted`, `enobufs`, `reset`, `early`, `late`, `half`,
    /// `signal`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Interrupted => "eintr",
            Self::Spurious => "spurious",
            Self::OutOfDescriptors => "emfile",
            Self::Aborted => "aborted",
            Self::OutOfBuffers => "enobufs",
            Self::Reset => "reset",
            Self::Early => "early",
            Self::Late => "late",
            Self::Half => "half",
            Self::Signal => "signal",
        }
    }

    /// Whether a correct program does not notice it.
    #[must_use]
    pub const fn is_unseen(self) -> bool {
        matches!(self, Self::Short | Self::Interrupted | Self::Spurious)
    }

    /// Whether only a simulated network can bring it about: it is done by others than the one who runs on the engine.
    #[must_use]
    pub const fn is_simulated(self) -> bool {
        matches!(self, Self::Early | Self::Late | Self::Half | Self::Signal)
    }

    /// How often it happens at most, unless told otherwise: in each engine, or in each simulated network if only that has it.
    const fn budget(self) -> u64 {
        match self {
            Self::Short | Self::Interrupted | Self::Spurious => UNLIMITED,
            Self::OutOfDescriptors | Self::Aborted | Self::OutOfBuffers => 8,
            Self::Reset | Self::Early | Self::Late | Self::Half => 4,
            Self::Signal => 1,
        }
    }

    /// How likely it is in [`Faults::default`].
    const fn low(self) -> f64 {
        match self {
            Self::Short => 0.1,
            Self::Interrupted | Self::Spurious | Self::Aborted => 0.02,
            Self::OutOfDescriptors | Self::OutOfBuffers | Self::Early | Self::Late | Self::Half => 0.01,
            Self::Reset | Self::Signal => 0.001,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which faults, how likely, and how often at most. The default is all of them, at low rates.
///
/// As text it is a list: `short=0.2,eintr=0.05:100` is a probability each, and `:n` the most times it may happen. The first
/// item may be `none`, `unseen` or `default`, which what follows changes: `default,reset=0`.
///
/// ```
/// use switchboard::engine::{Fault, Faults};
///
/// let faults: Faults = "unseen,reset=0.5:1".parse()?;
/// assert_eq!(faults, Faults::unseen().with(Fault::Reset, 0.5).budget(Fault::Reset, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    rates: [Rate; Fault::ALL.len()],
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    probability: f64,
    budget: u64,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self { rates: Fault::ALL.map(|fault| Rate { probability: 0.0, budget: fault.budget() }) }
    }

    /// What a correct program does not notice: `short=0.2,eintr=0.05,spurious=0.1`.
    #[must_use]
    pub fn unseen() -> Self {
        Self::none().with(Fault::Short, 0.2).with(Fault::Interrupted, 0.05).with(Fault::Spurious, 0.1)
    }

    /// The same with this fault so likely, each time it could happen.
    ///
    /// # Panics
    ///
    /// If `probability` is not in 0..=1.
    #[must_use]
    pub fn with(mut self, fault: Fault, probability: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&probability),
            "the probability of {fault} is {probability}, not in 0..=1"
        );
        self.rates[fault as usize].probability = probability;
        self
    }

    /// The same with this fault at most so often in each engine, or in each simulated network if it [is of those
    /// only](Fault::is_simulated). `u64::MAX` is no limit.
    ///
    /// Unless told otherwise there is none for what is [not noticed](Fault::is_unseen); it is 8 for `emfile`, `aborted` and
    /// `enobufs`, 4 for `reset`, `early`, `late` and `half`, and 1 for `signal`.
    #[must_use]
    pub fn budget(mut self, fault: Fault, most: u64) -> Self {
        self.rates[fault as usize].budget = most;
        self
    }

    /// How likely this fault is, each time it could happen.
    #[must_use]
    pub fn probability(&self, fault: Fault) -> f64 {
        self.rates[fault as usize].probability
    }

    /// How often this fault happens at most; `u64::MAX` is no limit.
    #[must_use]
    pub fn most(&self, fault: Fault) -> u64 {
        self.rates[fault as usize].budget
    }

    /// Whether this fault can happen.
    #[must_use]
    pub fn may(&self, fault: Fault) -> bool {
        self.probability(fault) > 0.0 && self.most(fault) > 0
    }

    /// Whether nothing can go wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !Fault::ALL.into_iter().any(|fault| self.may(fault))
    }

    /// What of the default any engine can bring about.
    pub(super) fn default_of_engines() -> Self {
        let engines = Fault::ALL.into_iter().filter(|fault| !fault.is_simulated());
        engines.fold(Self::none(), |faults, fault| faults.with(fault, fault.low()))
    }
}

impl Default for Faults {
    fn default() -> Self {
        Fault::ALL.into_iter().fold(Self::none(), |faults, fault| faults.with(fault, fault.low()))
    }
}

/// What is no limit.
const UNLIMITED: u64 = u64::MAX;
