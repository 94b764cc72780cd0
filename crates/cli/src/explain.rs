//! `--explain`: a model says on stderr, as it happens, what it does and what that means for those who wait.

use std::io::Write;

use crate::error::one_line;
use crate::outlet::Log;

/// Whether that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Explain(pub(crate) bool);

impl Explain {
    /// Says it, in one line, unless nobody reads it: then it waits for nobody.
    pub(crate) fn tell(self, what: impl FnOnce() -> String) {
        if self.0 {
            // In one call: each that the log gets is a line.
            Log.write_all(one_line(&format!("explain: {}", what())).as_bytes()).ok();
        }
    }
}
