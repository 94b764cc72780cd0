//! A scanner for Rust, just good enough for the rules: it tells code from comments and literals, cuts the code
//! into tokens, and finds paths and functions in them.
//!
//! It trusts that the file compiles. Anything inside a string or a comment is never taken for code, so the
//! rules and their planted violations can stand in the sources they are held against.

use std::iter::Peekable;
use std::str::Chars;

/// A word (identifier, number, lifetime) or a sign; `::` is one sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Counted from one.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphanumeric() || first == '_')
    }
}

/// A path as written, with the groups of a `use` spelled out, and the inline modules it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathUse {
    pub(crate) segments: Vec<String>,
    pub(crate) inside: Vec<String>,
    pub(crate) line: usize,
}

/// A function with a body: from the line of `fn` to the line of the closing brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Splits a text into its code and its comments, both as long as the text and with its line breaks.
/// Literals belong to the code, but with nothing inside.
pub(crate) fn split(text: &str) -> (String, String) {
    let mut splitter =
        Splitter { rest: text.chars().peekable(), code: String::new(), comments: String::new() };
    while let Some(next) = splitter.rest.next() {
        splitter.step(next);
    }
    (splitter.code, splitter.comments)
}

struct Splitter<'a> {
    rest: Peekable<Chars<'a>>,
    code: String,
    comments: String,
}

impl Splitter<'_> {
    fn step(&mut self, next: char) {
        match next {
            '/' if self.rest.peek() == Some(&'/') => self.line_comment(),
            '/' if self.rest.peek() == Some(&'*') => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            'r' if self.starts_a_raw_string() => self.raw_string(),
            _ => self.code(next),
        }
    }

    fn line_comment(&mut self) {
        self.comment('/');
        while let Some(next) = self.rest.next_if(|next| *next != '\n') {
            self.comment(next);
        }
    }

    fn block_comment(&mut self) {
        self.comment('/');
        let mut depth = 0;
        let mut before = '/';
        while let Some(next) = self.rest.next() {
            self.comment(next);
            match (before, next) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    before = next;
                    continue;
                }
            }
            before = ' '; // so that `/*/` is not both an opening and a closing
            if depth == 0 {
                break;
            }
        }
    }

    fn string(&mut self) {
        self.code('"');
        while let Some(next) = self.rest.next() {
            match next {
                '"' => {
                    self.code('"');
                    break;
                }
                '\\' => {
                    self.blank(next);
                    if let Some(escaped) = self.rest.next() {
                        self.blank(escaped);
                    }
                }
                _ => self.blank(next),
            }
        }
    }

    /// A quote opens a character, or a lifetime or a label, which is code.
    fn quote(&mut self) {
        let mut ahead = self.rest.clone();
        let (first, second) = (ahead.next(), ahead.next());
        if first != Some('\\') && second != Some('\'') {
            return self.code('\'');
        }
        self.blank('\'');
        let mut escaped = false;
        while let Some(next) = self.rest.next() {
            self.blank(next);
            match next {
                '\'' if !escaped => break,
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
    }

    /// `r"`, `r#"`, and the same after `b` or `c`; not the `r` that ends a word, nor the one of `r#fn`.
    fn starts_a_raw_string(&self) -> bool {
        let mut ahead = self.rest.clone();
        while ahead.next_if_eq(&'#').is_some() {}
        let words = self.code.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').count();
        let opens_a_word = words == 0 || (words == 1 && self.code.ends_with(['b', 'c']));
        opens_a_word && ahead.next() == Some('"')
    }

    fn raw_string(&mut self) {
        self.blank('r');
        let mut hashes = 0;
        while self.rest.next_if_eq(&'#').is_some() {
            self.blank('#');
            hashes += 1;
        }
        self.rest.next();
        self.code('"');
        while let Some(next) = self.rest.next() {
            let mut ahead = self.rest.clone();
            if next == '"' && (0..hashes).all(|_| ahead.next() == Some('#')) {
                self.code('"');
                (0..hashes).for_each(|_| self.blank('#'));
                self.rest = ahead;
                break;
            }
            self.blank(next);
        }
    }

    fn code(&mut self, next: char) {
        self.code.push(next);
        self.comments.push(if next == '\n' { '\n' } else { ' ' });
    }

    fn comment(&mut self, next: char) {
        self.comments.push(next);
        self.code.push(if next == '\n' { '\n' } else { ' ' });
    }

    fn blank(&mut self, next: char) {
        let blank = if next == '\n' { '\n' } else { ' ' };
        self.code.push(blank);
        self.comments.push(blank);
    }
}

/// Cuts code (not text) into tokens.
pub(crate) fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code.chars().peekable();
    let in_word = |c: &char| c.is_alphanumeric() || *c == '_';
    while let Some(next) = rest.next() {
        if next == '\n' {
            line += 1;
        }
        if next.is_whitespace() {
            continue;
        }
        let mut text = String::from(next);
        if in_word(&next) || next == '\'' {
            text.extend(std::iter::from_fn(|| rest.next_if(in_word)));
            if text == "r" && rest.next_if_eq(&'#').is_some() {
                text.push('#'); // a raw identifier is its own word: `r#fn` is no `fn`
                text.extend(std::iter::from_fn(|| rest.next_if(in_word)));
            }
        } else if next == ':' && rest.next_if_eq(&':').is_some() {
            text.push(':');
        }
        tokens.push(Token { text, line });
    }
    tokens
}

