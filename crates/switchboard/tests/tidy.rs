//! The house rules, as a plain test: it reads the repository's own sources and says where one is broken.
//!
//! Every rule is a function from the sources to the violations found in them. So each can be held against the
//! repository (here) and against a violation planted in memory (beside the rule, in `tidy/`): a rule that
//! finds nothing anywhere would be no rule. The rules need no compiler, only the scanner of `tidy/scan.rs`.

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/map.rs"]
mod map;
#[path = "tidy/places.rs"]
mod places;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/scan_tests.rs"]
mod scan_tests;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/unsafety.rs"]
mod unsafety;

use source::{Rule, repository};

#[test]
fn the_sources_of_this_repository_are_found() {
    let sources = repository();
    for path in ["Cargo.toml", "crates/switchboard/src/lib.rs", "crates/switchboard/tests/tidy.rs"] {
        let found = sources.iter().find(|source| source.path == path);
        assert!(found.is_some_and(|source| !source.text.is_empty()), "{path} is not among the files read");
    }
}

#[test]
fn no_module_imports_a_layer_to_its_left() {
    hold(imports::layers_point_one_way);
}

#[test]
fn no_crate_depends_on_a_crate_to_its_left() {
    hold(imports::manifests_point_one_way);
}

#[test]
fn no_crate_names_a_crate_to_its_left() {
    hold(imports::crates_point_one_way);
}

#[test]
fn unsafe_lives_in_selector_and_ring_only() {
    hold(unsafety::unsafe_has_its_place);
}

#[test]
fn every_unsafe_says_why_it_is_safe() {
    hold(unsafety::unsafe_is_explained);
}

#[test]
fn every_other_crate_forbids_unsafe() {
    hold(unsafety::other_crates_forbid_unsafe);
}

#[test]
fn systems_are_told_apart_in_selector_and_ring_by_whole_files_only() {
    hold(places::systems_have_their_place);
}

#[test]
fn the_clock_threads_and_randomness_are_touched_by_engines_only() {
    hold(places::the_world_has_its_place);
}

#[test]
fn no_file_is_longer_than_its_limit() {
    hold(shape::files_are_short);
}

#[test]
fn no_function_is_longer_than_its_limit() {
    hold(shape::functions_are_short);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    hold(shape::files_open_with_words);
}

#[test]
fn nothing_is_left_to_do() {
    hold(shape::nothing_is_left_undone);
}

#[test]
fn every_file_is_on_the_map() {
    hold(map::files_are_on_the_map);
}

#[test]
fn everything_on_the_map_exists() {
    hold(map::the_map_is_true);
}

/// Holds a rule against the repository, and fails with every violation at once.
fn hold(rule: Rule) {
    let violations = rule(&repository());
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} violations of the house rules:\n\n{}\n", list.len(), list.join("\n"));
}
