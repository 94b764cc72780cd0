//! The mechanisms this system lacks: the shape of the others, and a clear error.
//!
//! /dev/poll (Solaris) is here on every system: no maintained crate binds it.

use std::io;

use crate::backend::Backend;
use crate::error::refused;
use crate::mechanism::Mechanism;

pub(crate) fn open(mechanism: Mechanism) -> io::Result<Box<dyn Backend>> {
    let text = format_args!(
        "cannot open {mechanism}: {} does not have it, or switchboard does not support it there; use poll, \
         which is everywhere",
        std::env::consts::OS
    );
    Err(refused(io::ErrorKind::Unsupported, text))
}
