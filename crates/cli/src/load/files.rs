//! The files a report goes to: opened before the load begins, so that a path nobody can write to is known at once, and left as they
//! are until there is something to write.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::options::Telling;
use super::report::{Report, hdr, html};
use crate::choice::shown;
use crate::error::{Error, reason};

/// The files a report goes to.
#[derive(Debug)]
pub(super) struct Files(Vec<Opened>);

#[derive(Debug)]
struct Opened {
    flag: &'static str,
    path: PathBuf,
    file: File,
    form: Form,
}

/// What is written.
type Form = fn(&Report, missed: &[String]) -> Vec<u8>;

impl Files {
    /// Opens them, or says which cannot be.
    pub(super) fn open(telling: &Telling) -> Result<Self, Error> {
        let wanted: [(&str, Option<&PathBuf>, Form); 2] =
            [("hdr", telling.hdr.as_ref(), hdr::log), ("html", telling.html.as_ref(), html::page)];
        let opened = wanted.into_iter().filter_map(|(flag, path, form)| {
            let path = path?.clone();
            // What is there stays there if the load comes to nothing.
            let file = File::options().write(true).create(true).truncate(false).open(&path);
            Some(match file {
                Ok(file) => Ok(Opened { flag, path, file, form }),
                Err(error) => Err(cannot_write(flag, &path, &error)),
            })
        });
        opened.collect::<Result<_, _>>().map(Self)
    }

    /// Writes them all, and says what could not be.
    pub(super) fn write(self, report: &Report, missed: &[String]) -> Vec<Error> {
        let written = self.0.into_iter().map(|Opened { flag, path, mut file, form }| {
            // A pipe or a device has no length.
            if file.metadata().is_ok_and(|about| about.is_file()) {
                file.set_len(0).map_err(|error| cannot_write(flag, &path, &error))?;
            }
            file.write_all(&form(report, missed)).map_err(|error| cannot_write(flag, &path, &error))
        });
        written.filter_map(Result::err).collect()
    }
}

fn cannot_write(flag: &str, path: &Path, error: &io::Error) -> Error {
    Error::refused(format_args!(
        "--{flag} {}: cannot write there: {}; give another file",
        shown(&path.display().to_string()),
        reason(error)
    ))
}
