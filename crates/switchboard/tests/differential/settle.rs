//! Taking what is finished, and telling what is to be seen of it.

use std::collections::VecDeque;

use switchboard::engine::{Address, Done, Failed, Op, Socket};

use crate::ends::{Door, End, Event, Flight, Mailbox, Row, State, pattern, told, told_of_writing};
use crate::play::{Play, tell};

impl Play<'_> {
    /// Takes all that was told to be finished, and asks for what is still to come of what was demanded.
    pub(crate) fn harvest(&mut self) {
        for door in 0..self.doors.len() {
            self.harvest_door(door);
        }
        for end in 0..self.ends.len() {
            self.harvest_rows(|play| &mut play.ends[end].rows);
            self.harvest_reading(end);
        }
        for mailbox in 0..self.mailboxes.len() {
            self.harvest_rows(|play| &mut play.mailboxes[mailbox].rows);
            self.harvest_mailbox(mailbox);
        }
    }

    fn harvest_rows(&mut self, rows: impl Fn(&mut Self) -> &mut Vec<Row>) {
        for at in 0..rows(self).len() {
            if let Some(ticket) = rows(self)[at].ticket
                && let Some(State::Done(outcome)) = self.outcome(ticket)
            {
                let row = &mut rows(self)[at];
                (row.ticket, row.outcome) = (None, Some(told_of_writing(outcome)));
            }
        }
    }

    /// Takes the flights that are finished, up to the first that is not: they come in order (law 4).
    fn landed(&mut self, flights: impl Fn(&mut Self) -> &mut VecDeque<Flight>) -> Vec<Result<Done, Failed>> {
        for at in 0..flights(self).len() {
            if let State::Waits(ticket) = flights(self)[at].state
                && let Some(state) = self.outcome(ticket)
            {
                flights(self)[at].state = state;
            }
        }
        let mut landed = Vec::new();
        while let Some(Flight { state: State::Done(_), .. }) = flights(self).front() {
            if let Some(Flight { state: State::Done(outcome), .. }) = flights(self).pop_front() {
                landed.push(outcome);
            }
        }
        landed
    }

    fn harvest_reading(&mut self, end: usize) {
        for outcome in self.landed(|play| &mut play.ends[end].reading.flights) {
            self.hear(end, Event::of(outcome));
        }
        loop {
            let reading = &mut self.ends[end].reading;
            let missing = reading.demand.saturating_sub(reading.received + reading.in_flight());
            if missing == 0 || !self.ends[end].is_open {
                return;
            }
            if let Some(event) = self.ends[end].reading.unpack(missing) {
                self.hear(end, event);
                continue;
            }
            self.moves += 1;
            let socket = self.ends[end].socket;
            let flight = self.begin_flight(Op::Recv { socket, max: missing, peek: false }, missing);
            let reading = &mut self.ends[end].reading;
            reading.flights.push_back(flight);
            for outcome in self.landed(|play| &mut play.ends[end].reading.flights) {
                self.hear(end, Event::of(outcome));
            }
        }
    }

    /// Writes down what an end was told. What is told instead of bytes takes the demand with it.
    pub(crate) fn hear(&mut self, end: usize, event: Event) {
        let voice = self.ends[end].voice() ^ 1;
        let reading = &mut self.ends[end].reading;
        let is_last = matches!(event, Event::Told(_));
        reading.hear(event, voice);
        if is_last {
            reading.demand = reading.received + reading.in_flight();
        }
    }

    fn harvest_door(&mut self, door: usize) {
        for outcome in self.landed(|play| &mut play.doors[door].flights) {
            match outcome {
                Ok(Done::Accepted { socket, peer }) => self.let_in(door, socket, &peer),
                other => self.doors[door].note(told(other)),
            }
        }
    }

    /// Finds out which client it is: by its address, or, where it has none, by its turn.
    pub(crate) fn let_in(&mut self, door: usize, socket: Socket, peer: &Address) {
        let Door { queue, came, story, .. } = &mut self.doors[door];
        let at = match peer {
            Address::Ip(_) => queue.iter().position(|(_, client)| client == peer),
            Address::Unix(_) => Some(0),
        };
        match at.and_then(|at| queue.remove(at)) {
            Some((connection, _)) => came.push((connection, socket)),
            None => story.push(Event::Told("somebody who never connected".to_owned())),
        }
    }

    fn harvest_mailbox(&mut self, mailbox: usize) {
        for outcome in self.landed(|play| &mut play.mailboxes[mailbox].flights) {
            let text = match outcome {
                Ok(Done::Datagram { lease, from, truncated }) => {
                    let from = self.mailboxes.iter().position(|other| other.address == from);
                    let length =
                        lease.first_chunk().map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
                    let is_whole =
                        lease.get(2..).unwrap_or(&[]) == pattern(0, 0, lease.len().saturating_sub(2));
                    format!("{} of {length} from {from:?}, cut: {truncated}, right: {is_whole}", lease.len())
                }
                other => told(other),
            };
            self.mailboxes[mailbox].note(text);
        }
    }

    /// All that is to be seen, as far as it is certain.
    pub(crate) fn view(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, Door { story, flights, came, .. }) in self.doors.iter().enumerate() {
            let mut came: Vec<_> = came.iter().map(|(connection, _)| connection).collect();
            came.sort();
            let story = tell(story);
            let waits = !flights.is_empty();
            if waits || !story.is_empty() || !came.is_empty() {
                lines.push(format!("door {number}: accepted {came:?}, {story}, waits: {waits}"));
            }
        }
        for (number, end) in self.ends.iter().enumerate() {
            self.view_end(number, end, &mut lines);
        }
        for (number, Mailbox { story, flights, rows, .. }) in self.mailboxes.iter().enumerate() {
            let waits = !flights.is_empty();
            if waits || !story.is_empty() {
                lines.push(format!("mailbox {number}: {}, waits: {waits}", tell(story)));
            }
            for Row { what, outcome, .. } in rows {
                lines.push(format!("{what} of mailbox {number}: {outcome:?}"));
            }
        }
        lines
    }

    fn view_end(&self, number: usize, end: &End, lines: &mut Vec<String>) {
        let reading = &end.reading;
        let is_wrong = |event: &Event| matches!(event, Event::Told(text) if text.contains("never sent"));
        let waits = !reading.flights.is_empty();
        if reading.is_loose {
            if let Some(wrong) = reading.story.iter().position(is_wrong) {
                lines.push(format!("end {number} received {}", tell(&reading.story[wrong..=wrong])));
            }
        } else if waits || !reading.story.is_empty() {
            lines.push(format!("end {number} received {}, waits: {waits}", tell(&reading.story)));
        }
        for row in end.rows.iter().filter(|row| self.is_certain(number, row)) {
            let state = row.outcome.as_deref().unwrap_or("waits");
            lines.push(format!("{} of end {number}, at {}: {state}", row.what, row.offset));
        }
    }

    /// What was seen alike is settled: rows that are done go, and who was accepted has an end.
    pub(crate) fn report(&mut self) {
        for number in 0..self.ends.len() {
            let mut rows = std::mem::take(&mut self.ends[number].rows);
            rows.retain(|row| row.outcome.is_none() || !self.is_certain(number, row));
            self.ends[number].rows = rows;
        }
        for door in 0..self.doors.len() {
            let mut came = std::mem::take(&mut self.doors[door].came);
            came.sort_by_key(|&(connection, _)| connection);
            for (connection, socket) in came {
                self.bound(socket);
                self.seat(connection, socket);
            }
        }
        for mailbox in &mut self.mailboxes {
            mailbox.rows.retain(|row| row.outcome.is_none());
            mailbox.reported = mailbox.story.len();
        }
    }

    /// The other end of a connection.
    fn seat(&mut self, connection: usize, socket: Socket) {
        let client = self.ends.iter().position(|end| end.connection == connection && end.is_client);
        let mut end = End::new(socket, connection, false);
        end.peer = client;
        let number = self.ends.len();
        if let Some(client) = client {
            self.ends[client].peer = Some(number);
            end.is_marred = self.ends[client].is_marred;
            end.is_vague = self.ends[client].is_vague;
            end.reading.is_loose = self.ends[client].is_cut;
        }
        self.ends.push(end);
    }
}

impl Door {
    pub(crate) fn note(&mut self, text: String) {
        note(&mut self.story, text);
    }
}

impl Mailbox {
    fn note(&mut self, text: String) {
        self.story.push(Event::Told(text));
    }
}

/// How often the same was told is not counted: one who waits is told as two are.
fn note(story: &mut Vec<Event>, text: String) {
    let event = Event::Told(text);
    if story.last() != Some(&event) {
        story.push(event);
    }
}
