//! As much of PHP as configuration files are written in: tokens, and expressions of constants. Nothing is run.

mod expression;
mod token;

pub(super) use self::expression::{Scope, Value, evaluate};
pub(super) use self::token::{Token, bracketed, tokens};

/// Deepest nesting that is followed, of brackets and of blocks; far beyond any real file, well within the stack.
pub(super) const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn value(source: &str) -> Option<Value> {
        let constant = |name: &str| (name == "GLPI_ROOT").then(|| "/glpi".to_owned());
        let scope = Scope {
            file: Path::new("/etc/glpi/local_define.php"),
            constant: &constant,
        };
        evaluate(&tokens(&format!("<?php {source}")), &scope)
    }

    fn text(source: &str) -> Option<String> {
        match value(source) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn comments_and_text_outside_are_gone() {
        let source = "#!/bin/php <b>\n<?PHP // one ' ?> x 'y <?php # two \"\n/* three ' */ $a ?> out <?= 'b';";
        let expected = [
            Token::Sign(';'),
            Token::Variable("a".into()),
            Token::Sign(';'),
            Token::Text("b".into()),
            Token::Sign(';'),
        ];
        assert_eq!(tokens(source), expected);
    }

    #[test]
    fn strings_with_escapes() {
        for (source, expected) in [
            (r"'it\'s \\ \n'", r"it's \ \n"),
            (
                r#""a\"b\\c\$d\n\x41\101\u{e4}\q $ 5""#,
                "a\"b\\c$d\nAAä\\q $ 5",
            ),
            ("'ä' . \"ö\"", "äö"),
            ("'open", "open"),
            (r"''", ""),
        ] {
            assert_eq!(text(source).as_deref(), Some(expected), "{source}");
        }
        for source in [
            r#""a $b""#,
            r#""a {$b}""#,
            r#""${b}""#,
            r#""\xff""#,
            "`id`",
            "<<<X\n'a\nX",
        ] {
            assert_eq!(
                tokens(&format!("<?php {source}")),
                [Token::Opaque],
                "{source}"
            );
        }
    }

    #[test]
    fn a_heredoc_ends_at_its_label() {
        let found = tokens("<?php <<<'EOT'\n it's EOTs\n  EOT; 'x'");
        assert_eq!(
            found,
            [Token::Opaque, Token::Sign(';'), Token::Text("x".into())]
        );
    }

    #[test]
    fn expressions_of_constants() {
        for (source, expected) in [
            ("GLPI_ROOT . '/files'", "/glpi/files"),
            (r"\GLPI_ROOT.('/a' . 1)", "/glpi/a1"),
            ("__DIR__ . '/..'", "/etc/glpi/.."),
            ("dirname(__FILE__)", "/etc/glpi"),
            ("dirname(__DIR__, 2) . DIRECTORY_SEPARATOR", "//"),
        ] {
            assert_eq!(text(source).as_deref(), Some(expected), "{source}");
        }
        let list = vec![Value::Text("a".into()), Value::Bool(true), Value::Null];
        for source in [
            "['a', true, null]",
            "array('a', TRUE, NULL,)",
            "[0 => 'a', 'x' => true, null]",
        ] {
            assert_eq!(value(source), Some(Value::List(list.clone())), "{source}");
        }
        for source in [
            "",
            "OTHER",
            "getenv('X')",
            "$x",
            "'a' .",
            "'a' 'b'",
            "['a'",
            "1 + 1",
            "'a' . []",
            "true ? 'a' : 'b'",
            "A::B",
        ] {
            assert_eq!(value(source), None, "{source}");
        }
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(value(&deep), None);
    }

    #[test]
    fn truth() {
        for (source, expected) in [
            ("1", true),
            ("'0'", false),
            ("''", false),
            ("'no'", true),
            ("null", false),
            ("[]", false),
        ] {
            assert_eq!(value(source).unwrap().is_true(), expected, "{source}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(source in r#"(<\?php )?([ a-z$'"\\#/*<>?(){}\[\].,;\n`0-9äEOT]|\\x|\\u\{|<<<)*"#) {
            let _ = value(&source);
        }

        #[test]
        fn single_quotes_round_trip(content in "[^\0]*") {
            let quoted = format!("'{}'", content.replace('\\', r"\\").replace('\'', r"\'"));
            prop_assert_eq!(text(&quoted), Some(content));
        }
    }
}
