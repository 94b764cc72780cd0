//! A connection on its way from the engine that accepted it to another: it leaves the first as a descriptor.

use std::io;
use std::rc::Rc;

use switchboard::EventLoop;
use switchboard::engine::{Address, Descriptor, Done, Failed, Op, Socket, Submitted, Ticket};
use switchboard::event_loop::Completion;

use super::dealer::Dealer;

/// See the top of this file.
pub(crate) struct Handover {
    dealer: Rc<Dealer>,
    /// Which of the other loops is to have it.
    at: usize,
    peer: Address,
}

impl Handover {
    /// Sends a connection to another loop.
    pub(crate) fn begin(
        event_loop: &EventLoop,
        dealer: &Rc<Dealer>,
        at: usize,
        (socket, peer): (Socket, Address),
    ) {
        let this = Rc::new(Self { dealer: Rc::clone(dealer), at, peer });
        match event_loop.submit(Op::Release { socket }, Rc::<Self>::clone(&this)) {
            Submitted::Pending(_) => {}
            Submitted::Done(outcome) => this.released(event_loop, outcome),
        }
    }

    fn released(&self, event_loop: &EventLoop, outcome: Result<Done, Failed>) {
        let Self { dealer, at, peer } = self;
        match outcome {
            Ok(Done::Released { descriptor: Descriptor::Owned(descriptor), .. }) => {
                dealer.hand_over(event_loop, *at, (descriptor, peer.clone()));
            }
            Ok(_) => {
                let error = io::Error::new(io::ErrorKind::Unsupported, "it has no descriptor to be sent as");
                dealer.lose(event_loop, peer, &error);
            }
            Err(failed) => dealer.lose(event_loop, peer, &failed.error),
        }
    }
}

impl Completion for Handover {
    fn complete(self: Rc<Self>, event_loop: &EventLoop, _: Ticket, outcome: Result<Done, Failed>) {
        self.released(event_loop, outcome);
    }
}
