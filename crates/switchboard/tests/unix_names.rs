//! Unix sockets with names of every length the system takes: 108 bytes leave no room for a NUL.
#![allow(clippy::disallowed_methods, reason = "the rest of the network module uses the real clock")]

mod network;

use std::fs;
use std::path::PathBuf;

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketType};
use switchboard::engine::Address;
use switchboard::net::{Stream, UnixListener};

/// A path of so many bytes, in a folder of its own.
fn path(folder: &str, length: usize) -> PathBuf {
    let name = "x".repeat(length - folder.len() - 1);
    PathBuf::from(format!("{folder}/{name}"))
}

#[test]
fn listeners_and_peers_may_have_names_of_any_length() {
    let folder = format!("/tmp/switchboard-names-{}", std::process::id());
    fs::create_dir_all(&folder).unwrap();
    for network in network::real() {
        let event_loop = network.event_loop();
        for length in [50, 106, 107, 108] {
            let (listening, calling) = (path(&folder, length), path(&format!("{folder}/."), length));
            let seen = event_loop.block_on(async {
                let listener = UnixListener::bind(&listening).await.unwrap();
                assert_eq!(listener.local_addr().unwrap(), Address::unix(&listening), "{length}");
                let client = net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
                net::bind(&client, &SocketAddrUnix::new(&*calling).unwrap()).unwrap();
                net::connect(&client, &SocketAddrUnix::new(&*listening).unwrap()).unwrap();
                let (server, peer) = listener.accept().await.unwrap();
                assert_eq!(server.peer_addr().unwrap(), peer);
                let second = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
                assert_eq!(second.peer_addr().unwrap(), Address::unix(&listening), "{length}");
                peer
            });
            fs::remove_file(&listening).unwrap();
            // The kernel tells a peer's name as it was given, the dot included.
            assert_eq!(seen.unwrap(), Address::unix(&calling), "{length}");
            fs::remove_file(&calling).unwrap();
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}
