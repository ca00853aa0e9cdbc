//! Expressions whose value stands in the file.

use std::path::Path;

use super::{MAX_DEPTH, Token};

/// A value that stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config::glpi) enum Value {
    /// A string or number.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// An array's values.
    List(Vec<Self>),
}

impl Value {
    /// PHP's conversion to a string, of what has one without a warning.
    pub(in crate::config::glpi) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(true) => Some("1".to_owned()),
            Self::Bool(false) | Self::Null => Some(String::new()),
            Self::List(_) => None,
        }
    }

    /// PHP's truth.
    pub(in crate::config::glpi) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !matches!(text.as_str(), "" | "0"),
            Self::Bool(value) => *value,
            Self::Null => false,
            Self::List(values) => !values.is_empty(),
        }
    }
}

/// What expressions are worked out against.
pub(in crate::config::glpi) struct Scope<'a> {
    /// The file that the expression stands in.
    pub(in crate::config::glpi) file: &'a Path,
    /// The value of a constant.
    pub(in crate::config::glpi) constant: &'a dyn Fn(&str) -> Option<String>,
}

/// Works out `tokens` as one whole expression: literals, arrays, constants, `__DIR__`, `dirname()` and `.` between them. `None` for
/// everything else.
pub(in crate::config::glpi) fn evaluate(tokens: &[Token], scope: &Scope<'_>) -> Option<Value> {
    let mut expression = Expression {
        tokens,
        scope,
        depth: 0,
    };
    let value = expression.whole()?;
    expression.tokens.is_empty().then_some(value)
}

struct Expression<'a> {
    tokens: &'a [Token],
    scope: &'a Scope<'a>,
    depth: usize,
}

impl Expression<'_> {
    fn sign(&mut self, sign: char) -> bool {
        let found = self.tokens.first() == Some(&Token::Sign(sign));
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn whole(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut value = self.term()?;
        while self.sign('.') {
            let mut text = value.into_text()?;
            text.push_str(&self.term()?.into_text()?);
            value = Value::Text(text);
        }
        self.depth -= 1;
        Some(value)
    }

    fn term(&mut self) -> Option<Value> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        match first {
            Token::Text(text) | Token::Number(text) => Some(Value::Text(text.clone())),
            Token::Sign('(') => {
                let value = self.whole()?;
                self.sign(')').then_some(value)
            }
            Token::Sign('[') => self.list(']'),
            Token::Word(word) => self.word(word),
            _ => None,
        }
    }

    fn word(&mut self, word: &str) -> Option<Value> {
        let called = self.sign('(');
        match (word.to_ascii_lowercase().as_str(), called) {
            ("array", true) => self.list(')'),
            ("dirname", true) => {
                let path = self.whole()?.into_text()?;
                let levels = if self.sign(',') {
                    self.whole()?.into_text()?.parse().ok()?
                } else {
                    1
                };
                let path = Path::new(&path)
                    .ancestors()
                    .nth(levels)?
                    .to_str()?
                    .to_owned();
                self.sign(')').then_some(Value::Text(path))
            }
            (_, true) => None,
            ("true", false) => Some(Value::Bool(true)),
            ("false", false) => Some(Value::Bool(false)),
            ("null", false) => Some(Value::Null),
            ("__dir__", false) => self
                .scope
                .file
                .parent()?
                .to_str()
                .map(|path| Value::Text(path.to_owned())),
            ("__file__", false) => self
                .scope
                .file
                .to_str()
                .map(|path| Value::Text(path.to_owned())),
            ("directory_separator", false) => Some(Value::Text("/".to_owned())),
            (_, false) => (self.scope.constant)(word).map(Value::Text),
        }
    }

    fn list(&mut self, end: char) -> Option<Value> {
        let mut values = Vec::new();
        while !self.sign(end) {
            let mut value = self.whole()?;
            if self.sign('=') {
                value = self.sign('>').then(|| self.whole())??;
            }
            values.push(value);
            if !self.sign(',') {
                return self.sign(end).then_some(Value::List(values));
            }
        }
        Some(Value::List(values))
    }
}
