//! RE2's syntax in the syntax of the `regex` crate.
//!
//! They differ in small things: `\d`, `\w`, `\s` and `\b` are ASCII in RE2; a class there has no
//! nested classes and no set operators; `\Q…\E` quotes; a brace that begins no repetition is a
//! brace; and a repetition of a repetition is an error.

use regex::escape;

/// The most repetitions that `{n,m}` may ask for, as in RE2.
const MAXIMUM_REPEAT: u32 = 1000;

const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Rewrites a pattern. What neither syntax knows is an error here or when it is compiled.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut scanner = Scanner { rest: pattern, out: String::with_capacity(pattern.len() + 16) };
    let mut repeated = false;
    while let Some(character) = scanner.next() {
        let mut repeats = false;
        match character {
            '\\' => scanner.escape()?,
            '[' => scanner.class()?,
            '(' => scanner.group()?,
            '*' | '+' | '?' => {
                scanner.out.push(character);
                repeats = true;
            }
            '{' => match scanner.repetition()? {
                Some(repetition) => {
                    scanner.out.push_str(&repetition);
                    repeats = true;
                }
                None => scanner.out.push_str("\\{"),
            },
            other => scanner.out.push(other),
        }
        if repeats {
            if repeated {
                return Err(format!("`{pattern}`: a repetition cannot be repeated"));
            }
            if scanner.take("?") {
                scanner.out.push('?');
            }
        }
        repeated = repeats;
    }
    Ok(scanner.out)
}

struct Scanner<'p> {
    rest: &'p str,
    out: String,
}

/// One member of a class: a character, or a class of its own.
enum Member {
    Character(char),
    Class(String),
}

