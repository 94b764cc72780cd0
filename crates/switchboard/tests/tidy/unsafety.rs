//! `unsafe` lives in two small crates, and says there, each time, why it is safe.
//!
//! What is built only to be measured, in `bench/`, may have some as well, since the bare loops and the peers' interfaces are
//! what they are; there, too, each says why.

use crate::scan::Token;
use crate::source::{Source, Violation};

const PLACE: &str = "`unsafe` lives in crates/selector, crates/ring and bench only";
const REASON: &str = "every `unsafe` says why it is safe";
const FORBID: &str = "every crate but selector and ring forbids `unsafe`";

/// The roots that must be there and forbid it; other roots must if they exist.
const ROOTS: [&str; 2] = ["crates/switchboard/src/lib.rs", "crates/cli/src/main.rs"];

pub(crate) fn unsafe_has_its_place(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !may_be_unsafe(source)) {
        for token in source.tokens.iter().filter(|token| token.is("unsafe")) {
            let advice = "use the safe interface of selector, ring, rustix or socket2, or add one there";
            violations.push(source.violation(token.line, PLACE, advice));
        }
    }
    violations
}

pub(crate) fn unsafe_is_explained(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && may_be_unsafe(source)) {
        let code: Vec<&str> = source.code.lines().map(str::trim).collect();
        let comments: Vec<&str> = source.comments.lines().map(str::trim).collect();
        for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| token.is("unsafe")) {
            let is_contract = declares(&source.tokens, at + 1);
            let says_why =
                |text: &str| text.contains("SAFETY:") || (is_contract && text.contains("# Safety"));
            if !names_a_type(&source.tokens, at) && !explained(&code, &comments, token.line - 1, says_why) {
                let advice = "write `// SAFETY: …` directly above: what must hold, and why it does";
                violations.push(source.violation(token.line, REASON, advice));
            }
        }
    }
    violations
}

pub(crate) fn other_crates_forbid_unsafe(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let missing = ROOTS.iter().filter(|root| !sources.iter().any(|source| source.path == **root));
    violations.extend(missing.map(|root| Source::new(root, "").violation(1, FORBID, "the file is missing")));
    for source in sources.iter().filter(|source| is_root(source) && !may_be_unsafe(source)) {
        let words: Vec<&str> = source.tokens.iter().map(|token| token.text.as_str()).collect();
        let forbids = ["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"];
        if !words.windows(forbids.len()).any(|window| window == forbids) {
            violations.push(source.violation(
                1,
                FORBID,
                "add `#![forbid(unsafe_code)]` below the opening comment",
            ));
        }
    }
    violations
}

fn may_be_unsafe(source: &Source) -> bool {
    matches!(source.in_crate(), Some(("selector" | "ring", _))) || source.path.starts_with("bench/")
}

fn is_root(source: &Source) -> bool {
    let Some((_, inner)) = source.in_crate() else { return false };
    matches!(inner, "src/lib.rs" | "src/main.rs") || inner.starts_with("src/bin/")
}

/// `unsafe fn(…)` and `unsafe extern "C" fn(…)` are types: nothing happens there.
fn names_a_type(tokens: &[Token], at: usize) -> bool {
    let after = past_extern(tokens, at + 1);
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
    is(after, "fn") && is(after + 1, "(")
}

/// `unsafe fn` and `unsafe trait` make a contract, whose customary heading is `# Safety`.
fn declares(tokens: &[Token], after: usize) -> bool {
    tokens.get(past_extern(tokens, after)).is_some_and(|next| next.is("fn") || next.is("trait"))
}

fn past_extern(tokens: &[Token], at: usize) -> usize {
    let in_extern = |token: &&Token| token.is("extern") || token.is("\"");
    at + tokens.iter().skip(at).take_while(in_extern).count()
}

