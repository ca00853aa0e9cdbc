//! PHP in pieces.

/// A piece of PHP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config::glpi) enum Token {
    /// `$name`, without the `$`.
    Variable(String),
    /// A name or keyword, without a leading `\`.
    Word(String),
    /// A string with nothing to work out.
    Text(String),
    /// A string with variables in it, or a heredoc.
    Opaque,
    /// A number as written.
    Number(String),
    /// Any other character.
    Sign(char),
}

impl Token {
    /// Whether this is the keyword `word` (lower case); PHP does not care for its case.
    pub(in crate::config::glpi) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found.eq_ignore_ascii_case(word))
    }
}

/// Splits `source` into tokens; comments and what is outside `<?php … ?>` are gone. Never fails: an unended string ends with the file.
pub(in crate::config::glpi) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: source,
        tokens: Vec::new(),
    };
    lexer.outside();
    while lexer.next() {}
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        let mut characters = self.rest.chars();
        let Some(first) = characters.next() else {
            return false;
        };
        let second = characters.next();
        match (first, second) {
            ('#', Some('[')) => self.sign(first),
            ('#', _) | ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => {
                self.rest = self.rest[2..].split_once("*/").map_or("", |(_, rest)| rest);
            }
            ('?', Some('>')) => {
                // A closing tag ends the statement before it.
                self.tokens.push(Token::Sign(';'));
                self.outside();
            }
            ('<', Some('<')) if self.rest.starts_with("<<<") => self.heredoc(),
            ('\'', _) => self.single_quoted(),
            ('"', _) => self.double_quoted(),
            ('`', _) => self.shell(),
            ('$', Some(second)) if starts_name(second) => {
                self.rest = &self.rest[1..];
                let name = self.take(continues_name).to_owned();
                self.tokens.push(Token::Variable(name));
            }
            _ if starts_name(first) || (first == '\\' && second.is_some_and(starts_name)) => {
                let name = self
                    .take(|c| continues_name(c) || c == '\\')
                    .trim_start_matches('\\')
                    .to_owned();
                self.tokens.push(Token::Word(name));
            }
            _ if first.is_ascii_digit() => {
                let number = self
                    .take(|c| c.is_ascii_alphanumeric() || c == '_')
                    .to_owned();
                self.tokens.push(Token::Number(number));
            }
            _ => self.sign(first),
        }
        true
    }

    fn sign(&mut self, sign: char) {
        self.rest = &self.rest[sign.len_utf8()..];
        self.tokens.push(Token::Sign(sign));
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Goes on after the next opening tag.
    fn outside(&mut self) {
        let Some(start) = self.rest.find("<?") else {
            self.rest = "";
            return;
        };
        let rest = &self.rest[start + 2..];
        let tag = rest
            .get(..3)
            .is_some_and(|tag| tag.eq_ignore_ascii_case("php"));
        self.rest = if tag {
            &rest[3..]
        } else {
            rest.strip_prefix('=').unwrap_or(rest)
        };
    }

    fn line_comment(&mut self) {
        let line_end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let end = self.rest[..line_end].find("?>").unwrap_or(line_end);
        self.rest = &self.rest[end..];
    }

    fn single_quoted(&mut self) {
        let mut text = String::new();
        let mut characters = self.rest[1..].char_indices();
        let mut end = self.rest.len();
        while let Some((index, character)) = characters.next() {
            match character {
                '\'' => {
                    end = index + 2;
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('\'' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => text.push('\\'),
                },
                other => text.push(other),
            }
        }
        self.rest = &self.rest[end..];
        self.tokens.push(Token::Text(text));
    }

    fn double_quoted(&mut self) {
        let body = &self.rest[1..];
        let end = end_of_quote(body, '"');
        let token = unescape(&body[..end]).map_or(Token::Opaque, Token::Text);
        self.rest = body.get(end + 1..).unwrap_or_default();
        self.tokens.push(token);
    }

    fn shell(&mut self) {
        let body = &self.rest[1..];
        self.rest = body.get(end_of_quote(body, '`') + 1..).unwrap_or_default();
        self.tokens.push(Token::Opaque);
    }

    fn heredoc(&mut self) {
        self.rest = self.rest[3..]
            .trim_start_matches([' ', '\t'])
            .trim_start_matches(['\'', '"']);
        let label = self.take(continues_name);
        self.tokens.push(Token::Opaque);
        if label.is_empty() {
            return;
        }
        let mut rest = self.rest;
        while let Some((_, lines)) = rest.split_once('\n') {
            rest = lines;
            if let Some(after) = lines
                .trim_start()
                .strip_prefix(label)
                .filter(|after| !after.starts_with(continues_name))
            {
                self.rest = after;
                return;
            }
        }
        self.rest = "";
    }
}

fn starts_name(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || !character.is_ascii()
}

fn continues_name(character: char) -> bool {
    starts_name(character) || character.is_ascii_digit()
}

/// Where in `body` the unescaped `quote` stands; its length if nowhere.
fn end_of_quote(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return index,
            _ => {}
        }
    }
    body.len()
}

/// The string that double quotes around `body` mean; `None` if it has a variable in it or is not UTF-8.
fn unescape(body: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        match character {
            '$' if after.starts_with(|c| starts_name(c) || c == '{') => return None,
            '{' if after.starts_with('$') => return None,
            '\\' => rest = escape(after, &mut bytes)?,
            _ => {
                bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Appends what the escape `after` a backslash means; returns the rest.
fn escape<'a>(after: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let digits = |text: &str, radix, most| {
        text.chars()
            .take(most)
            .take_while(|c| c.is_digit(radix))
            .count()
    };
    let first = after.chars().next();
    let simple = match first {
        Some('n') => Some(b'\n'),
        Some('t') => Some(b'\t'),
        Some('r') => Some(b'\r'),
        Some('v') => Some(0x0b),
        Some('e') => Some(0x1b),
        Some('f') => Some(0x0c),
        Some('\\') => Some(b'\\'),
        Some('$') => Some(b'$'),
        Some('"') => Some(b'"'),
        _ => None,
    };
    if let Some(byte) = simple {
        bytes.push(byte);
        return Some(&after[1..]);
    }
    let octal = digits(after, 8, 3);
    if octal > 0 {
        // As in PHP, \400 to \777 overflow.
        let [byte, ..] = u16::from_str_radix(&after[..octal], 8).ok()?.to_le_bytes();
        bytes.push(byte);
        return Some(&after[octal..]);
    }
    if let Some(hexadecimal) = after.strip_prefix(['x', 'X']) {
        let count = digits(hexadecimal, 16, 2);
        if count > 0 {
            bytes.push(u8::from_str_radix(&hexadecimal[..count], 16).ok()?);
            return Some(&hexadecimal[count..]);
        }
    }
    if let Some(code) = after.strip_prefix("u{") {
        let (code, rest) = code.split_once('}')?;
        let character = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
        bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
        return Some(rest);
    }
    bytes.push(b'\\');
    Some(after)
}

/// How many tokens from the `(`, `[` or `{` at the beginning of `tokens` to its end, both included; all of them if it has none.
pub(in crate::config::glpi) fn bracketed(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}
