//! The file of a Unix socket: it outlives whoever listened on it, unless somebody removes it.
//!
//! So one is met that a killed server left behind, and is replaced; and ours is removed at the end. What must stay
//! true: nothing is ever removed but a socket that nobody listens on, and the very file that we made.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard::net::UnixStream;
use switchboard::timeout;

use super::predecessor::outlive;
use crate::error::{Error, reason};

/// The file of a socket that we listen on. Removed when this is dropped, if it is still the same.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells one file from another that took its name. The number alone would not do: file systems give it to the
/// next file as soon as the socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

impl SocketFile {
    /// The one that was made just now, by listening.
    pub(crate) fn claim(path: &Path) -> io::Result<Self> {
        // Whatever the working directory is at the end.
        let path = std::path::absolute(path)?;
        let identity = Identity::of(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).map(|found| Identity::of(&found));
        if found.is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove {}: {}", self.path.display(), reason(&error));
        }
    }
}

/// Sees to it that nothing is in the way of listening at this path, as far as that is ours to do.
pub(crate) async fn make_room(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else {
        // Nothing is there, or nothing can be seen; listening will tell.
        return Ok(());
    };
    let refuse =
        |what: &str| Err(Error::refused(format_args!("cannot listen on unix:{}: {what}", path.display())));
    if found.is_dir() {
        return refuse("a directory is there; give the path of a file in it, or of another, with --listen");
    }
    if !found.file_type().is_socket() {
        return refuse("a file is there that is no socket; remove it, or choose another path with --listen");
    }
    let connect = async || timeout(PATIENCE, UnixStream::connect(path)).await;
    match outlive(connect, |answer| matches!(answer, Ok(Ok(_)))).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(Ok(_)) | Err(_) => return refuse(IN_USE),
        // A queue that is full is somebody's.
        Ok(Err(error)) if error.kind() == io::ErrorKind::ResourceBusy => return refuse(IN_USE),
        Ok(Err(error)) => {
            return refuse(&format!(
                "a socket is there, and whether somebody listens on it cannot be found out ({}); choose another path \
                 with --listen, or remove it if it is nobody's",
                reason(&error)
            ));
        }
    }
    let now = fs::symlink_metadata(path).map(|now| Identity::of(&now));
    if now.is_ok_and(|now| now == Identity::of(&found)) {
        tracing::info!("{} was left behind by somebody who ended; it is replaced", path.display());
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return refuse(&format!(
                "a socket that nobody listens on cannot be removed ({}); choose another path with --listen",
                reason(&error)
            ));
        }
    }
    Ok(())
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

const IN_USE: &str = "address already in use; stop what listens there, or choose another path with --listen";

/// A connection on this machine is made or refused at once; one that is not is somebody's.
const PATIENCE: Duration = Duration::from_secs(1);
