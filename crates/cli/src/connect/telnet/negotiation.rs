//! The Q method (RFC 1143): one option on one side, and what to say about it when.
//!
//! An option has six states, since a wish may be on its way, and the opposite wish may have come up meanwhile. What must
//! stay true: something is said only when it changes a state, or to refuse; then no two sides answer each other for
//! ever, and they agree in the end. It is the same for their side (WILL, WONT; answered DO, DONT) and for ours.

/// Whether an option is on, or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Off.
    No,
    /// On.
    Yes,
    /// On; it was asked to be off, and then the queue.
    WantNo(Queue),
    /// Off; it was asked to be on, and then the queue.
    WantYes(Queue),
}

/// What is to be asked when the question under way has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// Nothing more.
    Empty,
    /// The opposite.
    Opposite,
}

/// What to say: that the option is to be on, or off. `None` is silence.
pub(super) type Say = Option<bool>;

impl State {
    /// Whether the option is in force.
    pub(super) fn is_on(self) -> bool {
        matches!(self, Self::Yes | Self::WantNo(_))
    }

    /// Whether something was asked, and not answered yet.
    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Self::WantNo(_) | Self::WantYes(_))
    }

    /// The peer said WILL or DO; `is_welcome` is whether we agree.
    pub(super) fn heard_yes(&mut self, is_welcome: bool) -> Say {
        let (state, say) = match *self {
            Self::No if is_welcome => (Self::Yes, Some(true)),
            Self::No => (Self::No, Some(false)),
            Self::Yes => (Self::Yes, None),
            // The peer answers a refusal with its opposite, which it must not: ours stands.
            Self::WantNo(Queue::Empty) => (Self::No, None),
            Self::WantNo(Queue::Opposite) | Self::WantYes(Queue::Empty) => (Self::Yes, None),
            Self::WantYes(Queue::Opposite) => (Self::WantNo(Queue::Empty), Some(false)),
        };
        *self = state;
        say
    }

    /// The peer said WONT or DONT, which nobody can refuse.
    pub(super) fn heard_no(&mut self) -> Say {
        let (state, say) = match *self {
            Self::Yes => (Self::No, Some(false)),
            Self::WantNo(Queue::Opposite) => (Self::WantYes(Queue::Empty), Some(true)),
            Self::No | Self::WantNo(Queue::Empty) | Self::WantYes(_) => (Self::No, None),
        };
        *self = state;
        say
    }

    /// We want it on.
    pub(super) fn want_yes(&mut self) -> Say {
        let (state, say) = match *self {
            Self::No => (Self::WantYes(Queue::Empty), Some(true)),
            Self::WantNo(_) => (Self::WantNo(Queue::Opposite), None),
            Self::WantYes(_) => (Self::WantYes(Queue::Empty), None),
            Self::Yes => (Self::Yes, None),
        };
        *self = state;
        say
    }

    /// We want it off.
    pub(super) fn want_no(&mut self) -> Say {
        let (state, say) = match *self {
            Self::Yes => (Self::WantNo(Queue::Empty), Some(false)),
            Self::WantNo(_) => (Self::WantNo(Queue::Empty), None),
            Self::WantYes(_) => (Self::WantYes(Queue::Opposite), None),
            Self::No => (Self::No, None),
        };
        *self = state;
        say
    }
}

/// What is said of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// The speaker's side is on, or would like to be.
    Will,
    /// The speaker's side is off.
    Wont,
    /// The listener's side may be on, or should.
    Do,
    /// The listener's side must be off.
    Dont,
}

impl Verb {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Will => 251,
            Self::Wont => 252,
            Self::Do => 253,
            Self::Dont => 254,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Self::Will, Self::Wont, Self::Do, Self::Dont].into_iter().find(|verb| verb.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::Queue::{Empty, Opposite};
    use super::State::{No, WantNo, WantYes, Yes};
    use super::*;

    /// Section 7 of the RFC, line by line.
    #[test]
    fn every_state_answers_as_the_table_of_the_rfc_says() {
        type Step = (State, State, Say);
        let check = |what: &str, act: &dyn Fn(&mut State) -> Say, table: [Step; 6]| {
            for (before, after, said) in table {
                let mut state = before;
                assert_eq!((act(&mut state), state), (said, after), "{what} in {before:?}");
            }
        };
        check(
            "a welcome WILL",
            &|state| state.heard_yes(true),
            [
                (No, Yes, Some(true)),
                (Yes, Yes, None),
                (WantNo(Empty), No, None),
                (WantNo(Opposite), Yes, None),
                (WantYes(Empty), Yes, None),
                (WantYes(Opposite), WantNo(Empty), Some(false)),
            ],
        );
        check(
            "an unwelcome WILL",
            &|state| state.heard_yes(false),
            [
                (No, No, Some(false)),
                (Yes, Yes, None),
                (WantNo(Empty), No, None),
                (WantNo(Opposite), Yes, None),
                (WantYes(Empty), Yes, None),
                (WantYes(Opposite), WantNo(Empty), Some(false)),
            ],
        );
        check(
            "WONT",
            &State::heard_no,
            [
                (No, No, None),
                (Yes, No, Some(false)),
                (WantNo(Empty), No, None),
                (WantNo(Opposite), WantYes(Empty), Some(true)),
                (WantYes(Empty), No, None),
                (WantYes(Opposite), No, None),
            ],
        );
        check(
            "our wish for it",
            &State::want_yes,
            [
                (No, WantYes(Empty), Some(true)),
                (Yes, Yes, None),
                (WantNo(Empty), WantNo(Opposite), None),
                (WantNo(Opposite), WantNo(Opposite), None),
                (WantYes(Empty), WantYes(Empty), None),
                (WantYes(Opposite), WantYes(Empty), None),
            ],
        );
        check(
            "our wish against it",
            &State::want_no,
            [
                (No, No, None),
                (Yes, WantNo(Empty), Some(false)),
                (WantNo(Empty), WantNo(Empty), None),
                (WantNo(Opposite), WantNo(Empty), None),
                (WantYes(Empty), WantYes(Opposite), None),
                (WantYes(Opposite), WantYes(Opposite), None),
            ],
        );
    }

    #[test]
    fn an_option_counts_until_its_end_is_confirmed() {
        for (state, is_on, is_waiting) in [
            (No, false, false),
            (Yes, true, false),
            (WantNo(Empty), true, true),
            (WantNo(Opposite), true, true),
            (WantYes(Empty), false, true),
            (WantYes(Opposite), false, true),
        ] {
            assert_eq!((state.is_on(), state.is_waiting()), (is_on, is_waiting), "{state:?}");
        }
    }
}
