//! Imports point one way: a layer may use the layers to its right, never one to its left.
//!
//! cli → testing → sim → server → net → task → event_loop → engine → selector, ring. Inside the runtime a layer is a top-level
//! module; `lib.rs` is the front door and may name them all, so a layer may not come in through it: it would
//! see what stands to its left. A module or crate that has no place yet is a violation, not an exception.

use crate::scan::PathUse;
use crate::source::{Source, Violation};

/// The modules of `crates/switchboard/src`, the rightmost layer first.
const LAYERS: [&str; 7] = ["engine", "event_loop", "task", "net", "server", "sim", "testing"];

/// The crates: folder, name, and the crates of ours that stand to the right of it.
const CRATES: [(&str, &str, &[&str]); 5] = [
    ("selector", "switchboard-selector", &[]),
    ("ring", "switchboard-ring", &[]),
    ("macros", "switchboard-macros", &[]),
    ("switchboard", "switchboard", &["switchboard-selector", "switchboard-ring", "switchboard-macros"]),
    (
        "cli",
        "switchboard-cli",
        &["switchboard", "switchboard-selector", "switchboard-ring", "switchboard-macros"],
    ),
];

const ONE_WAY: &str =
    "imports point one way: cli, testing, sim, server, net, task, event_loop, engine, then selector and ring";

/// Inside the runtime: `crate::…` and `super::…` paths never lead to a layer further left.
pub(crate) fn layers_point_one_way(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let Some(module) = runtime_module(source).filter(|module| !module.is_empty()) else { continue };
        let Some(own) = LAYERS.iter().position(|layer| *layer == module[0]) else {
            let advice = format!(
                "`{}` is no layer yet: give it its place in LAYERS in tests/tidy/imports.rs",
                module[0]
            );
            violations.push(source.violation(1, ONE_WAY, advice));
            continue;
        };
        for path in crate::scan::paths(&source.tokens) {
            if let Some(advice) = wrong_way(&module, own, &path) {
                violations.push(source.violation(path.line, ONE_WAY, advice));
            }
        }
    }
    violations
}

/// The module path of a file of the runtime: empty for `lib.rs`, `None` for files elsewhere.
fn runtime_module(source: &Source) -> Option<Vec<String>> {
    let inner = source.path.strip_prefix("crates/switchboard/src/")?.strip_suffix(".rs")?;
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(inner, "lib" | "main") || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    Some(module)
}

/// What is wrong with a path that stands in `module` of layer number `own`.
fn wrong_way(module: &[String], own: usize, path: &PathUse) -> Option<String> {
    let target = from_the_root(module, path)?;
    let first = target.first()?.as_str();
    let written = path.segments.join("::");
    match LAYERS.iter().position(|layer| *layer == first) {
        Some(layer) if layer <= own => None,
        Some(_) => {
            let own = LAYERS[own];
            Some(format!(
                "`{written}`: {first} stands to the left of {own}; hand {own} what it needs instead"
            ))
        }
        None => Some(format!("`{written}` comes in by the front door: name the module it is defined in")),
    }
}

/// A path as seen from the root of the runtime; `None` for one that leads to another crate, or stays inside.
fn from_the_root(module: &[String], path: &PathUse) -> Option<Vec<String>> {
    let segments = &path.segments;
    if matches!(segments.first()?.as_str(), "crate" | "switchboard") {
        return Some(segments[1..].to_vec());
    }
    let ups = segments.iter().take_while(|segment| matches!(segment.as_str(), "self" | "super")).count();
    if ups == 0 {
        return None;
    }
    let mut target: Vec<String> = module.iter().chain(&path.inside).cloned().collect();
    for _ in segments[..ups].iter().filter(|segment| *segment == "super") {
        target.pop();
    }
    target.extend_from_slice(&segments[ups..]);
    Some(target)
}

/// Between crates, as written in the sources: `switchboard::…` in the selector, and the like.
pub(crate) fn crates_point_one_way(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some((folder, _)) = source.in_crate() else { continue };
        // The macros write code for the runtime's users: they name it without depending on it.
        let Some(hidden) = hidden_from(folder).filter(|_| folder != "macros") else { continue };
        for path in crate::scan::paths(&source.tokens).iter().filter(|path| path.segments.len() > 1) {
            let first = path.segments[0].replace('_', "-");
            if hidden.contains(&first.as_str()) {
                let advice = format!("`{}`: {folder} must do without {first}", path.segments.join("::"));
                violations.push(source.violation(path.line, ONE_WAY, advice));
            }
        }
    }
    violations
}

/// Between crates, as declared: no dependency of any kind on a crate further left.
pub(crate) fn manifests_point_one_way(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        let Some((folder, "Cargo.toml")) = source.in_crate() else { continue };
        let Some(hidden) = hidden_from(folder) else {
            let advice = format!("{folder} has no place yet: give it one in CRATES in tests/tidy/imports.rs");
            violations.push(source.violation(1, ONE_WAY, advice));
            continue;
        };
        for (line, name) in dependencies(&source.text) {
            if hidden.contains(&name) {
                let advice = format!("{folder} must do without {name}: take the dependency out");
                violations.push(source.violation(line, ONE_WAY, advice));
            }
        }
    }
    violations
}

/// The crates of ours that a crate may not use: all but itself and those to its right.
fn hidden_from(folder: &str) -> Option<Vec<&'static str>> {
    let (_, own, right) = CRATES.iter().find(|(known, ..)| *known == folder)?;
    let names = CRATES.iter().map(|(_, name, _)| *name);
    Some(names.filter(|name| name != own && !right.contains(name)).collect())
}

