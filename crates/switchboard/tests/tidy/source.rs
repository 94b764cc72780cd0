//! What the rules read, a [`Source`], and what they find, a [`Violation`].
//!
//! The files are those git knows or would add: a new file obeys the rules before it is committed. Without git
//! (an unpacked archive) the folders are walked instead.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scan::{self, Token};

/// A rule reads all sources and tells what is wrong in them.
pub(crate) type Rule = fn(&[Source]) -> Vec<Violation>;

/// One file. Only Rust, TOML and Markdown are read; of any other file the path is enough.
pub(crate) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of literals blanked: empty unless this is Rust.
    pub(crate) code: String,
    /// The text with everything but comments blanked: empty unless this is Rust.
    pub(crate) comments: String,
    /// `code` cut into words and signs.
    pub(crate) tokens: Vec<Token>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let (code, comments) = if path.ends_with(".rs") { scan::split(text) } else { Default::default() };
        let tokens = scan::tokens(&code);
        Source { path: path.to_owned(), text: text.to_owned(), code, comments, tokens }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The crate's folder and the path inside it, for what lies under `crates/`.
    pub(crate) fn in_crate(&self) -> Option<(&str, &str)> {
        self.path.strip_prefix("crates/")?.split_once('/')
    }

    pub(crate) fn violation(&self, line: usize, rule: &'static str, advice: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, rule, advice: advice.into() }
    }
}

/// A broken rule: where, which, and what to do.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) path: String,
    /// Counted from one.
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    {}", self.path, self.line, self.rule, self.advice)
    }
}

/// Every file of the repository this test was built from.
pub(crate) fn repository() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = listed_by_git(&root).unwrap_or_else(|| walked(&root));
    paths.sort();
    paths.iter().filter(|path| root.join(path).is_file()).map(|path| read(&root, path)).collect()
}

fn read(root: &Path, path: &str) -> Source {
    let is_text = [".rs", ".toml", ".md"].iter().any(|end| path.ends_with(end));
    let text = if is_text { fs::read_to_string(root.join(path)) } else { Ok(String::new()) };
    Source::new(path, &text.unwrap_or_else(|error| panic!("cannot read {path}: {error}")))
}

/// `None` when there is no git, or when the root is not the top of a checkout.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).ok()?;
    Some(list.split_terminator('\0').map(str::to_owned).collect())
}

fn walked(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root.join(&folder)).expect("the folders of the repository can be read");
        for entry in entries {
            let entry = entry.expect("the folders of the repository can be read");
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder {
                found.push(path.to_string_lossy().replace('\\', "/"));
            } else if entry.file_name() != "target" && entry.file_name() != ".git" {
                folders.push(path);
            }
        }
    }
    found
}

/// Holds a rule against files planted in memory and tells where it saw a violation, as `path:line`.
pub(crate) fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    rule(&sources).iter().map(|violation| format!("{}:{}", violation.path, violation.line)).collect()
}

#[test]
fn walking_finds_what_git_lists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let walked = walked(&root);
    for path in listed_by_git(&root).unwrap_or_default() {
        assert!(walked.contains(&path) || !root.join(&path).is_file(), "{path} is not found without git");
    }
}

#[test]
fn a_violation_says_file_line_rule_and_what_to_do() {
    let source = Source::new("a/b.rs", "");
    let said = source.violation(7, "no such thing", "take it out").to_string();
    assert_eq!(said, "a/b.rs:7: no such thing\n    take it out");
}
