//! Servers in this process, which keep a book of their own of what they did: how long each answer was held back, and what came.
//!
//! Each connection has a thread. They last as long as the test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Answers each message after a delay of its own, and writes down how long it really was.
pub(crate) struct Delaying {
    pub(crate) address: SocketAddr,
    book: Arc<Mutex<Vec<Duration>>>,
}

impl Delaying {
    /// Messages of so many bytes; the delays are used in this order, by whoever comes next.
    pub(crate) fn new(size: usize, delays: Vec<Duration>) -> Self {
        let book = Arc::new(Mutex::new(Vec::new()));
        let (notes, next) = (Arc::clone(&book), AtomicU64::new(0));
        let address = serve(move |mut stream| {
            let mut message = vec![0; size];
            while stream.read_exact(&mut message).is_ok() {
                let heard = Instant::now();
                let number = next.fetch_add(1, Ordering::Relaxed) as usize;
                let due = heard + delays[number % delays.len()];
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let held_back = heard.elapsed();
                if stream.write_all(&message).is_err() {
                    return;
                }
                notes.lock().unwrap().push(held_back);
            }
        });
        Self { address, book }
    }

    pub(crate) fn answered(&self) -> usize {
        self.book.lock().unwrap().len()
    }

    /// All delays so far, the shortest first, and none of them from then on.
    pub(crate) fn take(&self) -> Vec<Duration> {
        let mut delays = std::mem::take(&mut *self.book.lock().unwrap());
        delays.sort_unstable();
        delays
    }
}

/// Echoes, but for a while in which it answers nobody.
pub(crate) fn stalling(after: Duration, length: Duration) -> SocketAddr {
    let first: OnceLock<Instant> = OnceLock::new();
    serve(move |mut stream| {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let from = *first.get_or_init(Instant::now) + after;
            let now = Instant::now();
            if (from..from + length).contains(&now) {
                thread::sleep(from + length - now);
            }
            if stream.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    })
}

/// Echoes, and counts.
pub(crate) struct Echo {
    pub(crate) target: String,
    pub(crate) counts: Arc<Counts>,
}

/// What an [`Echo`] has seen.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: AtomicU64,
    pub(crate) datagrams: AtomicU64,
    pub(crate) connections: AtomicU64,
}

impl Echo {
    pub(crate) fn on_tcp(address: &str) -> Self {
        let counts = Arc::new(Counts::default());
        let notes = Arc::clone(&counts);
        let address = serve_on(TcpListener::bind(address).unwrap(), move |stream| {
            echo(&stream, &notes, |_, _| {});
        });
        Self { target: address.to_string(), counts }
    }

    /// One that does something to what came, given how many bytes had come before, on all connections.
    pub(crate) fn changing(change: impl Fn(u64, &mut [u8]) + Send + Sync + 'static) -> Self {
        let counts = Arc::new(Counts::default());
        let notes = Arc::clone(&counts);
        let address = serve(move |stream| echo(&stream, &notes, &change));
        Self { target: address.to_string(), counts }
    }

    pub(crate) fn on_unix(path: &Path) -> Self {
        let counts = Arc::new(Counts::default());
        let notes = Arc::clone(&counts);
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let notes = Arc::clone(&notes);
                thread::spawn(move || echo(&stream, &notes, |_, _| {}));
            }
        });
        Self { target: format!("unix:{}", path.display()), counts }
    }

    pub(crate) fn on_udp(address: &str) -> Self {
        let counts = Arc::new(Counts::default());
        let notes = Arc::clone(&counts);
        let socket = UdpSocket::bind(address).unwrap();
        let target = socket.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok((count, from)) = socket.recv_from(&mut bytes) {
                notes.datagrams.fetch_add(1, Ordering::Relaxed);
                notes.bytes.fetch_add(count as u64, Ordering::Relaxed);
                socket.send_to(&bytes[..count], from).ok();
            }
        });
        Self { target, counts }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }
}

/// What both kinds of streams can.
trait Talk {
    fn hear(&self, into: &mut [u8]) -> io::Result<usize>;
    fn say(&self, bytes: &[u8]) -> io::Result<()>;
}

impl Talk for TcpStream {
    fn hear(&self, into: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(into)
    }

    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }
}

impl Talk for UnixStream {
    fn hear(&self, into: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(into)
    }

    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }
}

fn echo(stream: &impl Talk, counts: &Counts, change: impl Fn(u64, &mut [u8])) {
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = stream.hear(&mut bytes) {
        let before = counts.bytes.fetch_add(count as u64, Ordering::Relaxed);
        change(before, &mut bytes[..count]);
        if stream.say(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// Serves each connection on a thread of its own.
pub(crate) fn serve(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    serve_on(TcpListener::bind("127.0.0.1:0").unwrap(), talk)
}

fn serve_on(listener: TcpListener, talk: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let talk = Arc::clone(&talk);
            stream.set_nodelay(true).ok();
            thread::spawn(move || talk(stream));
        }
    });
    address
}
