//! Datagrams, on tasks: a task for each socket, which receives, answers, and receives again.
//!
//! There are no connections, so there is nobody to wait for, to limit or to end: one socket serves everybody, and each
//! datagram says where it is from. What a client could do to a connection (never read, break it off) does not exist;
//! what there is instead is loss. If datagrams come faster than they are answered, the system's receive buffer fills and
//! it drops them, without a word to either side: that is UDP's only backpressure. A send waits when the system's send
//! buffer is full. What a datagram means is the [`Desk`]'s business, so that another model needs only this loop.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use switchboard::net::UdpSocket;
use switchboard::{sleep, spawn, timeout};

use crate::serve::desk::Desk;
use crate::serve::drain::LAST_WORDS;
use crate::serve::end::End;
use crate::serve::options::Options;
use crate::stop::{First, Latch, Signals, first};

/// Serves until a signal. Then there is nothing to drain: answers that are being sent still are.
pub(super) async fn serve(
    sockets: Vec<(UdpSocket, SocketAddr)>,
    options: &Options,
    ready: impl FnOnce(),
) -> End {
    let mut signals = Signals::catch().await;
    let desk = Rc::new(RefCell::new(Desk::new(options)));
    let most = options.read_size;
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|(socket, own)| {
            let end = Latch::default();
            let task = spawn(answer_all(socket, own, most, Rc::clone(&desk), end.clone()));
            (end, task)
        })
        .collect();
    ready();
    let signal = signals.next().await;
    tracing::info!("{}: receiving no more", signal.name);
    let ended = async {
        for (end, _) in &tasks {
            end.open();
        }
        for (_, task) in tasks {
            task.await;
        }
    };
    // A network that takes nothing for so long will not.
    timeout(LAST_WORDS, ended).await.ok();
    let tally = desk.borrow().tally();
    End::Datagrams(tally)
}

/// One socket, until it is to end. An error is of one datagram, and the next may be fine.
async fn answer_all(socket: UdpSocket, own: SocketAddr, most: usize, desk: Rc<RefCell<Desk>>, end: Latch) {
    let mut end = pin!(end.opened());
    loop {
        let received = match first(end.as_mut(), socket.recv_from(most)).await {
            First::One(()) => return,
            First::Other(received) => received,
        };
        match received {
            Ok(datagram) => {
                let answer = desk.borrow_mut().hear(&datagram, own);
                if let Some(answer) = answer {
                    let count = answer.len();
                    let sent = socket.send_to(answer, datagram.from).await;
                    desk.borrow_mut().said(count, sent);
                }
            }
            Err(error) => {
                desk.borrow_mut().fail(&error);
                // What fails again and again is not to keep a processor busy.
                sleep(PAUSE).await;
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(10);
