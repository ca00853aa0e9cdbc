//! The constants that move GLPI's directories.
//!
//! GLPI takes the first of: the environment, `config/local_define.php`, `inc/downstream.php` (and what that includes), its default (GLPI
//! 10.0, `inc/based_config.php`). These files are PHP; here their statements are followed as far as they can be without running
//! them. What depends on anything else is not guessed: a constant that might come out otherwise in PHP is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::GlpiError;
use super::php::{self, MAX_DEPTH, Scope, Token, Value};

/// Directories that can be moved and matter here.
const MOVABLE: [&str; 5] = [
    "GLPI_CONFIG_DIR",
    "GLPI_VAR_DIR",
    "GLPI_DOC_DIR",
    "GLPI_PLUGIN_DOC_DIR",
    "GLPI_MARKETPLACE_DIR",
];

/// Words that begin a statement which ends with its block.
const BLOCKS: [&str; 18] = [
    "while",
    "for",
    "foreach",
    "switch",
    "match",
    "try",
    "catch",
    "finally",
    "do",
    "declare",
    "namespace",
    "function",
    "class",
    "abstract",
    "final",
    "trait",
    "interface",
    "enum",
];

/// Whether a statement is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Yes,
    Perhaps,
    No,
}

impl Run {
    /// Of a statement that is run by `self` where `condition` holds.
    fn under(self, condition: Option<bool>) -> Self {
        match (self, condition) {
            (Self::No, _) | (_, Some(false)) => Self::No,
            (run, Some(true)) => run,
            (_, None) => Self::Perhaps,
        }
    }
}

/// Constants and what is known of them.
pub(super) struct Constants {
    known: BTreeMap<String, String>,
    /// Defined in that file, in a way that only PHP can work out.
    unresolved: BTreeMap<String, PathBuf>,
    /// A file that does something which may define anything; what is not defined before it is unresolved.
    doubt: Option<PathBuf>,
    visited: BTreeSet<PathBuf>,
    depth: usize,
}

