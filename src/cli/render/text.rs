//! Words on a screen: colours, widths, and what must not reach a terminal as it is.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const MAGENTA: Style = AnsiColor::Magenta.on_default();

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Stands out.
pub(crate) fn bold(text: &str) -> String {
    styled(BOLD, text)
}

/// Stands back.
pub(crate) fn dim(text: &str) -> String {
    styled(DIM, text)
}

/// Something comes.
pub(crate) fn green(text: &str) -> String {
    styled(GREEN, text)
}

/// Something changes.
pub(crate) fn yellow(text: &str) -> String {
    styled(YELLOW, text)
}

/// Something goes.
pub(crate) fn red(text: &str) -> String {
    styled(RED, text)
}

/// Something is looked at.
pub(crate) fn cyan(text: &str) -> String {
    styled(CYAN, text)
}

/// Something becomes ours.
pub(crate) fn magenta(text: &str) -> String {
    styled(MAGENTA, text)
}

/// The columns that a text without colours takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// One line of a text that may hold anything: control characters are written as escapes, so that
/// what a file contains cannot steer the terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            other if is_hidden(other) => shown.extend(other.escape_unicode()),
            other => shown.push(other),
        }
    }
    shown
}

/// Like [`visible`], but lines stay lines.
pub(crate) fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// Control characters, and those that turn the direction of text or take no room.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Cuts a text without colours to a width; what was cut shows as `…`.
pub(crate) fn truncate(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut short = String::new();
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken + 1 > columns {
            break;
        }
        short.push(character);
    }
    short.push('…');
    short
}

/// Breaks a text without colours into lines of at most a width, between words where it can.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(10);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let indent: String = paragraph.chars().take_while(|character| *character == ' ').collect();
        let mut line = indent.clone();
        let mut empty = true;
        for word in paragraph.split_whitespace() {
            if !empty && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::replace(&mut line, indent.clone()));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            empty = false;
            for character in word.chars() {
                if width(&line) + character.width().unwrap_or(0) > columns && width(&line) > width(&indent) {
                    lines.push(std::mem::replace(&mut line, indent.clone()));
                }
                line.push(character);
            }
        }
        lines.push(line);
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// Breaks a line with colours where it is too wide, behind a blank where there is one. What follows
/// is indented.
pub(crate) fn break_styled(line: &str, columns: usize) -> Vec<String> {
    const INDENT: usize = 6;
    let columns = columns.max(2 * INDENT);
    if width(line) <= columns || width(&anstream::adapter::strip_str(line).to_string()) <= columns {
        return vec![line.to_owned()];
    }
    let mut lines = Vec::new();
    let mut current = String::new();
    let (mut taken, mut blank) = (0, None);
    let mut in_escape = false;
    for character in line.chars() {
        in_escape |= character == '\u{1b}';
        if in_escape {
            in_escape = character != 'm';
            current.push(character);
            continue;
        }
        let takes = character.width().unwrap_or(0);
        if taken + takes > columns {
            let rest = match blank.take() {
                Some(at) => current.split_off(at),
                None => String::new(),
            };
            lines.push(std::mem::replace(&mut current, " ".repeat(INDENT)));
            current.push_str(rest.trim_start());
            taken = width(&anstream::adapter::strip_str(&current).to_string());
        }
        if character == ' ' && taken > INDENT {
            blank = Some(current.len());
        }
        current.push(character);
        taken += takes;
    }
    lines.push(current);
    // A blank at which a line was broken is not shown.
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_break_between_words_and_inside_long_ones() {
        assert_eq!(wrap("one two three four", 10), ["one two", "three four"]);
        assert_eq!(wrap("abcdefghijklmnop", 10), ["abcdefghij", "klmnop"]);
        assert_eq!(wrap("  one two three", 10), ["  one two", "  three"]);
        assert_eq!(wrap("日本語日本語日本語", 10), ["日本語日本", "語日本語"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn cuts_show() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 5), "abcd…");
        assert_eq!(truncate("日本語", 4), "日…");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
        assert_eq!(visible_lines("a\r\nb\u{7}"), "a\nb\\u{7}");
    }
}
