//! The function that the attribute stands on, and what is written in its place.
//!
//! The body stays as it was written, an `async fn` inside the new function, and is not even parsed: what the
//! compiler has to say about it points at the user's code, `?` and `return` know their type, and an editor can
//! complete half a line. What stays outside (attributes, documentation, visibility) governs what is inside, too.

use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ReturnType, Signature, Visibility, token};

use crate::wrong_use;

pub(crate) struct Function {
    attributes: Vec<Attribute>,
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

    fn is_main(&self) -> bool {
        self.signature.ident == "main"
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let no_function = input.error(wrong_use::NO_FUNCTION);
        let signature = input.parse().map_err(|_| no_function)?;
        if !input.peek(token::Brace) {
            return Err(input.error(wrong_use::NO_BODY));
        }
        let body = input.parse().map(Expr::Verbatim)?;
        Ok(Self { attributes, visibility, signature, body })
    }
}
