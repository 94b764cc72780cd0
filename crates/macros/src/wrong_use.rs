//! Where an attribute does not belong: each error points at what has to change, and says how.

use std::fmt;

use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Signature};

use crate::function::Function;

/// Which attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Main,
    Test,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "`#[switchboard::main]`",
            Self::Test => "`#[switchboard::test]`",
        })
    }
}

pub(crate) fn no_function(name: Name) -> String {
    format!("{name} belongs on an `async fn`")
}

pub(crate) fn no_body(name: Name) -> String {
    format!("there is nothing to run: {name} needs a function with a body")
}

fn not_async(name: Name) -> String {
    format!("{name} runs a future: write `async fn`")
}

fn parameters(name: Name) -> String {
    let elsewhere = match name {
        Name::Main => " (`std::env::args` has the command line)",
        Name::Test => "",
    };
    format!("nobody is there to pass this: the function must take nothing{elsewhere}")
}

fn qualifier(name: Name) -> String {
    format!("{name} runs a plain `async fn`: take this away")
}

const GENERICS: &str = "nobody is there to choose this: the function must not be generic";
const TEST: &str = "`#[switchboard::test]` makes it a test: take this away";
const ARGUMENTS: &str = "`#[switchboard::main]` takes no arguments: the engine is chosen when the program runs (`SWITCHBOARD_ENGINE`)";

/// What stands in the brackets behind `main`: nothing.
pub(crate) struct NoArguments;

impl Parse for NoArguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() { Ok(Self) } else { Err(input.error(ARGUMENTS)) }
    }
}

/// All that is wrong with the function, at once.
pub(crate) fn check(function: &Function, name: Name) -> syn::Result<()> {
    let mut errors = errors(&function.signature, name).into_iter();
    let again = function.attribute("test").filter(|_| name == Name::Test);
    let again = again.map(|attribute| Error::new_spanned(attribute, TEST));
    let mut errors = again.into_iter().chain(&mut errors);
    let Some(mut first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| first.combine(error));
    Err(first)
}

fn errors(signature: &Signature, name: Name) -> Vec<Error> {
    let Signature { constness, asyncness, safety, abi, fn_token, generics, inputs, variadic, .. } = signature;
    let mut errors = Vec::new();
    let mut refuse = |what: &dyn ToTokens, why: String| {
        let what = what.to_token_stream();
        if !what.is_empty() {
            errors.push(Error::new_spanned(what, why));
        }
    };
    refuse(constness, qualifier(name));
    refuse(safety, qualifier(name));
    refuse(abi, qualifier(name));
    if asyncness.is_none() {
        refuse(fn_token, not_async(name));
    }
    refuse(generics, GENERICS.to_owned());
    refuse(&generics.where_clause, GENERICS.to_owned());
    refuse(inputs, parameters(name));
    refuse(variadic, parameters(name));
    errors
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    use super::*;

    /// What is said about a function, or why it is none.
    fn said(name: Name, function: &str) -> Vec<String> {
        let parsed = Function::parser(name).parse_str(function);
        let checked = parsed.and_then(|function| check(&function, name));
        let errors = checked.err().into_iter().flatten();
        errors.map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_plain_async_function_is_fine() {
        for function in [
            "async fn main() {}",
            "/// Words.\n#[cold] pub(crate) async fn serve() -> Result<(), ()> { #![allow(x)] Ok(()) }",
            "#[should_panic(expected = \"x\")] #[ignore = \"y\"] async fn works() {}",
            "async fn main() -> impl Termination { what is in here { is not parsed } }",
        ] {
            assert_eq!(said(Name::Main, function), [""; 0], "{function}");
            assert_eq!(said(Name::Test, function), [""; 0], "{function}");
        }
    }

    #[test]
    fn each_wrong_use_has_its_error() {
        for name in [Name::Main, Name::Test] {
            for (function, error) in [
                ("fn main() {}", not_async(name)),
                ("async fn main(arguments: Vec<String>) {}", parameters(name)),
                ("async fn main(&self) {}", parameters(name)),
                ("async fn main<T>() {}", GENERICS.to_owned()),
                ("async fn main<'a>() {}", GENERICS.to_owned()),
                ("async fn main() where u8: Copy {}", GENERICS.to_owned()),
                ("async unsafe fn main() {}", qualifier(name)),
                ("async extern \"C\" fn main() {}", qualifier(name)),
                ("const async fn main() {}", qualifier(name)),
                ("async fn main();", no_body(name)),
                ("struct Main;", no_function(name)),
                ("#[derive(Debug)] pub enum Main {}", no_function(name)),
                ("const MAIN: fn() = main;", no_function(name)),
                ("impl Main { async fn main() {} }", no_function(name)),
            ] {
                assert_eq!(said(name, function), [error], "{function}");
            }
        }
        assert_eq!(said(Name::Test, "#[test] async fn works() {}"), [TEST]);
        assert_eq!(said(Name::Main, "#[test] async fn works() {}"), [""; 0]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let name = Name::Main;
        let all = [qualifier(name), not_async(name), GENERICS.to_owned(), parameters(name)];
        assert_eq!(said(name, "unsafe fn main<T>(t: T) {}"), all);
    }

    #[test]
    fn arguments_are_refused() {
        assert!(syn::parse_str::<NoArguments>("").is_ok());
        for arguments in ["engine = \"poll\"", "threads", "1, 2"] {
            let refused = syn::parse_str::<NoArguments>(arguments).err();
            assert_eq!(refused.map(|error| error.to_string()).as_deref(), Some(ARGUMENTS), "{arguments}");
        }
    }
}