/// Looks on the line itself, then upwards through comments, attributes and the lines the statement began on.
fn explained(code: &[&str], comments: &[&str], line: usize, says_why: impl Fn(&str) -> bool) -> bool {
    if says_why(comments[line]) {
        return true;
    }
    for above in (0..line).rev() {
        let is_blank = code[above].is_empty() && comments[above].is_empty();
        let ends_something = code[above].ends_with([';', '{', '}', ',']);
        if is_blank || ends_something {
            return false;
        } else if says_why(comments[above]) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::found;

    #[test]
    fn unsafe_outside_its_crates_is_found() {
        for path in [
            "crates/switchboard/src/a.rs",
            "crates/switchboard/tests/a.rs",
            "crates/cli/src/a.rs",
            "examples/a.rs",
        ] {
            let text = "\n// SAFETY: no reason helps here.\nfn f() { unsafe { g() } }";
            assert_eq!(found(unsafe_has_its_place, &[(path, text)]), [format!("{path}:3")]);
        }
    }

    #[test]
    fn unsafe_in_words_is_not_unsafe() {
        let text = "//! unsafe\n#![forbid(unsafe_code)]\nfn f() { \"unsafe\"; r#\"unsafe {}\"# } // unsafe";
        assert_eq!(found(unsafe_has_its_place, &[("crates/cli/src/a.rs", text)]), [""; 0]);
        assert_eq!(found(unsafe_has_its_place, &[("crates/ring/tests/a.rs", "unsafe {}")]), [""; 0]);
    }

    #[test]
    fn unsafe_in_what_is_only_measured_must_say_why_too() {
        let path = "bench/floor/src/main.rs";
        assert_eq!(found(unsafe_has_its_place, &[(path, "unsafe {}")]), [""; 0]);
        assert_eq!(found(unsafe_is_explained, &[(path, "unsafe { f() }")]), [format!("{path}:1")]);
    }

    #[test]
    fn unsafe_without_a_reason_is_found() {
        for text in [
            "unsafe { f() }",
            "unsafe impl Send for X {}",
            "unsafe fn f() {}",
            "// SAFETY: too far away.\n\nunsafe { f() }",
            "// SAFETY: for the one before.\nunsafe { f() };\nunsafe { g() }",
            "// no reason\nlet x =\n    unsafe { f() };",
            "/// # Safety\nunsafe { f() }",
            "say(\"SAFETY: \"); unsafe { f() }",
        ] {
            let path = "crates/selector/tests/a.rs";
            let expected = format!("{path}:{}", text.lines().count());
            assert_eq!(found(unsafe_is_explained, &[(path, text)]), [expected], "in `{text}`");
        }
    }

    #[test]
    fn unsafe_with_a_reason_is_fine() {
        for text in [
            "// SAFETY: x.\nunsafe { f() }",
            "unsafe { f() } // SAFETY: x.",
            "// SAFETY: x,\n// and y.\n#[inline]\nunsafe fn f() {}",
            "// SAFETY: x.\nlet x =\n    unsafe { f() };",
            "/// F.\n///\n/// # Safety\n///\n/// x.\npub unsafe extern \"C\" fn f() {}",
            "struct X { f: unsafe fn(u8), g: Option<unsafe extern \"C\" fn()> }",
        ] {
            assert_eq!(found(unsafe_is_explained, &[("crates/ring/src/a.rs", text)]), [""; 0], "in `{text}`");
        }
    }

    #[test]
    fn a_crate_that_does_not_forbid_unsafe_is_found() {
        let forbids = "//! A.\n#![forbid(unsafe_code)]";
        let planted = [(ROOTS[0], "//! A.\n// #![forbid(unsafe_code)]"), (ROOTS[1], forbids)];
        assert_eq!(found(other_crates_forbid_unsafe, &planted), [format!("{}:1", ROOTS[0])]);
        assert_eq!(found(other_crates_forbid_unsafe, &[(ROOTS[0], forbids)]), [format!("{}:1", ROOTS[1])]);
        let others = [
            (ROOTS[0], forbids),
            (ROOTS[1], forbids),
            ("crates/ring/src/lib.rs", ""),
            ("crates/x/src/lib.rs", ""),
        ];
        assert_eq!(found(other_crates_forbid_unsafe, &others), ["crates/x/src/lib.rs:1"]);
    }
}
