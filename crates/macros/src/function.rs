//! The function that an attribute stands on, and what is written in its place.
//!
//! The body stays as it was written, an `async fn` inside the new function, and is not even parsed: what the
//! compiler has to say about it points at the user's code, `?` and `return` know their type, and an editor can
//! complete half a line. What stays outside (attributes, documentation, visibility) governs what is inside, too.

use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, ReturnType, Signature, Visibility,
    token,
};

use crate::options::Options;
use crate::wrong_use::{self, Name};

pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    visibility: Visibility,
    pub(crate) signature: Signature,
    body: Expr,
}

impl Function {
    /// The function that runs the body.
    ///
    /// A `main` returns what a program may end with, so that a loop that fails can be one more way to end; no type
    /// that users return has room for that. Any other function is called by somebody, who gets what it returns.
    pub(crate) fn entry(&self) -> impl ToTokens {
        let Self { attributes, visibility, signature, body } = self;
        let (name, output) = (&signature.ident, &signature.output);
        let (returned, run) = if self.is_main() {
            // A type that no `main` may return is refused where it is written.
            let at = match output {
                ReturnType::Default => name.span(),
                ReturnType::Type(_, output) => output.span(),
            };
            (quote_spanned!(at=> -> impl ::std::process::Termination), quote!(end_of))
        } else {
            (output.to_token_stream(), quote!(output_of))
        };
        quote! {
            #(#attributes)*
            #visibility fn #name() #returned {
                async fn #name() #output #body
                ::switchboard::task::entry::#run(#name())
            }
        }
    }

    /// The test that runs the body wherever it is to run.
    ///
    /// What it is called and where it is, only the compiler knows that reads what is written here. `should_panic` stays,
    /// and is passed on too: each run has to panic, and not only the first.
    pub(crate) fn test(&self, options: &Options) -> impl ToTokens {
        let Self { attributes, visibility, signature, body } = self;
        let (name, output) = (&signature.ident, &signature.output);
        let is_ignored = self.attribute("ignore").is_some();
        let panics = self.attribute("should_panic").map(|attribute| {
            let message = expected(attribute);
            quote!(.panics(#message))
        });
        let function = name.to_string();
        // A type that says nothing of its success is refused where it is written.
        let at = match output {
            ReturnType::Default => name.span(),
            ReturnType::Type(_, output) => output.span(),
        };
        let run = quote_spanned!(at=> .run(#name));
        quote! {
            #[::core::prelude::v1::test]
            #(#attributes)*
            #visibility fn #name() {
                async fn #name() #output #body
                ::switchboard::testing::Test::at(::switchboard::testing::Origin {
                    package: ::core::option_env!("CARGO_PKG_NAME"),
                    binary: ::core::option_env!("CARGO_BIN_NAME"),
                    is_integration: ::core::option_env!("CARGO_TARGET_TMPDIR").is_some(),
                    file: ::core::file!(),
                    module: ::core::module_path!(),
                    function: #function,
                    is_ignored: #is_ignored,
                }) #options #panics #run
            }
        }
    }

    /// The error, with a `main` that does nothing: that there is none would be a second error about the same thing.
    pub(crate) fn instead(&self, error: &Error) -> impl ToTokens {
        let error = error.to_compile_error();
        let stand_in = self.is_main().then(|| {
            quote!(
                fn main() {}
            )
        });
        quote!(#error #stand_in)
    }

    /// Its attribute of that name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.path().is_ident(name))
    }

    fn is_main(&self) -> bool {
        self.signature.ident == "main"
    }
}

impl Function {
    /// Reads what this attribute stands on.
    pub(crate) fn parser(name: Name) -> impl Parser<Output = Self> {
        move |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let visibility = input.parse()?;
            let no_function = input.error(wrong_use::no_function(name));
            let signature = input.parse().map_err(|_| no_function)?;
            if !input.peek(token::Brace) {
                return Err(input.error(wrong_use::no_body(name)));
            }
            let body = input.parse().map(Expr::Verbatim)?;
            Ok(Self { attributes, visibility, signature, body })
        }
    }
}

/// What `should_panic` expects; all that it does not understand is the compiler's to refuse.
fn expected(attribute: &Attribute) -> LitStr {
    let message = match &attribute.meta {
        Meta::NameValue(pair) => text(&pair.value),
        Meta::List(list) => list.parse_args::<MetaNameValue>().ok().and_then(|pair| text(&pair.value)),
        Meta::Path(_) => None,
    };
    message.unwrap_or_else(|| LitStr::new("", attribute.span()))
}

fn text(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(LitStr::new(&text.value(), text.span())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for a test, without blanks.
    fn written(function: &str) -> String {
        let function =
            Function::parser(Name::Test).parse_str(function).unwrap_or_else(|error| panic!("{error}"));
        function.test(&Options::default()).to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn a_test_that_has_to_panic_says_so_of_each_run() {
        for (attribute, call) in [
            ("should_panic", ".panics(\"\")"),
            ("should_panic = \"ouch\"", ".panics(\"ouch\")"),
            ("should_panic(expected = \"ouch\")", ".panics(\"ouch\")"),
        ] {
            let written = written(&format!("#[{attribute}] async fn works() {{}}"));
            assert!(written.contains(call), "{written}");
            assert!(written.contains(&format!("#[{attribute}]").replace(' ', "")), "{written}");
        }
        assert!(!written("async fn works() {}").contains(".panics("));
    }

    #[test]
    fn a_test_that_is_ignored_is_so_in_its_command_too() {
        assert!(written("#[ignore = \"slow\"] async fn works() {}").contains("is_ignored:true"));
        assert!(written("async fn works() {}").contains("is_ignored:false"));
    }
}
