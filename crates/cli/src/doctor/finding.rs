//! A limit: what it is, what it means here, and where it will hurt what to do about it.

use serde_json::Value;

/// What was found of one limit.
#[derive(Debug)]
pub(super) struct Finding {
    /// Its name, in the report and in JSON, where blanks are underscores.
    pub(super) name: &'static str,
    /// What it is. `None` where the system does not tell.
    pub(super) value: Option<Told>,
    /// What it means for switchboard, in a few words.
    pub(super) meaning: String,
    /// If it will hurt.
    pub(super) hint: Option<Hint>,
}

/// A value, for people and for programs.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) text: String,
    pub(super) json: Value,
}

/// What will happen, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) effect: String,
    /// A command, or what else there is to do.
    pub(super) remedy: String,
}

impl Finding {
    /// Of a value that the system does not tell.
    pub(super) fn untold(name: &'static str, meaning: &str) -> Self {
        Self { name, value: None, meaning: meaning.to_owned(), hint: None }
    }

    /// The name as a key of JSON.
    pub(super) fn key(&self) -> String {
        self.name.replace(' ', "_")
    }
}

/// A limit that there may not be, for people.
pub(super) fn limit_text(limit: Option<u64>) -> String {
    limit.map_or_else(|| UNLIMITED.to_owned(), |limit| limit.to_string())
}

/// The same for programs: a number, or `"unlimited"`.
pub(super) fn limit_json(limit: Option<u64>) -> Value {
    limit.map_or_else(|| UNLIMITED.into(), Into::into)
}

const UNLIMITED: &str = "unlimited";
