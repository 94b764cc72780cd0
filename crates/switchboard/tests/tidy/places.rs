//! What may be touched only in its place: differences between systems, and the world outside the program.
//!
//! A `cfg` on the system chooses between whole files of the selector and the ring, so that everything above
//! is the same text on every system. The clock, threads and randomness are the engines', so that everything
//! above can run on a simulated one.

use crate::scan::{self, Token};
use crate::source::{Source, Violation};

const SYSTEM: &str =
    "systems are told apart in crates/selector and crates/ring only, and there by whole files";
const WORLD: &str = "the clock, threads and randomness are touched by engines only";

/// The words of a `cfg` that tell systems apart.
const SYSTEM_WORDS: [&str; 7] =
    ["target_os", "target_family", "target_vendor", "target_env", "target_abi", "unix", "windows"];

/// Pairs of neighbours in a path that touch the world.
const WORLD_PAIRS: [(&str, &str); 6] = [
    ("Instant", "now"),
    ("SystemTime", "now"),
    ("thread", "spawn"),
    ("thread", "Builder"),
    ("thread", "scope"),
    ("thread", "sleep"),
];

/// Words that touch the world wherever they stand in a path.
const WORLD_WORDS: [&str; 2] = ["RandomState", "getrandom"];

/// `cfg(target_os = …)`, `cfg(unix)` and the like: in their crates only, before `mod x;`, before `use`, or as
/// an inner attribute at the start of a file.
pub(crate) fn systems_have_their_place(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let at_home = matches!(source.in_crate(), Some(("selector" | "ring", _)));
        for at in system_conditions(&source.tokens) {
            let advice = if !at_home {
                "move what differs into crates/selector or crates/ring, behind one shape"
            } else if !chooses_a_file(&source.tokens, at) {
                "put what differs into a file of its own and choose it with this condition before `mod` or `use`"
            } else {
                continue;
            };
            violations.push(source.violation(source.tokens[at].line, SYSTEM, advice));
        }
    }
    violations
}

/// Where `cfg` or `cfg_attr` stands, in any form, with a condition on the system.
fn system_conditions(tokens: &[Token]) -> Vec<usize> {
    let on_the_system = |at: &usize| {
        let open = if tokens.get(at + 1).is_some_and(|next| next.is("!")) { at + 2 } else { at + 1 };
        if !tokens.get(open).is_some_and(|next| next.is("(")) {
            return false;
        }
        let condition = &tokens[open..=scan::closing(tokens, open)];
        condition.iter().any(|word| SYSTEM_WORDS.contains(&word.text.as_str()))
    };
    let named = |at: &usize| tokens[*at].is("cfg") || tokens[*at].is("cfg_attr");
    (0..tokens.len()).filter(named).filter(on_the_system).collect()
}

fn chooses_a_file(tokens: &[Token], cfg: usize) -> bool {
    let signs_before: String =
        tokens[cfg.saturating_sub(3)..cfg].iter().map(|token| token.text.as_str()).collect();
    if signs_before.ends_with("#![") {
        only_inner_attributes(&tokens[..cfg - 3])
    } else if signs_before.ends_with("#[") {
        let after = past_attributes(tokens, cfg - 2);
        let item = past_visibility(tokens, after);
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
        is(item, "use") || (is(item, "mod") && is(item + 2, ";"))
    } else {
        false // `cfg!(…)`, or inside another attribute
    }
}

fn only_inner_attributes(tokens: &[Token]) -> bool {
    let mut at = 0;
    while at < tokens.len() {
        let opens = tokens[at].is("#") && tokens.get(at + 1).is_some_and(|next| next.is("!"));
        if !opens {
            return false;
        }
        at = scan::closing(tokens, at + 2) + 1;
    }
    true
}

fn past_attributes(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.is("#")) {
        at = scan::closing(tokens, at + 1) + 1;
    }
    at
}

fn past_visibility(tokens: &[Token], at: usize) -> usize {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
    match (is(at, "pub"), is(at + 1, "(")) {
        (true, true) => scan::closing(tokens, at + 1) + 1,
        (true, false) => at + 1,
        _ => at,
    }
}

/// In the runtime, only `engine` reads the clock, starts threads, sleeps, or draws random numbers.
pub(crate) fn the_world_has_its_place(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some(inner) = source.path.strip_prefix("crates/switchboard/src/") else { continue };
        if inner == "engine.rs" || inner.starts_with("engine/") {
            continue;
        }
        for (line, what) in touches_of_the_world(&source.tokens) {
            let advice = format!("`{what}`: ask the engine: `now`, `clock`, `random`, `wait`, `Op::Call`");
            violations.push(source.violation(line, WORLD, advice));
        }
    }
    violations
}

