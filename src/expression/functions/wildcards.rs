//! Patterns of file names: `*`, `?`, `[a-z]`, `[^a-z]`, `{a,b}`, and `**` for any directories.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::filesystem::clean;
use super::host::{FileKind, Host};

/// How many alternatives the braces of one name may stand for.
const MAXIMUM_ALTERNATIVES: usize = 1_000;
/// How many names are looked at, and how deep `**` goes.
const MAXIMUM_NAMES: usize = 200_000;
const MAXIMUM_DEPTH: usize = 64;

/// The files below a directory that match, as paths relative to it. Hidden ones match like others.
pub(super) fn find(host: &dyn Host, directory: &str, pattern: &str) -> Result<BTreeSet<String>, String> {
    let mut root = directory.to_owned();
    let mut segments: Vec<Segment> = Vec::new();
    for part in clean(pattern.trim_start_matches('/')).split('/') {
        match part {
            "." => {}
            ".." => root = clean(&format!("{root}/..")),
            "**" if matches!(segments.last(), Some(Segment::Directories)) => {}
            "**" => segments.push(Segment::Directories),
            part => segments
                .push(Segment::parse(part).ok_or_else(|| format!("`{pattern}` is not a valid pattern: see `{part}`"))?),
        }
    }
    if segments.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut search = Search { host, found: BTreeSet::new(), looked_at: 0 };
    search.walk(&root, &segments, 0).map_err(|error| format!("`{directory}` cannot be searched: {error}"))?;
    Ok(search.found.into_iter().map(|path| relative(directory, &path)).collect())
}

/// The path that leads from a directory to a path; both are absolute.
fn relative(directory: &str, path: &str) -> String {
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (from, to) = (parts(directory), parts(path));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from.iter().skip(common).map(|_| "..");
    up.chain(to.iter().skip(common).map(String::as_str)).collect::<Vec<_>>().join("/")
}

struct Search<'h> {
    host: &'h dyn Host,
    found: BTreeSet<String>,
    looked_at: usize,
}

