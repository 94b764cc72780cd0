//! The scanner, tried on what is hard to scan.

use crate::scan::{Function, functions, paths, split, tokens};

/// The code of a text, with runs of blanks made one.
fn code(text: &str) -> String {
    split(text).0.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn comments(text: &str) -> String {
    split(text).1.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn spelled(text: &str) -> Vec<String> {
    paths(&tokens(&split(text).0)).iter().map(|path| path.segments.join("::")).collect()
}

fn measured(text: &str) -> Vec<(String, usize)> {
    let found = functions(&tokens(&split(text).0));
    found.into_iter().map(|Function { name, first, last }| (name, last - first + 1)).collect()
}

#[test]
fn comments_are_not_code() {
    assert_eq!(code("a // b\nc"), "a c");
    assert_eq!(comments("a // b\nc /* d */ e"), "// b /* d */");
    assert_eq!(code("a /* b /* c */ d */ e"), "a e");
    assert_eq!(code("a /*/ b */ c"), "a c");
    assert_eq!(code("a /**/ b"), "a b");
}

#[test]
fn strings_are_empty_and_end_where_they_end() {
    assert_eq!(code(r#"f("// no comment { \" \\") }"#), r#"f(" ") }"#);
    assert_eq!(code("f(r\"\\\") }"), "f( \" \") }");
    assert_eq!(code("f(r##\"a \"# b\"##) }"), "f( \" \" ) }");
    assert_eq!(code("f(br#\"\"\"#) }"), "f(b \" \" ) }");
    assert_eq!(code("f(b\"\\\"\", c\"}\") }"), "f(b\" \", c\" \") }");
    assert_eq!(comments("f(\"// no comment\")"), "");
}

#[test]
fn a_word_that_ends_in_r_before_a_string_is_no_raw_string() {
    assert_eq!(code("for\"\\\" {\" }"), "for\" \" }");
}

#[test]
fn characters_are_told_from_lifetimes() {
    assert_eq!(code("m('{', '\\'', '\\\\', '\"', b'}', '\\u{7d}') }"), "m( , , , , b , ) }");
    assert_eq!(code("fn f<'a>(x: &'a str) -> &'static str {}"), "fn f<'a>(x: &'a str) -> &'static str {}");
    assert_eq!(code("'next: loop { break 'next }"), "'next: loop { break 'next }");
    assert_eq!(code("('a', 'b')"), "( , )");
}

#[test]
fn line_numbers_survive_what_spans_lines() {
    let text = "/* \n */ \"\n\n\" r#\"\n\"# x";
    let found = tokens(&split(text).0);
    assert_eq!(found.last().map(|token| (token.text.as_str(), token.line)), Some(("x", 5)));
    assert_eq!(split(text).0.chars().count(), text.chars().count());
    assert_eq!(split(text).1.chars().count(), text.chars().count());
}

#[test]
fn raw_identifiers_are_words_of_their_own() {
    assert_eq!(measured("let r#fn = 1; {}"), []);
}

#[test]
fn use_trees_are_spelled_out() {
    assert_eq!(
        spelled("use crate::{a, b::{c as d, self}, e::*};"),
        ["use", "crate::a", "crate::b::c", "crate::b::self", "crate::e::*"]
    );
    assert_eq!(spelled("use {a::b, ::c::d};"), ["use", "a::b", "c::d"]);
}

#[test]
fn paths_in_expressions_and_types_are_found() {
    assert_eq!(spelled("crate::a::f::<u8>(super::B)"), ["crate::a::f", "u8", "super::B"]);
    assert_eq!(spelled("x: &dyn crate::net::T"), ["x", "dyn", "crate::net::T"]);
}

#[test]
fn inline_modules_are_followed() {
    let found = paths(&tokens("mod a { mod b { x } y } z"));
    let inside: Vec<String> = found.iter().map(|path| path.inside.join("/")).collect();
    assert_eq!(inside, ["a/b", "a", ""]);
}

#[test]
fn functions_are_measured_from_fn_to_the_closing_brace() {
    assert_eq!(measured("fn a() {\n}\n"), [("a".to_owned(), 2)]);
    assert_eq!(measured("pub fn b(\n x: [u8; 4],\n) -> [u8; 4]\nwhere\n X: Y,\n{\n}"), [("b".to_owned(), 7)]);
    let text = "fn c<'a>() -> &'a str {\n let a = '{';\n let b = \"{{\"; // {\n r#\"{\"#\n}\nfn d() {}";
    assert_eq!(measured(text), [("c".to_owned(), 5), ("d".to_owned(), 1)]);
}

#[test]
fn what_has_no_body_is_no_function() {
    assert_eq!(
        measured("trait T { fn a(&self) -> [u8; 2]; } type F = fn(u8) -> u8; struct S { f: fn() }"),
        []
    );
    assert_eq!(measured("macro_rules! m { (fn $n:ident()) => { } }"), []);
}

#[test]
fn functions_inside_functions_are_found_too() {
    assert_eq!(measured("fn a() {\n fn b() {\n }\n}"), [("a".to_owned(), 4), ("b".to_owned(), 2)]);
}
