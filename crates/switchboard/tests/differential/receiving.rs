//! The steps of whoever receives.

use std::io;

use switchboard::engine::{Op, Submitted};

use crate::ends::{End, Event, State, pattern};
use crate::play::{FITS, Outcome, Play};
use crate::steps::waiting;

impl Play<'_> {
    pub(crate) fn receive(&mut self, end: usize, most: usize) {
        self.ends[end].reading.demand += most;
        if self.ends[end].reading.stash.is_empty() {
            let socket = self.ends[end].socket;
            let flight = self.begin_flight(Op::Recv { socket, max: most, peek: false }, most);
            self.ends[end].reading.flights.push_back(flight);
        }
    }

    pub(crate) fn cancel_receive(&mut self, end: usize, which: u8) {
        let flights = &self.ends[end].reading.flights;
        if let Some((at, ticket)) = waiting(flights.iter().map(|flight| &flight.state), which) {
            self.give_up(ticket);
            let flight = self.ends[end].reading.flights.remove(at).expect("it was found");
            let socket = self.ends[end].socket;
            let flight = self.begin_flight(Op::Recv { socket, max: flight.max, peek: false }, flight.max);
            self.ends[end].reading.flights.push_back(flight);
        }
    }

    /// The youngest first: what waits has been given nothing.
    pub(crate) fn withdraw(&mut self, end: usize) -> Outcome {
        self.settle()?;
        while let Some(flight) = self.ends[end].reading.flights.pop_back() {
            match flight.state {
                State::Waits(ticket) => self.give_up(ticket),
                State::Done(outcome) => panic!("{outcome:?} is in the way of what came after it"),
            }
        }
        self.ends[end].reading.demand = self.ends[end].reading.received;
        Ok(())
    }

    pub(crate) fn try_receive(&mut self, end: usize, most: usize) -> Outcome {
        self.settle()?;
        let most = most.clamp(1, 40_000);
        let socket = self.ends[end].socket;
        let mut buffer = vec![0; most];
        let mut count = 0;
        self.observe(|play| {
            let mut answer = "all of it".to_owned();
            while count < most {
                let event = match play.ends[end].reading.unpack(most - count) {
                    Some(event) => event,
                    None => match play.engine.try_recv(socket, &mut buffer[..most - count]) {
                        Ok(0) => Event::Told("end".to_owned()),
                        Ok(count) => Event::Bytes(buffer[..count].to_vec()),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            answer = "WouldBlock".to_owned();
                            break;
                        }
                        Err(error) => Event::Told(format!("{:?}", error.kind())),
                    },
                };
                let told = match &event {
                    Event::Bytes(bytes) => {
                        count += bytes.len();
                        play.ends[end].reading.demand += bytes.len();
                        None
                    }
                    other => Some(format!("{other:?}")),
                };
                play.hear(end, event);
                if let Some(told) = told {
                    answer = told;
                    break;
                }
            }
            match play.ends[end].reading.is_loose {
                true => Vec::new(),
                false => vec![format!("{count} bytes, then {answer}")],
            }
        })?;
        self.settle()
    }

    pub(crate) fn peek(&mut self, end: usize, most: usize) -> Outcome {
        self.settle()?;
        let most = most.min(FITS);
        if !self.ends[end].reads_freely() || self.ends[end].reading.is_loose {
            return Ok(());
        }
        self.observe(|play| vec![play.look(end, most)])
    }

    /// What a peek shows.
    pub(crate) fn look(&mut self, end: usize, most: usize) -> String {
        let reading = &self.ends[end].reading;
        let mut shown = Vec::new();
        let mut has_more = true;
        for event in &reading.stash {
            match event {
                Event::Bytes(bytes) => shown.extend_from_slice(bytes),
                other if shown.is_empty() => return format!("{other:?}"),
                _ => has_more = false,
            }
        }
        let (socket, voice, at) = (self.ends[end].socket, self.ends[end].voice() ^ 1, reading.received);
        let room = most.saturating_sub(shown.len());
        if room > 0 && has_more {
            match self.try_it(Op::Recv { socket, max: room, peek: true }) {
                Some(Event::Bytes(bytes)) => shown.extend_from_slice(&bytes),
                Some(other) if shown.is_empty() => return format!("{other:?}"),
                _ => {}
            }
        }
        shown.truncate(most);
        let is_right = shown == pattern(voice, at, shown.len());
        format!("{} bytes, right: {is_right}", shown.len())
    }

    /// What an operation comes to that is given up if that is nothing.
    pub(crate) fn try_it(&mut self, op: Op) -> Option<Event> {
        match self.engine.submit(op) {
            Submitted::Done(outcome) => Some(Event::of(outcome)),
            Submitted::Pending(ticket) => {
                self.turn();
                match self.outcome(ticket) {
                    Some(State::Done(outcome)) => Some(Event::of(outcome)),
                    _ => {
                        self.give_up(ticket);
                        None
                    }
                }
            }
        }
    }

    /// Makes sure that what was sent to an end is there, where that decides what happens next. Nobody who receives
    /// waits there for it, or it would have been received.
    pub(crate) fn await_arrival(&mut self, end: usize) -> Outcome {
        self.settle()?;
        let is_due =
            self.unread(end) > 0 && self.ends[end].reads_freely() && !self.ends[end].reading.is_loose;
        if is_due { self.observe(|play| vec![play.look(end, FITS)]) } else { Ok(()) }
    }

    /// How much was sent to an end, and not received.
    pub(crate) fn unread(&self, end: usize) -> usize {
        let End { peer, reading, .. } = &self.ends[end];
        peer.map_or(0, |peer| self.ends[peer].sent.saturating_sub(reading.received))
    }
}
