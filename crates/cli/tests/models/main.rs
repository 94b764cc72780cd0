//! Every model of `switchboard serve`, and every behaviour that all of them share: one body each, run on each model.
//!
//! The models and what each claims stand in `table.rs`; a test is called `behaviour::model`. Nothing is left out in
//! silence: a model that the command knows and the table does not fails a test, and so does the reverse.
#![expect(
    clippy::disallowed_methods,
    reason = "a test stands outside the runtime and has clocks and threads"
)]

#[path = "../server/mod.rs"]
mod server;
#[macro_use]
mod table;

mod drain;
mod echo;
mod faults;
mod input;
mod leaving;
mod limits;
mod listening;
mod services;

use std::collections::BTreeSet;

use server::{run_to_end, switchboard};
use table::MODELS;

#[test]
fn the_table_names_the_models_that_the_command_knows_and_no_others() {
    let ended = run_to_end(switchboard(&["serve", "--model", "tea"]));
    let (_, names) = ended.stderr.trim_end().split_once("; give one of ").expect("it says which there are");
    let known: BTreeSet<_> = names.split(", ").collect();
    let tested: BTreeSet<_> = MODELS.iter().map(|(_, model)| model.name).collect();
    assert_eq!(known, tested);

    let help = run_to_end(switchboard(&["serve", "--help"])).stdout;
    let (_, after) = help.split_once("--model <MODEL>").expect("the help names the option");
    let (told, _) = after.split_once("[default: ").expect("which has a default");
    for name in known {
        assert!(told.contains(name), "--help does not tell what {name} is: {told}");
    }
}

#[test]
fn an_option_that_means_nothing_to_a_model_is_wrong_use() {
    for (_, model) in MODELS {
        let refused = [
            (model.engine.is_none(), ["--engine", "poll"]),
            (model.engine.is_none(), ["--threads", "2"]),
            (!model.polls, ["--pause", "10ms"]),
        ];
        for (_, [option, value]) in refused.into_iter().filter(|(is_refused, _)| *is_refused) {
            let arguments = ["serve", "--listen", "127.0.0.1:0", "--model", model.name, option, value];
            let ended = run_to_end(switchboard(&arguments));
            let said = format!("error: {option}");
            assert!(ended.stderr.starts_with(&said), "{}: {}", model.name, ended.stderr);
            assert!(ended.stderr.contains(&format!("the model {} ", model.name)), "{}", ended.stderr);
            assert_eq!((ended.stderr.lines().count(), ended.code), (1, Some(2)), "{}", ended.stderr);
        }
    }
}
