//! `--merge`: reports of loads that ran at the same time, on several machines say, added up to one.

use std::path::{Path, PathBuf};

use super::report::{Report, read};
use crate::choice::shown;
use crate::error::{Error, reason};

/// Reads them and adds them up.
pub(super) fn merge(paths: &[PathBuf]) -> Result<Report, Error> {
    let (first, others) = paths.split_first().ok_or_else(|| Error::wrong_use("--merge: give files"))?;
    let mut sum = open(first)?;
    for path in others {
        let other = open(path)?;
        sum.setup.add(&other.setup).map_err(|wrong| cannot_merge(path, wrong))?;
        sum.tally.add(&other.tally);
        sum.doubts.extend(other.doubts);
        sum.loads += other.loads;
    }
    Ok(sum)
}

fn open(path: &Path) -> Result<Report, Error> {
    let text = std::fs::read(path).map_err(|error| {
        Error::refused(format_args!(
            "--merge {}: cannot be read: {}",
            shown(&path.display().to_string()),
            reason(&error)
        ))
    })?;
    let mut report = read(&String::from_utf8_lossy(&text)).map_err(|wrong| cannot_merge(path, wrong))?;
    for doubt in &mut report.doubts {
        *doubt = format!("{}: {doubt}", path.display());
    }
    Ok(report)
}

fn cannot_merge(path: &Path, wrong: String) -> Error {
    Error::wrong_use(format_args!("--merge {}: {wrong}", shown(&path.display().to_string())))
}
