//! What stands in the brackets behind `test`: where it runs, how often, and with what faults.
//!
//! Everything is checked here, where an error points at what is written; but not the faults, whose names only the
//! runtime knows. It checks them before anything runs.

use std::ops::Range;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitInt, LitStr, Token, parenthesized};

/// All that is written there.
#[derive(Default)]
pub(crate) struct Options {
    mechanisms: Option<Vec<Ident>>,
    seeds: Option<Range<u64>>,
    faults: Option<LitStr>,
    /// In milliseconds.
    timeout: Option<u64>,
}

impl Options {
    fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let Ok(key) = input.parse::<Ident>() else { return Err(input.error(UNKNOWN)) };
        let is_twice = match &*key.to_string() {
            "mechanisms" => self.mechanisms.replace(mechanisms(&key, input)?).is_some(),
            "seeds" => self.seeds.replace(seeds(input)?).is_some(),
            "faults" => self.faults.replace(text(input)?).is_some(),
            "timeout" => self.timeout.replace(time(&text(input)?)?).is_some(),
            _ => return Err(Error::new(key.span(), UNKNOWN)),
        };
        if is_twice { Err(Error::new(key.span(), "this is written twice: write it once")) } else { Ok(()) }
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            options.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// The calls that set them, in a row.
impl ToTokens for Options {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if let Some(mechanisms) = &self.mechanisms {
            let real = mechanisms.iter().filter_map(variant);
            tokens.extend(quote!(.mechanisms([#(::switchboard::Mechanism::#real),*])));
            // Whoever says how often it is to run there, or with what faults, means it to run there.
            let is_simulated =
                mechanisms.iter().any(|name| name == SIM) || self.seeds.is_some() || self.faults.is_some();
            if !is_simulated {
                tokens.extend(quote!(.seeds(0..0)));
            }
        }
        if let Some(Range { start, end }) = &self.seeds {
            tokens.extend(quote!(.seeds(#start..#end)));
        }
        if let Some(faults) = &self.faults {
            tokens.extend(quote!(.faults_of(#faults)));
        }
        if let Some(milliseconds) = &self.timeout {
            tokens.extend(quote!(.timeout(::core::time::Duration::from_millis(#milliseconds))));
        }
    }
}

/// `(epoll, sim)`.
fn mechanisms(key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let list;
    parenthesized!(list in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&list)?;
    let mut known = Vec::<Ident>::new();
    for name in names {
        if name != SIM && variant(&name).is_none() {
            let names: Vec<_> = MECHANISMS.iter().map(|(name, _)| *name).collect();
            let message = format!("there is no mechanism `{name}`: write {} or {SIM}", names.join(", "));
            return Err(Error::new(name.span(), message));
        }
        if known.contains(&name) {
            return Err(Error::new(name.span(), "this is named twice: name it once"));
        }
        known.push(name);
    }
    if known.is_empty() {
        return Err(Error::new(key.span(), "a test has to run somewhere: name a mechanism, or sim"));
    }
    Ok(known)
}

/// `= 1000`, `= 100..200`.
fn seeds(input: ParseStream<'_>) -> syn::Result<Range<u64>> {
    input.parse::<Token![=]>()?;
    let literal = || {
        let at = input.span();
        input.parse::<LitInt>().map_err(|_| Error::new(at, SEEDS))
    };
    let first = literal()?;
    let (start, end, span) = if input.parse::<Option<Token![..]>>()?.is_some() {
        let last = literal()?;
        (number(&first)?, number(&last)?, last.span())
    } else {
        (0, number(&first)?, first.span())
    };
    if start < end { Ok(start..end) } else { Err(Error::new(span, "there is no seed in it")) }
}

fn number(literal: &LitInt) -> syn::Result<u64> {
    // A suffix would say of what type it is, and all that is asked for is how many.
    let is_plain = literal.suffix().is_empty();
    let number = literal.base10_parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| Error::new(literal.span(), SEEDS))
}

/// `= "…"`.
fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `10s`, in milliseconds.
fn time(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = match &value[digits..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number: Option<u64> = value[..digits].parse().ok().filter(|number| *number > 0);
    let time = number.zip(unit).and_then(|(number, unit): (u64, u64)| number.checked_mul(unit));
    time.ok_or_else(|| {
        Error::new(text.span(), "this is no time: write a whole number and ms, s, m or h, as in \"10s\"")
    })
}

/// What the runtime calls a mechanism.
fn variant(name: &Ident) -> Option<Ident> {
    let found = MECHANISMS.iter().find(|(known, _)| name == known);
    found.map(|(_, variant)| Ident::new(variant, Span::mixed_site().located_at(name.span())))
}

/// The mechanisms' names, and what the runtime calls them.
const MECHANISMS: [(&str, &str); 6] = [
    ("uring", "Uring"),
    ("kqueue", "Kqueue"),
    ("epoll", "Epoll"),
    ("devpoll", "DevPoll"),
    ("poll", "Poll"),
    ("select", "Select"),
];

/// Simulated networks, named beside the mechanisms.
const SIM: &str = "sim";

const UNKNOWN: &str =
    "`#[switchboard::test]` takes `mechanisms(…)`, `seeds = …`, `faults = \"…\"` and `timeout = \"…\"`";
const SEEDS: &str = "write how many seeds, as in `seeds = 1000`, or which, as in `seeds = 100..200`";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: &str) -> String {
        let options = syn::parse_str::<Options>(options).unwrap();
        options.to_token_stream().to_string().replace(' ', "")
    }

    fn error(options: &str) -> String {
        syn::parse_str::<Options>(options).err().unwrap().to_string()
    }

    #[test]
    fn each_option_is_a_call() {
        assert_eq!(written(""), "");
        assert_eq!(written("seeds = 1000"), ".seeds(0u64..1000u64)");
        assert_eq!(written("seeds = 100..200,"), ".seeds(100u64..200u64)");
        assert_eq!(written("faults = \"default,reset=0\""), ".faults_of(\"default,reset=0\")");
        let timeout = ".timeout(::core::time::Duration::from_millis(10000u64))";
        assert_eq!(written("timeout = \"10s\""), timeout);
    }

    #[test]
    fn what_is_said_of_simulated_networks_means_them_too() {
        let epoll = ".mechanisms([::switchboard::Mechanism::Epoll])";
        assert_eq!(written("mechanisms(epoll)"), format!("{epoll}.seeds(0..0)"));
        assert_eq!(written("mechanisms(epoll, sim)"), epoll);
        assert_eq!(written("mechanisms(sim)"), ".mechanisms([])");
        assert_eq!(written("mechanisms(epoll), seeds = 5"), format!("{epoll}.seeds(0u64..5u64)"));
        assert_eq!(written("faults = \"none\", mechanisms(epoll)"), format!("{epoll}.faults_of(\"none\")"));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (options, expected) in [
            ("sedes = 5", UNKNOWN),
            ("5", UNKNOWN),
            ("seeds = 5, seeds = 6", "this is written twice: write it once"),
            ("mechanisms(epoll, epoll)", "this is named twice: name it once"),
            ("mechanisms()", "a test has to run somewhere: name a mechanism, or sim"),
            (
                "mechanisms(iocp)",
                "there is no mechanism `iocp`: write uring, kqueue, epoll, devpoll, poll, select or sim",
            ),
            ("seeds = 0", "there is no seed in it"),
            ("seeds = 5..5", "there is no seed in it"),
            ("seeds = \"5\"", SEEDS),
            ("seeds = 5u8", SEEDS),
            ("seeds = 18446744073709551616", SEEDS),
            ("timeout = \"10\"", "this is no time: write a whole number and ms, s, m or h, as in \"10s\""),
            ("timeout = \"0s\"", "this is no time: write a whole number and ms, s, m or h, as in \"10s\""),
        ] {
            assert_eq!(error(options), expected, "{options}");
        }
        assert!(syn::parse_str::<Options>("faults = 5").is_err());
        assert!(syn::parse_str::<Options>("seeds").is_err());
    }
}