fn touches_of_the_world(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for path in scan::paths(tokens) {
        let pair = path.segments.windows(2).any(|two| WORLD_PAIRS.contains(&(&two[0], &two[1])));
        let word = path.segments.iter().any(|segment| WORLD_WORDS.contains(&segment.as_str()));
        if pair || word {
            found.push((path.line, path.segments.join("::")));
        }
    }
    for three in tokens.windows(3) {
        if three[0].is(".") && three[1].is("elapsed") && three[2].is("(") {
            found.push((three[1].line, "elapsed()".to_owned())); // it reads the clock, too
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::found;

    #[test]
    fn a_condition_on_the_system_outside_its_crates_is_found() {
        for text in [
            "#[cfg(target_os = \"linux\")]\nmod a;",
            "#[cfg(unix)]\nuse a::b;",
            "#[cfg(not(windows))]\nfn f() {}",
            "#[cfg(any(test, target_os = \"linux\"))]\nmod a;",
            "#[cfg_attr(target_family = \"unix\", path = \"a.rs\")]\nmod a;",
            "#![cfg(target_os = \"linux\")]",
            "fn f() { if cfg!(unix) {} }",
        ] {
            for path in ["crates/switchboard/src/engine.rs", "crates/cli/tests/a.rs", "examples/a.rs"] {
                assert_eq!(
                    found(systems_have_their_place, &[(path, text)]),
                    [format!("{path}:1")],
                    "in `{text}`"
                );
            }
        }
    }

    #[test]
    fn a_condition_on_less_than_a_file_is_found_in_its_crates() {
        for text in [
            "#[cfg(unix)] fn f() {}",
            "#[cfg(target_os = \"linux\")] mod a { }",
            "fn f() { #[cfg(unix)] let x = 1; }",
            "fn f() { if cfg!(target_os = \"linux\") {} }",
            "use a::b; mod c { #![cfg(unix)] }",
            "impl A { #[cfg(unix)] const B: u8 = 1; }",
        ] {
            let path = "crates/selector/src/a.rs";
            assert_eq!(
                found(systems_have_their_place, &[(path, text)]),
                [format!("{path}:1")],
                "in `{text}`"
            );
        }
    }

    #[test]
    fn whole_files_may_be_chosen_in_their_crates() {
        let text = "//! A.\n#![allow(x)]\n#![cfg(unix)]\n#[cfg(unix)] mod a;\n#[cfg(target_os = \"b\")]\n#[path = \"b.rs\"]\n\
                    pub(crate) mod b;\n#[cfg(windows)] pub use c::D;\n#[cfg(test)] mod tests { fn unix() {} }\n\
                    #[cfg(feature = \"unix\")] fn f() {}";
        assert_eq!(found(systems_have_their_place, &[("crates/ring/src/lib.rs", text)]), [""; 0]);
    }

    #[test]
    fn a_touch_of_the_world_outside_the_engines_is_found() {
        for text in [
            "fn f() { Instant::now() }",
            "fn f() { x.map_or_else(std::time::Instant::now, g) }",
            "fn f() { SystemTime::now() }",
            "use std::thread::{self, spawn};",
            "fn f() { thread::Builder::new() }",
            "fn f() { std::thread::sleep(d) }",
            "fn f() { thread::scope(g) }",
            "use std::hash::RandomState;",
            "fn f() { rustix::rand::getrandom(b) }",
            "fn f() { start.elapsed() }",
        ] {
            let path = "crates/switchboard/src/event_loop/timers.rs";
            assert_eq!(found(the_world_has_its_place, &[(path, text)]), [format!("{path}:1")], "in `{text}`");
        }
    }

    #[test]
    fn engines_and_other_crates_may_touch_the_world() {
        let text = "fn f() { Instant::now(); thread::spawn(g) }";
        let planted = [
            ("crates/switchboard/src/engine.rs", text),
            ("crates/switchboard/src/engine/system/clock.rs", text),
            ("crates/switchboard/tests/laws.rs", text),
            ("crates/selector/src/bell.rs", text),
            (
                "crates/switchboard/src/net.rs",
                "//! `Instant::now()`\nfn f(engine: &E) { engine.now(); \"thread::spawn\" }",
            ),
        ];
        assert_eq!(found(the_world_has_its_place, &planted), [""; 0]);
    }
}
