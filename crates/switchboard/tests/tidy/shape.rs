//! The shape of a file: short, made of short functions, opening with what it is, and finished.

use crate::source::{Source, Violation};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

const SHORT_FILE: &str = "a file has at most 500 lines";
const SHORT_FUNCTION: &str = "a function has at most 70 lines";
const OPENING: &str = "a file opens with `//!`";
const FINISHED: &str = "nothing is left to do later";

/// Marks of unfinished work in comments and code.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Macros that stand for unfinished work.
const MACROS: [&str; 2] = ["todo", "unimplemented"];

pub(crate) fn files_are_short(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| is_measured(source)) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            let advice = format!("it has {lines}: split it by what it is about");
            violations.push(source.violation(lines, SHORT_FILE, advice));
        }
    }
    violations
}

pub(crate) fn functions_are_short(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| is_measured(source)) {
        for function in crate::scan::functions(&source.tokens) {
            let lines = function.last - function.first + 1;
            if lines > FUNCTION_LINES {
                let advice = format!(
                    "`{}` has {lines}: take out the parts that have names of their own",
                    function.name
                );
                violations.push(source.violation(function.first, SHORT_FUNCTION, advice));
            }
        }
    }
    violations
}

/// Measurements and fuzz targets stand outside the workspace, and may be as long as they need.
fn is_measured(source: &Source) -> bool {
    source.is_rust() && !source.path.starts_with("bench/") && !source.path.starts_with("fuzz/")
}

pub(crate) fn files_open_with_words(sources: &[Source]) -> Vec<Violation> {
    let opens = |source: &&Source| source.text.strip_prefix("//!").is_some_and(|rest| rest.starts_with(' '));
    let silent = sources.iter().filter(|source| source.is_rust()).filter(|source| !opens(source));
    let advice = "say in the first line what this file is, then why this way and what must stay true";
    silent.map(|source| source.violation(1, OPENING, advice)).collect()
}

pub(crate) fn nothing_is_left_undone(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let mut undone = marked_lines(source);
        for two in source.tokens.windows(2) {
            if MACROS.contains(&two[0].text.as_str()) && two[1].is("!") {
                undone.push((two[0].line, format!("{}!", two[0].text)));
            }
        }
        for three in source.tokens.windows(3) {
            if three[0].is("#") && three[1].is("[") && three[2].is("ignore") {
                undone.push((three[0].line, "#[ignore]".to_owned()));
            }
        }
        for (line, what) in undone {
            let advice = format!("`{what}`: do it now, or write an issue and take the mark out");
            violations.push(source.violation(line, FINISHED, advice));
        }
    }
    violations
}

fn marked_lines(source: &Source) -> Vec<(usize, String)> {
    let lines = source.code.lines().zip(source.comments.lines()).enumerate();
    let mut found = Vec::new();
    for (index, (code, comment)) in lines {
        let is_sign = |c: char| !(c.is_alphanumeric() || c == '_');
        let mut words = code.split(is_sign).chain(comment.split(is_sign));
        if let Some(word) = words.find(|word| MARKS.contains(word)) {
            found.push((index + 1, word.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::found;

    const PATH: &str = "crates/cli/src/a.rs";

    #[test]
    fn a_long_file_is_found() {
        let text = "//! A.\n".repeat(FILE_LINES);
        assert_eq!(found(files_are_short, &[(PATH, &text)]), [""; 0]);
        let text = text + "//! B.\n";
        assert_eq!(found(files_are_short, &[(PATH, &text)]), [format!("{PATH}:501")]);
        assert_eq!(found(files_are_short, &[("bench/floor/src/main.rs", &text), ("a.md", &text)]), [""; 0]);
    }

    #[test]
    fn a_long_function_is_found() {
        let of = |lines: usize| format!("//! A.\nfn f() {{{}}}\n", "\n".repeat(lines - 1));
        assert_eq!(found(functions_are_short, &[(PATH, &of(FUNCTION_LINES))]), [""; 0]);
        assert_eq!(found(functions_are_short, &[(PATH, &of(FUNCTION_LINES + 1))]), [format!("{PATH}:2")]);
        assert_eq!(found(functions_are_short, &[("fuzz/a.rs", &of(FUNCTION_LINES + 1))]), [""; 0]);
    }

    #[test]
    fn a_file_that_opens_without_words_is_found() {
        for text in ["", "fn f() {}", "// A.", "//!", "\n//! A.", "#![allow(x)]\n//! A."] {
            assert_eq!(found(files_open_with_words, &[(PATH, text)]), [format!("{PATH}:1")], "in `{text}`");
        }
        assert_eq!(found(files_open_with_words, &[(PATH, "//! A.")]), [""; 0]);
    }

    #[test]
    fn unfinished_work_is_found() {
        for text in [
            "\n// TODO: later",
            "/*\n FIXME */",
            "\n/// XXX",
            "\nfn f() { todo!() }",
            "\nfn f() { unimplemented!(\"x\") }",
            "#[test]\n#[ignore = \"slow\"]\nfn f() {}",
            "#[test]\n#[ignore]\nfn f() {}",
        ] {
            assert_eq!(found(nothing_is_left_undone, &[(PATH, text)]), [format!("{PATH}:2")], "in `{text}`");
        }
    }

    #[test]
    fn words_that_only_look_unfinished_are_fine() {
        let text = "//! Of todo lists.\nfn f() { say(\"TODO\", TODOS); ignore(todo) }";
        assert_eq!(found(nothing_is_left_undone, &[(PATH, text)]), [""; 0]);
    }
}
