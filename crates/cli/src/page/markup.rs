//! Text within HTML and SVG.

use std::fmt::{self, Write};

/// A text that is a text, whatever is in it: also within an attribute in double quotes.
///
/// What has no place in a document, such as a control character, shows as U+FFFD, and what would turn the text that follows
/// around, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(self.0).try_for_each(|character| match character {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}

/// The same, but for what has no place in a document.
pub(super) fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|character| match character {
        '\n' | '\t' => character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_never_markup() {
        let text = "<script>alert('1')</script> & \"quotes\"";
        let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;quotes&quot;";
        assert_eq!(Escaped(text).to_string(), escaped);
    }

    #[test]
    fn what_has_no_place_in_a_document_shows() {
        assert_eq!(Escaped("a\0b\x1b[1m\u{202e}c\nd").to_string(), "a\u{fffd}b\u{fffd}[1m\u{fffd}c\nd");
    }
}
