//! The syntax of Terraform's settings: an older one than that of its configurations, in which names may stand
//! in quotes.

use std::iter::Peekable;
use std::str::Chars;

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Text, a number or a truth value.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// Names with what stands behind them.
    Block(Vec<(String, Node)>),
    /// The same, of a block with a name of its own, such as that of a host.
    Named(String, Vec<(String, Node)>),
}

/// How deep blocks may nest.
const MOST_DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(char),
}

/// The last of the entries with a name.
pub(super) fn last<'n>(entries: &'n [(String, Node)], name: &str) -> Option<&'n Node> {
    entries.iter().rev().find(|(key, _)| key == name).map(|(_, node)| node)
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Node)>, String> {
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    let entries = entries(&mut rest, 0)?;
    if rest.is_empty() { Ok(entries) } else { Err("there is a `}` too many".into()) }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '#' => skip_line(&mut rest),
            '/' if rest.peek() == Some(&'/') => skip_line(&mut rest),
            '/' if rest.peek() == Some(&'*') => {
                let mut before = ' ';
                for next in rest.by_ref() {
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
            }
            '"' => tokens.push(Token::Quoted(quoted(&mut rest)?)),
            '{' | '}' | '[' | ']' | '=' | ',' | ':' => tokens.push(Token::Sign(character)),
            _ if character.is_whitespace() => {}
            _ => {
                let mut word = String::from(character);
                while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn skip_line(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|character| *character != '\n').is_some() {}
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match rest.next() {
            Some('"') => return Ok(text),
            Some('\\') => match rest.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => return Err("text in quotes does not end".into()),
            },
            Some('\n') | None => return Err("text in quotes does not end".into()),
            Some(other) => text.push(other),
        }
    }
}

fn entries(rest: &mut &[Token], depth: usize) -> Result<Vec<(String, Node)>, String> {
    if depth > MOST_DEPTH {
        return Err("blocks nest too deep".into());
    }
    let mut found = Vec::new();
    loop {
        let name = match next(rest) {
            None if depth == 0 => return Ok(found),
            None => return Err("a block does not end".into()),
            Some(Token::Sign('}')) if depth > 0 => return Ok(found),
            Some(Token::Sign(',')) => continue,
            Some(Token::Word(name) | Token::Quoted(name)) => name,
            Some(Token::Sign(sign)) => return Err(format!("`{sign}` stands where a name should")),
        };
        let node = match next(rest) {
            Some(Token::Sign('=' | ':')) => value(rest, &name, depth)?,
            Some(Token::Sign('{')) => Node::Block(entries(rest, depth + 1)?),
            Some(Token::Quoted(own)) if next(rest) == Some(Token::Sign('{')) => {
                Node::Named(own, entries(rest, depth + 1)?)
            }
            _ => return Err(format!("behind `{name}` stands neither a value nor a block")),
        };
        found.push((name, node));
    }
}

fn value(rest: &mut &[Token], name: &str, depth: usize) -> Result<Node, String> {
    match next(rest) {
        Some(Token::Word(text) | Token::Quoted(text)) => Ok(Node::Text(text)),
        Some(Token::Sign('{')) => Ok(Node::Block(entries(rest, depth + 1)?)),
        Some(Token::Sign('[')) => {
            let mut items = Vec::new();
            loop {
                match next(rest) {
                    Some(Token::Sign(']')) => return Ok(Node::List(items)),
                    Some(Token::Sign(',')) => {}
                    Some(Token::Word(text) | Token::Quoted(text)) => items.push(text),
                    _ => return Err(format!("the list `{name}` does not end")),
                }
            }
        }
        _ => Err(format!("behind `{name} =` stands no value")),
    }
}

fn next(rest: &mut &[Token]) -> Option<Token> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(first.clone())
}