/// Line and name of each dependency in a manifest: keys, tables of their own, and `package = "…"`.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for (index, text) in manifest.lines().enumerate() {
        let text = text.split('#').next().unwrap_or_default().trim();
        if let Some(table) = text.strip_prefix('[') {
            let table = table.trim_matches(['[', ']']);
            in_dependencies = table.contains("dependencies");
            let name = table.rsplit('.').next().unwrap_or_default();
            if in_dependencies && !name.ends_with("dependencies") {
                found.push((index + 1, name.trim_matches('"')));
            }
        } else if in_dependencies && !text.is_empty() {
            let key = text.split(['.', '=', ' ']).next().unwrap_or_default();
            found.push((index + 1, key.trim_matches('"')));
            let renamed = text.split("package").nth(1).and_then(|rest| rest.split('"').nth(1));
            found.extend(renamed.map(|name| (index + 1, name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::found;

    const ENGINE: &str = "crates/switchboard/src/engine/lane.rs";

    #[test]
    fn a_layer_to_the_left_is_found_however_it_is_written() {
        for text in [
            "use crate::event_loop::Turn;",
            "use crate::{engine::Op, event_loop::{timers::Turn}};",
            "use super::super::event_loop::Turn;",
            "use super::super::{event_loop};",
            "fn f() { crate::event_loop::turn() }",
            "fn f(x: &dyn crate::task::Wake) {}",
            "mod tests { use super::super::super::net::Tcp; }",
            "mod a { mod b { use super::super::super::super::net::Tcp; } }",
            "use switchboard::server::Server;",
            "macro_rules! m { () => { $crate::net::x() } }",
        ] {
            let seen = found(layers_point_one_way, &[(ENGINE, text)]);
            assert_eq!(seen, [format!("{ENGINE}:1")], "in `{text}`");
        }
    }

    #[test]
    fn a_layer_to_the_right_and_its_own_are_welcome() {
        let own = "use crate::engine::Op; use super::{super::engine, Done}; pub(crate) fn f() {} pub(super) fn g() {}";
        assert_eq!(found(layers_point_one_way, &[(ENGINE, own)]), [""; 0]);
        let right = "use crate::engine::Op; use super::engine; use switchboard_selector::Selector;";
        assert_eq!(found(layers_point_one_way, &[("crates/switchboard/src/event_loop.rs", right)]), [""; 0]);
        let words = "//! See `crate::server`.\nfn f() { say(\"crate::server::x\") } // crate::server::x";
        assert_eq!(found(layers_point_one_way, &[(ENGINE, words)]), [""; 0]);
    }

    #[test]
    fn the_front_door_is_no_way_around() {
        for text in ["use crate::Server;", "use crate::*;", "use super::super::Server;"] {
            assert_eq!(found(layers_point_one_way, &[(ENGINE, text)]).len(), 1, "in `{text}`");
        }
        let all = "pub use server::Server; pub use crate::net::Tcp;";
        assert_eq!(found(layers_point_one_way, &[("crates/switchboard/src/lib.rs", all)]), [""; 0]);
    }

    #[test]
    fn a_module_without_a_place_is_found() {
        let path = "crates/switchboard/src/misc/a.rs";
        assert_eq!(found(layers_point_one_way, &[(path, "")]), [format!("{path}:1")]);
    }

    #[test]
    fn a_crate_to_the_left_is_found_in_the_sources() {
        let planted = [
            ("crates/selector/src/a.rs", "\nuse switchboard::engine::Op;"),
            ("crates/selector/tests/b.rs", "fn f() { switchboard_ring::g() }"),
            ("crates/switchboard/tests/c.rs", "use switchboard_cli::x;"),
            ("crates/switchboard/tests/d.rs", "use switchboard::x; use switchboard_selector::y;"),
        ];
        let expected =
            ["crates/selector/src/a.rs:2", "crates/selector/tests/b.rs:1", "crates/switchboard/tests/c.rs:1"];
        assert_eq!(found(crates_point_one_way, &planted), expected);
    }

    #[test]
    fn a_crate_to_the_left_is_found_in_a_manifest() {
        let planted = [
            ("crates/selector/Cargo.toml", "[dependencies]\nlibc = \"1\"\nswitchboard.workspace = true"),
            (
                "crates/ring/Cargo.toml",
                "[dev-dependencies]\nx = { package = \"switchboard\", version = \"1\" }",
            ),
            (
                "crates/switchboard/Cargo.toml",
                "[target.'cfg(unix)'.dependencies.switchboard-cli]\npath = \"../cli\"",
            ),
            ("crates/cli/Cargo.toml", "[dependencies]\nswitchboard = { path = \"../switchboard\" }"),
            ("crates/new/Cargo.toml", ""),
        ];
        let expected = [
            "crates/selector/Cargo.toml:3",
            "crates/ring/Cargo.toml:2",
            "crates/switchboard/Cargo.toml:1",
            "crates/new/Cargo.toml:1",
        ];
        assert_eq!(found(manifests_point_one_way, &planted), expected);
    }

    #[test]
    fn a_package_of_its_own_name_is_no_dependency() {
        let text =
            "[package]\nname = \"switchboard-selector\"\n[dependencies]\nrustix = \"1\" # not switchboard";
        assert_eq!(found(manifests_point_one_way, &[("crates/selector/Cargo.toml", text)]), [""; 0]);
    }
}
