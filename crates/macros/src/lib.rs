//! The attributes `#[switchboard::main]` and `#[switchboard::test]`, documented where they are used: as
//! `switchboard::main` and `switchboard::test`.
//!
//! A crate of its own because the compiler wants it so: what writes code is built and run before the code it is
//! written for. All that can be a function is one, in the runtime (`task/entry.rs`, `testing.rs`); here is only what cannot.
//! What is written names everything by absolute paths, since nobody knows what the names mean where it lands.
#![forbid(unsafe_code)]

mod function;
mod options;
mod wrong_use;

use proc_macro::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;

use function::Function;
use options::Options;
use wrong_use::{Name, NoArguments};

/// Runs an `async fn` on an event loop of its own; `switchboard::main` has the documentation.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = match Function::parser(Name::Main).parse(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error().into(),
    };
    let checked = syn::parse(arguments).and_then(|NoArguments| wrong_use::check(&function, Name::Main));
    match checked {
        Ok(()) => function.entry().into_token_stream().into(),
        Err(error) => function.instead(&error).into_token_stream().into(),
    }
}

/// Makes an `async fn` a test that runs on every mechanism and on the simulator; `switchboard::test` has the documentation.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = match Function::parser(Name::Test).parse(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error().into(),
    };
    let options = syn::parse::<Options>(arguments);
    match (wrong_use::check(&function, Name::Test), options) {
        (Ok(()), Ok(options)) => function.test(&options).into_token_stream().into(),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            error.into_compile_error().into()
        }
        (Err(error), _) | (_, Err(error)) => error.into_compile_error().into(),
    }
}
