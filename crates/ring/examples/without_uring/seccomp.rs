//! A filter of system calls, seccomp(2), which a process passes on to all it starts.

use std::env::consts::ARCH;
use std::error::Error;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// From now on, io_uring fails with this error in this thread and in all it starts. It gives up what set-user-ID
/// programs would give it (`PR_SET_NO_NEW_PRIVS`), without which only root may set a filter.
pub(crate) fn refuse_uring(errno: i32) -> Result<(), Box<dyn Error>> {
    let calls = [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];
    let whatever_the_arguments = Vec::new();
    let filter = SeccompFilter::new(
        calls.map(|call| (call, whatever_the_arguments.clone())).into(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.cast_unsigned()),
        ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}