impl<'p> Scanner<'p> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What stands behind a backslash, outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        if self.take("Q") {
            let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            self.out.push_str(&escape(quoted));
            self.rest = rest;
            return Ok(());
        }
        let simple = match self.rest.chars().next() {
            Some('b') => Some("(?-u:\\b)"),
            Some('B') => Some("(?-u:\\B)"),
            Some('A') => Some("\\A"),
            Some('z') => Some("\\z"),
            _ => None,
        };
        if let Some(simple) = simple {
            self.next();
            self.out.push_str(simple);
            return Ok(());
        }
        match self.escaped_member()? {
            Member::Character(character) => self.out.push_str(&escape(character.encode_utf8(&mut [0; 4]))),
            // Folding of case would add characters that are not ASCII.
            Member::Class(class) if class.starts_with('\\') => self.out.push_str(&class),
            Member::Class(class) => self.out.push_str(&format!("(?-i:{class})")),
        }
        Ok(())
    }

    /// What stands behind a backslash, in a class or out of it.
    fn escaped_member(&mut self) -> Result<Member, String> {
        let wrong = |what: &str| Err(format!("`\\{what}` is not a known escape in a regular expression"));
        let Some(character) = self.next() else {
            return Err("a regular expression must not end with a backslash".to_owned());
        };
        let class = |text: &str| Ok(Member::Class(text.to_owned()));
        match character {
            'd' => class("[0-9]"),
            'D' => class("[^0-9]"),
            's' => class("[\\t\\n\\x0c\\r ]"),
            'S' => class("[^\\t\\n\\x0c\\r ]"),
            'w' => class("[0-9A-Za-z_]"),
            'W' => class("[^0-9A-Za-z_]"),
            'p' | 'P' => {
                let end = if self.rest.starts_with('{') {
                    self.rest.find('}').map(|end| end + 1)
                } else {
                    self.rest.chars().next().map(char::len_utf8)
                };
                let Some((name, rest)) = end.and_then(|end| self.rest.split_at_checked(end)) else {
                    return wrong("p");
                };
                self.rest = rest;
                // `\p{^X}` is another way to write `\P{X}`.
                Ok(Member::Class(match (name.strip_prefix("{^"), character) {
                    (Some(name), 'p') => format!("\\P{{{name}"),
                    (Some(name), _) => format!("\\p{{{name}"),
                    (None, _) => format!("\\{character}{name}"),
                }))
            }
            'a' => Ok(Member::Character('\u{7}')),
            'f' => Ok(Member::Character('\u{c}')),
            't' => Ok(Member::Character('\t')),
            'n' => Ok(Member::Character('\n')),
            'r' => Ok(Member::Character('\r')),
            'v' => Ok(Member::Character('\u{b}')),
            'x' => self.hexadecimal(),
            '0'..='7' => {
                // A single digit other than zero would be a back reference, which RE2 has not.
                let next_is_octal = self.rest.starts_with(|next: char| next.is_digit(8));
                if character != '0' && !next_is_octal {
                    return wrong(&character.to_string());
                }
                let mut code = character.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|next| next.to_digit(8)) else { break };
                    self.next();
                    code = code * 8 + digit;
                }
                char::from_u32(code).map_or_else(|| wrong("0"), |character| Ok(Member::Character(character)))
            }
            other if other.is_ascii_punctuation() || other == ' ' => Ok(Member::Character(other)),
            other => wrong(&other.to_string()),
        }
    }

    fn hexadecimal(&mut self) -> Result<Member, String> {
        let (digits, rest) = if let Some(braced) = self.rest.strip_prefix('{') {
            braced.split_once('}').unwrap_or(("", ""))
        } else {
            self.rest.split_at_checked(2).unwrap_or(("", ""))
        };
        self.rest = rest;
        let all_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| all_digits)
            .and_then(char::from_u32)
            .map(Member::Character)
            .ok_or_else(|| "`\\x` needs two hexadecimal digits, or some in braces".to_owned())
    }

    /// A class, behind its opening bracket.
    fn class(&mut self) -> Result<(), String> {
        let unclosed = || "a class in a regular expression lacks its `]`".to_owned();
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if !first && self.take("]") {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if self.rest.starts_with("[:")
                && let Some((name, rest)) = self.rest.get(2..).and_then(|inside| inside.split_once(":]"))
            {
                if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                    return Err(format!("`[:{name}:]` is not a known class"));
                }
                self.out.push_str(&format!("[:{name}:]"));
                self.rest = rest;
                continue;
            }
            let low = match self.member().ok_or_else(unclosed)?? {
                Member::Character(character) => character,
                Member::Class(class) => {
                    self.out.push_str(&class);
                    continue;
                }
            };
            let range =
                self.rest.strip_prefix('-').is_some_and(|behind| !behind.starts_with(']') && !behind.is_empty());
            self.out.push_str(&escape(low.encode_utf8(&mut [0; 4])));
            if range {
                self.take("-");
                match self.member().ok_or_else(unclosed)?? {
                    Member::Character(high) if high >= low => {
                        self.out.push('-');
                        self.out.push_str(&escape(high.encode_utf8(&mut [0; 4])));
                    }
                    _ => return Err("a range in a class ends before it starts, or at a class".to_owned()),
                }
            }
        }
    }

    fn member(&mut self) -> Option<Result<Member, String>> {
        match self.next()? {
            '\\' => Some(self.escaped_member()),
            other => Some(Ok(Member::Character(other))),
        }
    }

    /// A group, behind its opening parenthesis.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.take("?") {
            return Ok(());
        }
        self.out.push('?');
        if self.take("P<") || self.take("<") {
            self.out.push_str("P<");
            return Ok(());
        }
        let end = self.rest.find([')', ':']).unwrap_or(self.rest.len());
        let (flags, rest) = self.rest.split_at(end);
        if !flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'U' | '-')) {
            return Err(format!("`(?{flags}` is not supported in a regular expression"));
        }
        self.out.push_str(flags);
        self.rest = rest;
        Ok(())
    }

    /// A repetition, behind its opening brace; `None` when the brace is just a brace.
    fn repetition(&mut self) -> Result<Option<String>, String> {
        let Some((inside, rest)) = self.rest.split_once('}') else { return Ok(None) };
        let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
        let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if low.is_empty() || !digits(low) || !digits(high) {
            return Ok(None);
        }
        let bound = |text: &str| {
            text.parse::<u32>()
                .ok()
                .filter(|count| *count <= MAXIMUM_REPEAT)
                .ok_or_else(|| format!("`{{{inside}}}` repeats more than {MAXIMUM_REPEAT} times"))
        };
        let low = bound(low)?;
        if !high.is_empty() && bound(high)? < low {
            return Err(format!("`{{{inside}}}` ends before it starts"));
        }
        self.rest = rest;
        Ok(Some(format!("{{{inside}}}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_rewritten() {
        for (from, to) in [
            ("a+b", "a+b"),
            ("\\d", "(?-i:[0-9])"),
            ("[\\w-]", "[[0-9A-Za-z_]\\-]"),
            ("[[a]]", "[\\[a]]"),
            ("\\Qa.b\\E.", "a\\.b."),
            ("x{", "x\\{"),
            ("x{2,3}", "x{2,3}"),
            ("(?<n>a)", "(?P<n>a)"),
            ("\\101", "A"),
        ] {
            assert_eq!(translate(from).as_deref(), Ok(to), "{from}");
        }
        for pattern in ["a**", "\\1", "[", "(?=a)", "(?x)a", "a{1001}", "[z-a]", "\\C", "\\", "[[:foo:]]"] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}