impl Search<'_> {
    fn walk(&mut self, path: &str, segments: &[Segment], depth: usize) -> io::Result<()> {
        let Some((first, rest)) = segments.split_first() else {
            if self.kind(path)? == Some(FileKind::File) {
                self.found.insert(path.to_owned());
            }
            return Ok(());
        };
        match first {
            Segment::Literal(name) => self.walk(&join(path, name), rest, depth),
            Segment::Directories => {
                if depth > MAXIMUM_DEPTH {
                    return Ok(());
                }
                if !rest.is_empty() {
                    self.walk(path, rest, depth)?;
                }
                for name in self.names(path)? {
                    let child = join(path, &name);
                    match self.kind(&child)? {
                        Some(FileKind::Directory) => self.walk(&child, segments, depth + 1)?,
                        Some(FileKind::File) if rest.is_empty() => {
                            self.found.insert(child);
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            Segment::Patterns(alternatives) => {
                for name in self.names(path)? {
                    if alternatives.iter().any(|tokens| matches(tokens, &name)) {
                        self.walk(&join(path, &name), rest, depth)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn names(&mut self, path: &str) -> io::Result<Vec<String>> {
        if self.kind(path)? != Some(FileKind::Directory) {
            return Ok(Vec::new());
        }
        let names = self.host.read_directory(Path::new(path))?;
        self.looked_at += names.len();
        if self.looked_at > MAXIMUM_NAMES {
            return Err(io::Error::other(format!("there are more than {MAXIMUM_NAMES} names to look at")));
        }
        Ok(names)
    }

    /// What a path leads to; a loop of links, or a file where a directory should be, is nothing.
    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        match self.host.file_kind(Path::new(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            // Whatever else a link can do wrong (`FilesystemLoop` has no stable name).
            Err(_) => Ok(None),
            Ok(kind) => Ok(kind),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.ends_with('/') { format!("{path}{name}") } else { format!("{path}/{name}") }
}

/// What stands between two slashes.
enum Segment {
    Literal(String),
    /// `**`: no, one or many directories.
    Directories,
    /// Tokens, for each way to read the braces.
    Patterns(Vec<Vec<Token>>),
}

#[derive(Clone)]
enum Token {
    Character(char),
    AnyOne,
    AnyMany,
    OneOf { negated: bool, ranges: Vec<(char, char)> },
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let mut alternatives = vec![Vec::new()];
        let mut rest = text.chars();
        parse_until(&mut rest, &mut alternatives, false)?;
        let literal = |tokens: &Vec<Token>| {
            tokens
                .iter()
                .map(|token| match token {
                    Token::Character(character) => Some(*character),
                    _ => None,
                })
                .collect::<Option<String>>()
        };
        Some(match alternatives.as_slice() {
            [only] => match literal(only) {
                Some(name) => Segment::Literal(name),
                None => Segment::Patterns(alternatives),
            },
            _ => Segment::Patterns(alternatives),
        })
    }
}

/// Appends tokens to each alternative, up to the end, or in braces up to `,` or `}`, which it returns.
fn parse_until(
    rest: &mut std::str::Chars<'_>,
    alternatives: &mut Vec<Vec<Token>>,
    in_braces: bool,
) -> Option<Option<char>> {
    loop {
        let token = match rest.next() {
            None if in_braces => return None,
            None => return Some(None),
            Some(end @ (',' | '}')) if in_braces => return Some(Some(end)),
            Some('*') => Token::AnyMany,
            Some('?') => Token::AnyOne,
            Some('\\') => Token::Character(rest.next()?),
            Some('[') => class(rest)?,
            Some('{') => {
                let before = std::mem::take(alternatives);
                loop {
                    let mut branch = before.clone();
                    let end = parse_until(rest, &mut branch, true)?;
                    alternatives.append(&mut branch);
                    if alternatives.len() > MAXIMUM_ALTERNATIVES {
                        return None;
                    }
                    if end == Some('}') {
                        break;
                    }
                }
                continue;
            }
            Some(other) => Token::Character(other),
        };
        alternatives.iter_mut().for_each(|tokens| tokens.push(token.clone()));
    }
}

fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        let member = |rest: &mut std::str::Chars<'_>| match rest.next()? {
            '\\' => rest.next(),
            '-' | ']' => None,
            other => Some(other),
        };
        if rest.as_str().starts_with(']') && !ranges.is_empty() {
            rest.next();
            return Some(Token::OneOf { negated, ranges });
        }
        let low = member(rest)?;
        let high = if rest.as_str().starts_with('-') {
            rest.next();
            member(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

/// Whether tokens match a whole name; the time is the product of both lengths at most.
fn matches(tokens: &[Token], name: &str) -> bool {
    // `reached[n]`: the tokens so far can match the first n characters.
    let characters: Vec<char> = name.chars().collect();
    let mut reached = vec![false; characters.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for token in tokens {
        let mut next = vec![false; reached.len()];
        let mut before = false;
        for (position, target) in next.iter_mut().enumerate() {
            let here = reached.get(position).copied().unwrap_or(false);
            let previous = position.checked_sub(1);
            let from = previous.and_then(|previous| reached.get(previous)).copied().unwrap_or(false);
            let character = previous.and_then(|previous| characters.get(previous)).copied();
            *target = match token {
                Token::AnyMany => here || before,
                Token::AnyOne => from,
                Token::Character(wanted) => from && character == Some(*wanted),
                Token::OneOf { negated, ranges } => {
                    from && character.is_some_and(|character| {
                        ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
                    })
                }
            };
            before = *target;
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, name: &str) -> bool {
        match Segment::parse(pattern) {
            Some(Segment::Literal(literal)) => literal == name,
            Some(Segment::Patterns(alternatives)) => alternatives.iter().any(|tokens| matches(tokens, name)),
            _ => false,
        }
    }

    #[test]
    fn names_match() {
        for (pattern, name) in [
            ("*", ".hidden"),
            ("*.txt", "é.txt"),
            ("a?c", "a☃c"),
            ("[a-c]{x,yz}*", "byz1"),
            ("\\*", "*"),
            ("a*b*c", "aXbYbc"),
        ] {
            assert!(is_match(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.txt", "a.md"), ("[^a]", "a"), ("?", ""), ("a*b", "a"), ("[!a]", "b")] {
            assert!(!is_match(pattern, name), "{pattern} {name}");
        }
        for pattern in ["[", "{a", "[]a]", "a\\"] {
            assert!(Segment::parse(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn paths_are_relative() {
        assert_eq!(relative("/a/b", "/a/b/c/d"), "c/d");
        assert_eq!(relative("/a/b", "/a/x"), "../x");
    }
}
