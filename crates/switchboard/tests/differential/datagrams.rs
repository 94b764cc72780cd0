//! The steps about datagrams.

use switchboard::engine::{Close, Lease, Op, Plan};

use crate::case::Step;
use crate::ends::{Mailbox, pattern};
use crate::play::{Outcome, Play};
use crate::steps::{nth, waiting};

impl Play<'_> {
    pub(crate) fn step_of_datagrams(&mut self, step: Step) -> Outcome {
        let count = self.mailboxes.len();
        match step {
            Step::OpenMailbox => {
                let socket = self.engine.open(Plan::Datagram { bind: self.address() }).unwrap();
                let address = self.local(socket);
                self.mailboxes.push(Mailbox {
                    socket,
                    address,
                    is_open: true,
                    flights: Default::default(),
                    story: Vec::new(),
                    rows: Vec::new(),
                    sent_to: 0,
                    reported: 0,
                });
            }
            _ if count == 0 => {}
            Step::CloseMailbox { mailbox } => {
                self.settle()?;
                let mailbox = &mut self.mailboxes[nth(mailbox, count)];
                mailbox.is_open = false;
                self.engine.close(mailbox.socket, Close::Now);
            }
            Step::SendTo { from, to, length } => self.send_to(nth(from, count), nth(to, count), length),
            Step::ReceiveFrom { mailbox } => self.receive_from(nth(mailbox, count)),
            Step::CancelReceiveFrom { mailbox, which } => {
                let mailbox = nth(mailbox, count);
                let states = self.mailboxes[mailbox].flights.iter().map(|flight| &flight.state);
                if let Some((at, ticket)) = waiting(states, which) {
                    self.give_up(ticket);
                    self.mailboxes[mailbox].flights.remove(at);
                    self.receive_from(mailbox);
                }
            }
            other => unreachable!("{other:?} is not about datagrams"),
        }
        Ok(())
    }

    /// As long as it surely fits the receiver's queue.
    fn send_to(&mut self, from: usize, to: usize, length: u16) {
        let target = &mut self.mailboxes[to];
        if target.sent_to >= target.reported + QUEUE {
            return;
        }
        target.sent_to += usize::from(target.is_open);
        let mut part = length.to_le_bytes().to_vec();
        part.extend(pattern(0, 0, length.into()));
        let to = target.address.clone();
        let socket = self.mailboxes[from].socket;
        let row = self.begin_row(Op::SendTo { socket, to, part: Lease::from(part) }, "datagram", 0, false);
        self.mailboxes[from].rows.push(row);
    }

    fn receive_from(&mut self, mailbox: usize) {
        let socket = self.mailboxes[mailbox].socket;
        let flight = self.begin_flight(Op::RecvFrom { socket, max: MOST }, 1);
        self.mailboxes[mailbox].flights.push_back(flight);
    }
}

/// How many datagrams wait for one receiver at most: fewer than any system queues.
const QUEUE: usize = 5;

/// How much of one is wanted: some are longer.
const MOST: usize = 700;
