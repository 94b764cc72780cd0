//! The steps of a case, each on the engine that a play has. Those of who receives, of what ends and of datagrams are in files of
//! their own.

use std::io::{self, IoSlice};
use std::time::Duration;

use switchboard::engine::{
    Close, Direction, Done, Fact, Lease, Op, Plan, Question, Setting, Submitted, Ticket,
};

use crate::case::{Asked, Changed, Step};
use crate::ends::{End, State, broken, pattern, told};
use crate::play::{FITS, Outcome, Play};

impl Play<'_> {
    pub(crate) fn step(&mut self, step: Step) -> Outcome {
        match step {
            Step::Settle => self.settle()?,
            Step::Turn => self.turn(),
            Step::Listen => self.listen(),
            Step::Unlisten { door } => self.unlisten(nth(door, self.doors.len()))?,
            Step::Connect { door } => self.connect(nth(door, self.doors.len())),
            Step::Accept { door } => self.accept(nth(door, self.doors.len())),
            Step::TryAccept { door } => self.try_accept(nth(door, self.doors.len()))?,
            Step::CancelAccept { door, which } => self.cancel_accept(nth(door, self.doors.len()), which),
            Step::OpenMailbox
            | Step::CloseMailbox { .. }
            | Step::SendTo { .. }
            | Step::ReceiveFrom { .. }
            | Step::CancelReceiveFrom { .. } => return self.step_of_datagrams(step),
            Step::Reconnect { end, .. }
            | Step::Send { end, .. }
            | Step::TrySend { end, .. }
            | Step::CancelSend { end }
            | Step::Receive { end, .. }
            | Step::TryReceive { end, .. }
            | Step::Peek { end, .. }
            | Step::CancelReceive { end, .. }
            | Step::Withdraw { end }
            | Step::Shutdown { end, .. }
            | Step::Close { end, .. }
            | Step::Ready { end, .. }
            | Step::Ask { end, .. }
            | Step::Set { end, .. }
            | Step::Move { end } => {
                let end = nth(end, self.ends.len());
                if !self.ends[end].is_open {
                    return self.use_stale(self.ends[end].socket, step);
                }
                self.step_of_end(end, step)?;
            }
        }
        Ok(())
    }

    fn step_of_end(&mut self, end: usize, step: Step) -> Outcome {
        match step {
            Step::Reconnect { door, .. } => self.reconnect(end, nth(door, self.doors.len())),
            Step::Send { length, parts, .. } => {
                self.send(end, length as usize, usize::from(parts));
                Ok(())
            }
            Step::TrySend { length, .. } => self.try_send(end, length as usize),
            Step::CancelSend { .. } => {
                self.cancel_send(end);
                Ok(())
            }
            Step::Receive { most, .. } => {
                self.receive(end, most as usize);
                Ok(())
            }
            Step::TryReceive { most, .. } => self.try_receive(end, most as usize),
            Step::Peek { most, .. } => self.peek(end, most as usize),
            Step::CancelReceive { which, .. } => {
                self.cancel_receive(end, which);
                Ok(())
            }
            Step::Withdraw { .. } => self.withdraw(end),
            Step::Shutdown { how, .. } => self.shutdown(end, how),
            Step::Close { how, .. } => self.close(end, how),
            Step::Ready { direction, .. } => self.ready(end, direction),
            Step::Ask { what, .. } => self.ask(end, what),
            Step::Set { what, .. } => self.set(end, what),
            Step::Move { .. } => self.move_over(end),
            other => unreachable!("{other:?} is not about an end"),
        }
    }

    pub(crate) fn connect(&mut self, door: usize) {
        let to = self.doors[door].address.clone();
        let socket = self.engine.open(Plan::Stream { like: to.clone() }).unwrap();
        self.bound(socket);
        let connection = self.connections;
        self.connections += 1;
        let mut end = End::new(socket, connection, true);
        end.rows.push(self.begin_row(Op::Connect { socket, to }, "connect", 0, false));
        self.queue(door, connection, &mut end);
        self.ends.push(end);
    }

    fn queue(&mut self, door: usize, connection: usize, end: &mut End) {
        if self.doors[door].is_open {
            let client = self.local(end.socket);
            self.doors[door].queue.push_back((connection, client));
        } else {
            end.is_marred = true;
        }
    }

    /// One that has failed may be tried again; one that has not is an error.
    fn reconnect(&mut self, end: usize, door: usize) -> Outcome {
        self.settle()?;
        let (socket, to) = (self.ends[end].socket, self.doors[door].address.clone());
        let was_refused =
            self.ends[end].is_client && self.ends[end].peer.is_none() && self.ends[end].is_marred;
        if was_refused || !self.ends[end].rows.is_empty() {
            // A refused attempt leaves what follows to the kernel: `tests/agree` compares the next one.
            return Ok(());
        }
        let row = self.begin_row(Op::Connect { socket, to }, "connect again", 0, false);
        self.ends[end].rows.push(row);
        self.settle()
    }

    pub(crate) fn accept(&mut self, door: usize) {
        let socket = self.doors[door].socket;
        let flight = self.begin_flight(Op::Accept { socket, wait: true }, 1);
        self.doors[door].flights.push_back(flight);
    }

    fn try_accept(&mut self, door: usize) -> Outcome {
        self.settle()?;
        let mut answer = None;
        let socket = self.doors[door].socket;
        self.observe(|play| {
            if answer.is_none() {
                match play.engine.submit(Op::Accept { socket, wait: false }) {
                    Submitted::Done(Ok(Done::Accepted { socket, peer })) => {
                        play.let_in(door, socket, &peer);
                        answer = Some("accepted".to_owned());
                    }
                    Submitted::Done(other) => return vec![told(other)],
                    Submitted::Pending(ticket) => {
                        play.give_up(ticket);
                        return vec!["it waits, though it should not".to_owned()];
                    }
                }
            }
            answer.clone().into_iter().collect()
        })?;
        self.settle()
    }

    fn cancel_accept(&mut self, door: usize, which: u8) {
        let waiting = waiting(self.doors[door].flights.iter().map(|flight| &flight.state), which);
        if let Some((at, ticket)) = waiting {
            self.give_up(ticket);
            self.doors[door].flights.remove(at);
            self.accept(door);
        }
    }

    fn unlisten(&mut self, door: usize) -> Outcome {
        self.settle()?;
        let queue = std::mem::take(&mut self.doors[door].queue);
        for (connection, _) in queue {
            if let Some(client) =
                self.ends.iter().position(|end| end.connection == connection && end.is_client)
            {
                self.mar(client, true);
            }
        }
        self.doors[door].is_open = false;
        self.engine.close(self.doors[door].socket, Close::Now);
        Ok(())
    }

    fn send(&mut self, end: usize, length: usize, parts: usize) {
        if self.is_left(end) && length > FITS {
            return;
        }
        let End { socket, sent, .. } = self.ends[end];
        let bytes = pattern(self.ends[end].voice(), sent, length);
        let parts = bytes.chunks((length / (parts + 1)).max(1)).map(Lease::from).collect();
        self.ends[end].sent += length;
        let row = self.begin_row(Op::Send { socket, parts }, "send", sent + length, false);
        self.ends[end].rows.push(row);
    }

    fn try_send(&mut self, end: usize, length: usize) -> Outcome {
        self.settle()?;
        let End { socket, sent, is_vague, .. } = self.ends[end];
        let is_behind = self.ends[end].rows.iter().any(|row| !self.is_certain(end, row));
        if is_vague || is_behind || self.is_left(end) && length > FITS {
            return Ok(());
        }
        let bytes = pattern(self.ends[end].voice(), sent, length);
        let answer = match self.engine.try_send(socket, &[IoSlice::new(&bytes)]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            answer => answer.map_err(|error| broken(format!("{:?}", error.kind()))),
        };
        self.observe(|_| answer.clone().err().into_iter().collect())?;
        if let Ok(count) = answer {
            self.ends[end].sent += count;
            self.send(end, length - count, 0);
        }
        Ok(())
    }

    /// Only of those that nothing can befall: the failure of one that was given up is for the next, and where it was not given
    /// up because it had been done at once there is none.
    fn cancel_send(&mut self, end: usize) {
        let is_safe = !self.ends[end].is_marred && self.ends[end].rows.iter().all(|row| !row.is_read);
        let Some(row) = self.ends[end].rows.pop_if(|row| is_safe && row.what == "send") else { return };
        self.ends[end].gave_up = true;
        if let Some(ticket) = row.ticket {
            self.give_up(ticket);
        }
    }

    fn ready(&mut self, end: usize, direction: Direction) -> Outcome {
        self.await_arrival(end)?;
        let End { socket, sent, was_moved, .. } = self.ends[end];
        let is_read = direction == Direction::Read;
        if is_read && (was_moved || !self.ends[end].reads_freely() || self.ends[end].reading.is_loose) {
            return Ok(());
        }
        let what = if is_read { "ready to read" } else { "ready to write" };
        let row = self.begin_row(Op::Ready { socket, direction }, what, sent, is_read);
        self.ends[end].rows.push(row);
        Ok(())
    }

    fn ask(&mut self, end: usize, what: Asked) -> Outcome {
        self.await_arrival(end)?;
        let End { socket, was_moved, is_vague, peer, .. } = self.ends[end];
        let unread = peer.map_or(1, |peer| self.unread(peer));
        let question = match what {
            Asked::Local => Question::Local,
            Asked::Peer => Question::Peer,
            Asked::Error => Question::Error,
            Asked::Unsent => Question::Unsent,
            Asked::NoDelay => Question::NoDelay,
            Asked::KeepAlive => Question::KeepAlive,
        };
        if is_vague || was_moved && what == Asked::Error || what == Asked::Unsent && unread > 0 {
            return Ok(());
        }
        // The kernel tells an error once.
        let mut error = None;
        self.observe(|play| {
            let answer = match play.engine.ask(socket, question) {
                Ok(Fact::Address(address)) => {
                    format!("an address with a port: {:?}", address.port().map(|port| port > 0))
                }
                Ok(Fact::Error(None)) => "no error".to_owned(),
                Ok(Fact::Error(Some(told))) => error.get_or_insert(format!("{:?}", told.kind())).clone(),
                Ok(other) => format!("{other:?}"),
                Err(error) => format!("{:?}", error.kind()),
            };
            vec![error.clone().unwrap_or(answer)]
        })
    }

    fn set(&mut self, end: usize, what: Changed) -> Outcome {
        let setting = match what {
            Changed::NoDelay(is_on) => Setting::NoDelay(is_on),
            Changed::KeepAlive(seconds) => {
                Setting::KeepAlive(seconds.map(|seconds| Duration::from_secs(seconds.into())))
            }
            Changed::SendBuffer(size) => Setting::SendBuffer(size as usize),
            Changed::UrgentInline(is_on) => Setting::UrgentInline(is_on),
        };
        let answer = self.engine.set(self.ends[end].socket, setting);
        self.observe(|_| vec![format!("{:?}", answer.as_ref().map_err(io::Error::kind))])
    }
}

/// The one that is meant by number.
pub(crate) fn nth(number: u8, count: usize) -> usize {
    usize::from(number) % count.max(1)
}

/// The one that is meant of those that have a ticket.
pub(crate) fn waiting<'a>(states: impl Iterator<Item = &'a State>, which: u8) -> Option<(usize, Ticket)> {
    let waiting: Vec<_> = states
        .enumerate()
        .filter_map(|(at, state)| match state {
            State::Waits(ticket) => Some((at, *ticket)),
            State::Done(_) => None,
        })
        .collect();
    (!waiting.is_empty()).then(|| waiting[nth(which, waiting.len())])
}

/// A gentle close that no bound ends.
pub(crate) const GENTLY: Close = Close::Gently { bytes: 1 << 30, time: Duration::from_secs(3_600) };
