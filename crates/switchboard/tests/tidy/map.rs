//! The map in `ARCHITECTURE.md` shows every Rust file of the crates and examples, and nothing that is not there.
//!
//! A line of the map is a list item that starts with a path in backticks, relative to the root, followed by a
//! dash and a few words: `- ` then `` `crates/selector/src/epoll.rs` `` then ` — epoll(7)`. A path that ends
//! with `/` stands for a folder; it must exist, but does not put the files in it on the map.

use crate::source::{Source, Violation};

const MAP: &str = "ARCHITECTURE.md";
const COMPLETE: &str = "every Rust file under crates/ and examples/ is on the map in ARCHITECTURE.md";
const TRUE: &str = "everything on the map in ARCHITECTURE.md exists, once, and is described";

/// A line of the map.
struct Place<'a> {
    path: &'a str,
    line: usize,
    words: &'a str,
}

pub(crate) fn files_are_on_the_map(sources: &[Source]) -> Vec<Violation> {
    let places = places(sources);
    let shown = sources.iter().filter(|source| source.is_rust() && belongs_on_the_map(&source.path));
    let lost = shown.filter(|source| !places.iter().any(|place| place.path == source.path));
    let advice = |path: &str| format!("add a line to {MAP}: - `{path}` — what it is");
    lost.map(|source| source.violation(1, COMPLETE, advice(&source.path))).collect()
}

pub(crate) fn the_map_is_true(sources: &[Source]) -> Vec<Violation> {
    let places = places(sources);
    let map = Source::new(MAP, "");
    let mut violations = Vec::new();
    if places.is_empty() {
        violations.push(map.violation(1, TRUE, "there is no map: write one"));
    }
    for (index, place) in places.iter().enumerate() {
        let advice = if !exists(sources, place.path) {
            "it does not exist: take the line out, or correct the path"
        } else if places[..index].iter().any(|earlier| earlier.path == place.path) {
            "it is on the map already: keep one line"
        } else if place.words.is_empty() {
            "say what it is: a dash and a few words after the path"
        } else {
            continue;
        };
        violations.push(map.violation(place.line, TRUE, format!("`{}`: {advice}", place.path)));
    }
    violations
}

fn places(sources: &[Source]) -> Vec<Place<'_>> {
    let text = sources.iter().find(|source| source.path == MAP).map_or("", |source| &source.text);
    let lines = text.lines().enumerate();
    lines.filter_map(|(index, text)| place(index + 1, text)).collect()
}

fn place(line: usize, text: &str) -> Option<Place<'_>> {
    let (path, words) = text.trim_start().strip_prefix("- `")?.split_once('`')?;
    let words = words.trim_start().strip_prefix('—').unwrap_or_default().trim();
    (path.contains('/') && !path.contains(char::is_whitespace)).then_some(Place { path, line, words })
}

fn belongs_on_the_map(path: &str) -> bool {
    path.starts_with("crates/") || path.starts_with("examples/")
}

fn exists(sources: &[Source], path: &str) -> bool {
    let is_it =
        |source: &Source| source.path == path || (path.ends_with('/') && source.path.starts_with(path));
    sources.iter().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::found;

    #[test]
    fn a_file_that_is_not_on_the_map_is_found() {
        let files = [
            (MAP, "- `crates/a/src/lib.rs` — A.\n- `crates/a/tests/` — its tests.\n`examples/e.rs`"),
            ("crates/a/src/lib.rs", ""),
            ("crates/a/tests/t.rs", ""),
            ("examples/e.rs", ""),
            ("crates/a/Cargo.toml", ""),
            ("bench/floor/src/main.rs", ""),
        ];
        assert_eq!(found(files_are_on_the_map, &files), ["crates/a/tests/t.rs:1", "examples/e.rs:1"]);
        assert_eq!(found(files_are_on_the_map, &files[1..2]), ["crates/a/src/lib.rs:1"]);
    }

    #[test]
    fn a_line_of_the_map_that_leads_nowhere_is_found() {
        let map = "# Map\n\n- `crates/a/src/lib.rs` — A.\n- `crates/a/src/gone.rs` — B.\n- `crates/b/` — C.\n- `no path`";
        let files = [(MAP, map), ("crates/a/src/lib.rs", "")];
        assert_eq!(found(the_map_is_true, &files), [format!("{MAP}:4"), format!("{MAP}:5")]);
    }

    #[test]
    fn a_line_of_the_map_that_repeats_or_says_nothing_is_found() {
        let map = "- `a/a.rs` — A.\n- `a/a.rs` — again.\n  - `a/b.rs`\n- `a/` — all of it.";
        let files = [(MAP, map), ("a/a.rs", ""), ("a/b.rs", "")];
        assert_eq!(found(the_map_is_true, &files), [format!("{MAP}:2"), format!("{MAP}:3")]);
    }

    #[test]
    fn a_missing_map_is_found() {
        assert_eq!(found(the_map_is_true, &[("crates/a/src/lib.rs", "")]), [format!("{MAP}:1")]);
    }
}
