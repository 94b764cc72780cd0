//! Where the attribute does not belong: each error points at what has to change, and says how.

use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Signature};

use crate::function::Function;

pub(crate) const NO_FUNCTION: &str = "`#[switchboard::main]` belongs on an `async fn`";
pub(crate) const NO_BODY: &str =
    "there is nothing to run: `#[switchboard::main]` needs a function with a body";
const NOT_ASYNC: &str = "`#[switchboard::main]` runs a future: write `async fn`";
const PARAMETERS: &str =
    "nobody is there to pass this: the function must take nothing (`std::env::args` has the command line)";
const GENERICS: &str = "nobody is there to choose this: the function must not be generic";
const QUALIFIER: &str = "`#[switchboard::main]` runs a plain `async fn`: take this away";
const ARGUMENTS: &str = "`#[switchboard::main]` takes no arguments: the engine is chosen when the program runs (`SWITCHBOARD_ENGINE`)";

/// What stands in the brackets behind the attribute's name: nothing.
pub(crate) struct NoArguments;

impl Parse for NoArguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() { Ok(Self) } else { Err(input.error(ARGUMENTS)) }
    }
}

/// All that is wrong with the function, at once.
pub(crate) fn check(function: &Function) -> syn::Result<()> {
    let mut errors = errors(&function.signature).into_iter();
    let Some(mut first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| first.combine(error));
    Err(first)
}

fn errors(signature: &Signature) -> Vec<Error> {
    let Signature { constness, asyncness, safety, abi, fn_token, generics, inputs, variadic, .. } = signature;
    let mut errors = Vec::new();
    let mut refuse = |what: &dyn ToTokens, why| {
        let what = what.to_token_stream();
        if !what.is_empty() {
            errors.push(Error::new_spanned(what, why));
        }
    };
    refuse(constness, QUALIFIER);
    refuse(safety, QUALIFIER);
    refuse(abi, QUALIFIER);
    if asyncness.is_none() {
        refuse(fn_token, NOT_ASYNC);
    }
    refuse(generics, GENERICS);
    refuse(&generics.where_clause, GENERICS);
    refuse(inputs, PARAMETERS);
    refuse(variadic, PARAMETERS);
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a function, or why it is none.
    fn said(function: &str) -> Vec<String> {
        let checked = syn::parse_str(function).and_then(|function| check(&function));
        let errors = checked.err().into_iter().flatten();
        errors.map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_plain_async_function_is_fine() {
        for function in [
            "async fn main() {}",
            "/// Words.\n#[cold] pub(crate) async fn serve() -> Result<(), ()> { #![allow(x)] Ok(()) }",
            "async fn main() -> impl Termination { what is in here { is not parsed } }",
        ] {
            assert_eq!(said(function), [""; 0], "{function}");
        }
    }

    #[test]
    fn each_wrong_use_has_its_error() {
        for (function, error) in [
            ("fn main() {}", NOT_ASYNC),
            ("async fn main(arguments: Vec<String>) {}", PARAMETERS),
            ("async fn main(&self) {}", PARAMETERS),
            ("async fn main<T>() {}", GENERICS),
            ("async fn main<'a>() {}", GENERICS),
            ("async fn main() where u8: Copy {}", GENERICS),
            ("async unsafe fn main() {}", QUALIFIER),
            ("async extern \"C\" fn main() {}", QUALIFIER),
            ("const async fn main() {}", QUALIFIER),
            ("async fn main();", NO_BODY),
            ("struct Main;", NO_FUNCTION),
            ("#[derive(Debug)] pub enum Main {}", NO_FUNCTION),
            ("const MAIN: fn() = main;", NO_FUNCTION),
            ("impl Main { async fn main() {} }", NO_FUNCTION),
        ] {
            assert_eq!(said(function), [error], "{function}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        assert_eq!(said("unsafe fn main<T>(t: T) {}"), [QUALIFIER, NOT_ASYNC, GENERICS, PARAMETERS]);
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