/// The index of the bracket that closes the one at `open`, or the last token.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Every path in the code: `use` trees spelled out leaf by leaf, and the paths of expressions and types.
pub(crate) fn paths(tokens: &[Token]) -> Vec<PathUse> {
    let mut found = Vec::new();
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        inside.retain(|(_, end)| at <= *end);
        let token = &tokens[at];
        if token.is("mod") && tokens.get(at + 2).is_some_and(|open| open.is("{")) {
            inside.push((tokens[at + 1].text.clone(), closing(tokens, at + 2)));
            at += 3;
        } else if token.is_word() || token.is("::") {
            let from = found.len();
            at = tree(tokens, at, &[], &mut found);
            let names: Vec<String> = inside.iter().map(|(name, _)| name.clone()).collect();
            found[from..].iter_mut().for_each(|path| path.inside.clone_from(&names));
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path or `use` tree from `at` on, under `prefix`, and answers where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<PathUse>) -> usize {
    let line = tokens[at].line;
    let mut segments = prefix.to_vec();
    if tokens[at].is("::") {
        at += 1;
    }
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            return group(tokens, at, &segments, found);
        } else if !(token.is_word() || token.is("*")) {
            break; // `::<`, or a path that ended
        }
        segments.push(token.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|next| !next.is("::")) {
            break;
        }
        at += 1;
    }
    found.push(PathUse { segments, inside: Vec::new(), line });
    at
}

fn group(tokens: &[Token], open: usize, prefix: &[String], found: &mut Vec<PathUse>) -> usize {
    let close = closing(tokens, open);
    let mut at = open + 1;
    while at < close {
        at = tree(tokens, at, prefix, found).max(at + 1);
        while at < close && !tokens[at].is(",") {
            at += 1; // `as name`
        }
        at += 1;
    }
    close + 1
}

/// Every function that has a body, those of traits and those inside other functions too.
pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = tokens.get(at + 1).filter(|name| token.is("fn") && !name.is("(")) else { continue };
        if let Some(open) = body(tokens, at) {
            let last = tokens[closing(tokens, open)].line;
            found.push(Function { name: name.text.clone(), first: token.line, last });
        }
    }
    found
}

/// The brace that opens the body of the function whose `fn` is at `at`.
fn body(tokens: &[Token], mut at: usize) -> Option<usize> {
    loop {
        match tokens.get(at)?.text.as_str() {
            "{" => return Some(at),
            ";" | "}" | ")" | "]" => return None,
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
}
