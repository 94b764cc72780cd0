//! How a set of names is printed: `READ | WRITE`, and `NONE` when it is empty.

use std::fmt;

/// Writes `names` with ` | ` between them.
pub(crate) fn write_names<'a>(
    f: &mut fmt::Formatter<'_>,
    mut names: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    f.write_str(names.next().unwrap_or("NONE"))?;
    names.try_for_each(|name| write!(f, " | {name}"))
}
