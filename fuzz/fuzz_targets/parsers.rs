//! The parsers of text that comes from outside: addresses, targets, and lines.
#![no_main]

#[path = "../../crates/switchboard/tests/cutting/mod.rs"]
mod cutting;

use libfuzzer_sys::fuzz_target;
use switchboard::Address;
use switchboard::net::Target;

use cutting::{cut, model};

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (limit, size, bytes) = input;
    let chunks: Vec<_> = bytes.chunks(usize::from(size).max(1)).collect();
    assert_eq!(cut(limit.into(), &chunks), model(limit.into(), bytes), "lines in chunks of {size}");
    let Ok(text) = str::from_utf8(bytes) else { return };
    match text.parse::<Address>() {
        // What no printer of ours would show as it is, is not read back: the bytes of a Unix name.
        Ok(address) if text.starts_with("unix:") => drop(address.to_string()),
        Ok(address) => assert_eq!(address.to_string().parse(), Ok(address)),
        Err(error) => assert!(error.to_string().contains(&format!("{text:?}"))),
    }
    if let Ok(target) = text.parse::<Target>() {
        let printed = target.to_string();
        assert_eq!(printed.parse::<Target>().map(|target| target.to_string()).ok(), Some(printed));
    }
});
