//! The attribute `#[switchboard::main]`, documented where it is used: as `switchboard::main`.
//!
//! A crate of its own because the compiler wants it so: what writes code is built and run before the code it is
//! written for. All that can be a function is one, in the runtime (`task/entry.rs`); here is only what cannot.
//! What is written names everything by absolute paths, since nobody knows what the names mean where it lands.
#![forbid(unsafe_code)]

mod function;
mod wrong_use;

use proc_macro::TokenStream;
use quote::ToTokens;

use function::Function;
use wrong_use::NoArguments;

/// Runs an `async fn` on an event loop of its own; `switchboard::main` has the documentation.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: Function = match syn::parse(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error().into(),
    };
    let checked = syn::parse(arguments).and_then(|NoArguments| wrong_use::check(&function));
    match checked {
        Ok(()) => function.entry().into_token_stream().into(),
        Err(error) => function.instead(&error).into_token_stream().into(),
    }
}
