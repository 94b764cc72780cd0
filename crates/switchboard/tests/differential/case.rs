//! A case: what is done to an engine, as plain data.
//!
//! Ends, doors and mailboxes are meant by number, modulo how many there are; those that were closed stay in the count, so
//! that stale names are used as well. A step that means nobody does nothing. [`Step::decode`] makes a step of any five
//! bytes, so that proptest and a fuzzer find their cases by the same way, and a case that was found can be written as it
//! is printed, into a test.

use std::net::Shutdown;

use switchboard::engine::Direction;

/// What is done, from an empty engine on. A door is open, and one connection stands, before the first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) family: Family,
    pub(crate) steps: Vec<Step>,
}

/// What its sockets are addressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Abstract,
}

/// One step. Only those marked with (s) wait, before they act, until nothing more happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waits until nothing more happens, and takes what is finished. (s)
    Settle,
    /// One turn of the engine, and nothing is taken.
    Turn,
    /// Opens a door: a listener.
    Listen,
    /// Closes one. (s)
    Unlisten { door: u8 },
    /// Opens a stream and connects it to a door.
    Connect { door: u8 },
    /// Connects an end that there is already once more. (s)
    Reconnect { end: u8, door: u8 },
    /// Waits for a connection.
    Accept { door: u8 },
    /// Asks for one that is there already. (s)
    TryAccept { door: u8 },
    /// Gives a waiting or finished accept up, and submits another.
    CancelAccept { door: u8, which: u8 },
    /// Submits a send, in that many parts.
    Send { end: u8, length: u32, parts: u8 },
    /// Sends what fits without waiting, and submits the rest. (s)
    TrySend { end: u8, length: u32 },
    /// Gives the youngest send, connect or shutdown up. It goes on.
    CancelSend { end: u8 },
    /// Submits a receive.
    Receive { end: u8, most: u32 },
    /// Receives without waiting. (s)
    TryReceive { end: u8, most: u32 },
    /// Looks at what is there. (s)
    Peek { end: u8, most: u32 },
    /// Gives a waiting or finished receive up, and submits another.
    CancelReceive { end: u8, which: u8 },
    /// Gives all receives up. (s)
    Withdraw { end: u8 },
    /// Ends a direction, or both. Ending the read side: (s)
    Shutdown { end: u8, how: Shutdown },
    /// Closes. (s)
    Close { end: u8, how: Goodbye },
    /// Waits for readiness; to read, only where nobody receives. (s)
    Ready { end: u8, direction: Direction },
    /// Asks a question. (s)
    Ask { end: u8, what: Asked },
    /// Changes an option.
    Set { end: u8, what: Changed },
    /// Releases the descriptor and adopts it again. (s)
    Move { end: u8 },
    /// Opens a datagram socket.
    OpenMailbox,
    /// Closes one. (s)
    CloseMailbox { mailbox: u8 },
    /// Sends a datagram.
    SendTo { from: u8, to: u8, length: u16 },
    /// Waits for one.
    ReceiveFrom { mailbox: u8 },
    /// Gives a waiting or finished one up, and submits another.
    CancelReceiveFrom { mailbox: u8, which: u8 },
}

/// How an end is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    Now,
    Reset,
    /// With more bytes and time than any case needs: bounds are other tests' business.
    Gently,
}

/// What an end is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Local,
    Peer,
    Error,
    Unsent,
    NoDelay,
    KeepAlive,
}

/// What is changed of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    NoDelay(bool),
    KeepAlive(Option<u8>),
    SendBuffer(u32),
    UrgentInline(bool),
}

impl Case {
    /// The case that some bytes are: the family, and five bytes a step.
    pub(crate) fn decode(family: u8, steps: &[[u8; 5]]) -> Self {
        let family = [Family::V4, Family::Abstract, Family::V6][usize::from(family) % 3];
        Self { family, steps: steps.iter().map(|&bytes| Step::decode(bytes)).collect() }
    }
}

impl Step {
    /// The step that five bytes are: which, whose, and how much.
    pub(crate) fn decode([kind, end, which, low, high]: [u8; 5]) -> Self {
        let (door, mailbox) = (end, end);
        let length = length(low, high);
        let short = u16::from(low) + 256 * u16::from(high % 6);
        match kind % 64 {
            0..3 => Self::Settle,
            3 => Self::Turn,
            4 => Self::Listen,
            5 => Self::Unlisten { door },
            6..9 => Self::Connect { door },
            9 => Self::Reconnect { end, door: which },
            10..13 => Self::Accept { door },
            13 => Self::TryAccept { door },
            14 => Self::CancelAccept { door, which },
            15..25 => Self::Send { end, length, parts: which % 4 },
            25..27 => Self::TrySend { end, length },
            27 => Self::CancelSend { end },
            28..37 => Self::Receive { end, most: length.max(1) },
            37..40 => Self::TryReceive { end, most: length },
            40 => Self::Peek { end, most: length.max(1) },
            41..44 => Self::CancelReceive { end, which },
            44 => Self::Withdraw { end },
            45..48 => Self::Shutdown {
                end,
                how: [Shutdown::Write, Shutdown::Read, Shutdown::Both][which as usize % 3],
            },
            48..51 => {
                Self::Close { end, how: [Goodbye::Now, Goodbye::Reset, Goodbye::Gently][which as usize % 3] }
            }
            51..53 => Self::Ready { end, direction: [Direction::Read, Direction::Write][which as usize % 2] },
            53 => Self::Ask { end, what: ASKED[which as usize % ASKED.len()] },
            54 => Self::Set { end, what: changed(which, low) },
            55..57 => Self::Move { end },
            57 => Self::OpenMailbox,
            58 => Self::CloseMailbox { mailbox },
            59..61 => Self::SendTo { from: end, to: which, length: short },
            61..63 => Self::ReceiveFrom { mailbox },
            _ => Self::CancelReceiveFrom { mailbox, which },
        }
    }
}

/// Mostly a few bytes, sometimes some hundreds, seldom more than any buffer holds.
fn length(low: u8, high: u8) -> u32 {
    match high {
        0..128 => u32::from(low) % 32,
        128..240 => u32::from(low) * 8,
        _ => TOO_MUCH + u32::from(low),
    }
}

fn changed(which: u8, low: u8) -> Changed {
    match which % 4 {
        0 => Changed::NoDelay(low.is_multiple_of(2)),
        1 => Changed::KeepAlive((low > 0).then_some(low)),
        2 => Changed::SendBuffer(16_384 + 256 * u32::from(low)),
        _ => Changed::UrgentInline(low.is_multiple_of(2)),
    }
}

const ASKED: [Asked; 6] =
    [Asked::Local, Asked::Peer, Asked::Error, Asked::Unsent, Asked::NoDelay, Asked::KeepAlive];

/// What is sent to fill buffers: far more than those of both sides hold.
const TOO_MUCH: u32 = 400_000;
