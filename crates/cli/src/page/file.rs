//! The file a page goes to: opened before there is anything to write, so that a path nobody can write to is known at once, and left as it
//! is until then.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Page;
use crate::choice::shown;
use crate::error::{Error, reason};

/// The file a page goes to, as `--html` names it.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    file: fs::File,
}

impl File {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// When nobody can write there.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = fs::File::options().write(true).create(true).truncate(false).open(path);
        match file {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// Writes a page, and nothing but it.
    ///
    /// # Errors
    ///
    /// When that could not be done, such as on a disk that is full.
    pub(crate) fn write(mut self, page: &Page) -> Result<(), Error> {
        let mut write = || {
            // A pipe or a device has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(page.to_string().as_bytes())
        };
        write().map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let (path, why) = (path.display().to_string(), reason(error));
    Error::refused(format_args!("--html {}: cannot write there: {why}; give another file", shown(&path)))
}