impl Constants {
    /// Reads the environment and the files of the GLPI in `root`.
    pub(super) fn read(
        root: &Path,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, GlpiError> {
        let mut known: BTreeMap<String, String> = MOVABLE
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), env(name)?)))
            .collect();
        known.insert("GLPI_ROOT".to_owned(), root.to_string_lossy().into_owned());
        let mut constants = Self {
            known,
            unresolved: BTreeMap::new(),
            doubt: None,
            visited: BTreeSet::new(),
            depth: 0,
        };
        for file in ["config/local_define.php", "inc/downstream.php"] {
            constants.file(&root.join(file), Run::Yes)?;
        }
        Ok(constants)
    }

    /// The directory that `name` means, `default` if it is not moved.
    pub(super) fn directory(
        &self,
        name: &'static str,
        default: impl FnOnce() -> PathBuf,
    ) -> Result<PathBuf, GlpiError> {
        if let Some(path) = self.known.get(name) {
            return Ok(PathBuf::from(path));
        }
        match self.unresolved.get(name).or(self.doubt.as_ref()) {
            Some(file) => Err(GlpiError::Constant {
                file: file.clone(),
                name,
            }),
            None => Ok(default()),
        }
    }

    /// Follows `path`; `false` if there is no such file.
    fn file(&mut self, path: &Path, run: Run) -> Result<bool, GlpiError> {
        // A second time changes nothing: the first definition of a constant holds.
        if !self.visited.insert(path.to_owned()) {
            return Ok(true);
        }
        let Some(source) = super::source(path)? else {
            return Ok(false);
        };
        let tokens = php::tokens(&source);
        let mut tokens = tokens.as_slice();
        while !self.block(&mut tokens, path, run)? {
            // A bracket or `else` too many; PHP would refuse the file, so what follows hardly matters.
            if !skip(&mut tokens, |_| true) {
                break;
            }
        }
        Ok(true)
    }

    /// Follows statements up to the end or a `}`; returns whether a `return` or `exit` among them is surely reached.
    fn block(&mut self, tokens: &mut &[Token], file: &Path, run: Run) -> Result<bool, GlpiError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.doubt_in(file);
            *tokens = &[];
        }
        let mut left = run == Run::No;
        while let Some(first) = tokens.first() {
            if *first == Token::Sign('}')
                || ["endif", "else", "elseif"]
                    .iter()
                    .any(|word| first.is_word(word))
            {
                break;
            }
            left |= self.statement(tokens, file, if left { Run::No } else { run })?;
        }
        self.depth -= 1;
        Ok(left && run == Run::Yes)
    }

    fn statement(
        &mut self,
        tokens: &mut &[Token],
        file: &Path,
        run: Run,
    ) -> Result<bool, GlpiError> {
        let Some((first, rest)) = tokens.split_first() else {
            return Ok(false);
        };
        match first {
            Token::Sign('{') => {
                *tokens = rest;
                let left = self.block(tokens, file, run)?;
                skip(tokens, |token| *token == Token::Sign('}'));
                Ok(left)
            }
            Token::Sign(';' | '@' | ')' | ']') => {
                *tokens = rest;
                Ok(false)
            }
            _ if first.is_word("if") => {
                *tokens = rest;
                self.branches(tokens, file, run)
            }
            _ => {
                let end = statement_end(tokens);
                let (statement, rest) = tokens.split_at(end);
                *tokens = rest;
                self.simple(statement, file, run)
            }
        }
    }

    /// Follows `(condition) … elseif (condition) … else …`.
    fn branches(
        &mut self,
        tokens: &mut &[Token],
        file: &Path,
        run: Run,
    ) -> Result<bool, GlpiError> {
        let mut remaining = run;
        let mut left = false;
        let mut condition = true;
        loop {
            let branch = if condition {
                let (inside, rest) = tokens.split_at(php::bracketed(tokens));
                *tokens = rest;
                let holds = self.condition(inside, file);
                let branch = remaining.under(holds);
                remaining = remaining.under(holds.map(|holds| !holds));
                branch
            } else {
                std::mem::replace(&mut remaining, Run::No)
            };
            left |= if skip(tokens, |token| *token == Token::Sign(':')) {
                self.block(tokens, file, branch)?
            } else {
                self.statement(tokens, file, branch)?
            };
            if skip(tokens, |token| token.is_word("elseif")) {
                condition = true;
            } else if skip(tokens, |token| token.is_word("else")) {
                condition = skip(tokens, |token| token.is_word("if"));
            } else {
                skip(tokens, |token| token.is_word("endif"));
                return Ok(left);
            }
        }
    }

    /// Whether `( … )` holds: `defined` and questions about files, with `!` and `&&`.
    fn condition(&self, tokens: &[Token], file: &Path) -> Option<bool> {
        let inside = tokens.get(1..tokens.len().checked_sub(1)?)?;
        let mut all = Some(true);
        for part in inside
            .split(|token| *token == Token::Sign('&'))
            .filter(|part| !part.is_empty())
        {
            match self.question(part, file) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = None,
            }
        }
        all
    }

    fn question(&self, tokens: &[Token], file: &Path) -> Option<bool> {
        let (first, rest) = tokens.split_first()?;
        if *first == Token::Sign('!') {
            return self.question(rest, file).map(|holds| !holds);
        }
        let Token::Word(word) = first else {
            return None;
        };
        let argument = self.evaluate(rest, file)?.into_text()?;
        match word.to_ascii_lowercase().as_str() {
            "defined"
                if self.known.contains_key(&argument)
                    || self.unresolved.contains_key(&argument) =>
            {
                Some(true)
            }
            "defined" => self.doubt.is_none().then_some(false),
            "file_exists" | "is_readable" => Some(resolve(&argument, file).exists()),
            "is_file" => Some(resolve(&argument, file).is_file()),
            "is_dir" => Some(resolve(&argument, file).is_dir()),
            _ => None,
        }
    }

    /// A statement without a block of its own, or one with a block that is not followed.
    fn simple(&mut self, tokens: &[Token], file: &Path, run: Run) -> Result<bool, GlpiError> {
        let Some((first, rest)) = tokens.split_first().filter(|_| run != Run::No) else {
            return Ok(false);
        };
        let rest = rest.strip_suffix(&[Token::Sign(';')]).unwrap_or(rest);
        if ["return", "exit", "die"]
            .iter()
            .any(|word| first.is_word(word))
        {
            if run == Run::Perhaps {
                self.doubt_in(file);
            }
            return Ok(run == Run::Yes);
        }
        if first.is_word("const") {
            for item in rest.split(|token| *token == Token::Sign(',')) {
                if let [Token::Word(name), Token::Sign('='), value @ ..] = item {
                    self.define(name, value, file, run);
                }
            }
            return Ok(false);
        }
        if ["require", "require_once", "include", "include_once"]
            .iter()
            .any(|word| first.is_word(word))
        {
            self.include(
                rest,
                file,
                run,
                first.is_word("require") || first.is_word("require_once"),
            )?;
            return Ok(false);
        }
        self.calls(tokens, file, run);
        Ok(false)
    }

    /// Follows the calls of `define` in a statement.
    fn calls(&mut self, tokens: &[Token], file: &Path, run: Run) {
        // `defined('X') or define('X', …)` comes to the same as a bare call, for the first definition holds anyway.
        let mut words = tokens.iter().filter(|token| **token != Token::Sign('!'));
        let guarded = words
            .next()
            .is_some_and(|token| token.is_word("define") || token.is_word("defined"));
        let run = if guarded { run } else { Run::Perhaps };
        for (index, token) in tokens.iter().enumerate() {
            let after = &tokens[index + 1..];
            let called = after.first() == Some(&Token::Sign('('));
            if called && token.is_word("define") {
                let arguments = &after[1..php::bracketed(after)];
                let arguments = arguments
                    .strip_suffix(&[Token::Sign(')')])
                    .unwrap_or(arguments);
                if let [Token::Text(name), Token::Sign(','), value @ ..] = arguments {
                    self.define(name, value, file, run);
                } else {
                    self.doubt_in(file);
                }
            }
            let includes = ["require", "require_once", "include", "include_once", "eval"];
            if includes.iter().any(|word| token.is_word(word)) {
                self.doubt_in(file);
            }
        }
    }

    fn define(&mut self, name: &str, value: &[Token], file: &Path, run: Run) {
        if self.known.contains_key(name) || self.unresolved.contains_key(name) {
            return;
        }
        let value = self.evaluate(value, file).and_then(Value::into_text);
        match value.filter(|value| {
            run == Run::Yes && self.doubt.is_none() && !value.contains(char::REPLACEMENT_CHARACTER)
        }) {
            Some(value) => drop(self.known.insert(name.to_owned(), value)),
            None => drop(self.unresolved.insert(name.to_owned(), file.to_owned())),
        }
    }

    fn include(
        &mut self,
        path: &[Token],
        file: &Path,
        run: Run,
        required: bool,
    ) -> Result<(), GlpiError> {
        let path = self.evaluate(path, file).and_then(Value::into_text);
        let found = match path.filter(|_| self.visited.len() < MAX_DEPTH) {
            Some(path) => self.file(&resolve(&path, file), run)? || !required,
            None => false,
        };
        if !found {
            self.doubt_in(file);
        }
        Ok(())
    }

    /// Notes that `file` may define anything from here on.
    fn doubt_in(&mut self, file: &Path) {
        self.doubt.get_or_insert_with(|| file.to_owned());
    }

    /// The value of the expression `tokens` in `file`.
    pub(super) fn evaluate(&self, tokens: &[Token], file: &Path) -> Option<Value> {
        let constant = |name: &str| self.known.get(name).cloned();
        php::evaluate(
            tokens,
            &Scope {
                file,
                constant: &constant,
            },
        )
    }
}

fn resolve(path: &str, file: &Path) -> PathBuf {
    file.parent().unwrap_or_else(|| Path::new("/")).join(path)
}

/// Drops the first token if it `matches`; returns whether it did.
fn skip(tokens: &mut &[Token], matches: impl Fn(&Token) -> bool) -> bool {
    match tokens.split_first() {
        Some((first, rest)) if matches(first) => {
            *tokens = rest;
            true
        }
        _ => false,
    }
}

/// How many tokens the statement at the beginning has; at least one.
fn statement_end(tokens: &[Token]) -> usize {
    let ends_with_block = BLOCKS.iter().any(|word| tokens[0].is_word(word));
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        match token {
            Token::Sign(';') => return index + 1,
            Token::Sign('}') => return index.max(1),
            Token::Sign('{') if ends_with_block => return index + php::bracketed(&tokens[index..]),
            Token::Sign('(' | '[' | '{') => index += php::bracketed(&tokens[index..]),
            _ => index += 1,
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests;
