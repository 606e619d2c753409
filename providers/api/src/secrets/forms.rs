//! The forms in which a secret stands in texts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::LONG_ENOUGH;

/// Everything but what RFC 3986 never encodes.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a larger secret that is looked for by itself.
const PART: usize = 1024;

/// Larger secrets are not looked for in encodings of the whole of them: only as they are, and escaped.
const ENCODED_UP_TO: usize = 64 << 10;

/// Tells each form in which a secret may stand in a text, and a word for what form it is. Forms that are too short to be
/// looked for are left out.
pub(super) fn each(secret: &str, told: &mut dyn FnMut(&str, &'static str)) {
    let whole = secret.trim();
    if whole.chars().count() < LONG_ENOUGH {
        return;
    }
    let mut told = |form: &str, kind: &'static str| {
        for part in parts(form) {
            if part.chars().count() >= LONG_ENOUGH {
                told(part, kind);
            }
        }
    };
    written(whole, "whole", &mut told);
    // A tool that reports several lines repeats a secret of several lines one by one.
    for line in whole.lines().map(str::trim).filter(|line| line.len() < whole.len()) {
        written(line, "a line", &mut told);
    }
    if secret.len() <= ENCODED_UP_TO {
        for text in [secret, whole] {
            encoded(text, &mut told);
            if whole.len() == secret.len() {
                break;
            }
        }
    }
}

/// The secret as it is, and with the escapes of those who write texts into others.
fn written(secret: &str, kind: &'static str, told: &mut dyn FnMut(&str, &'static str)) {
    told(secret, kind);
    if secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    let json = inner(&serde_json::Value::from(secret).to_string());
    // Go's writer of JSON, which most providers use, escapes these as well; Python's leaves nothing but ASCII.
    let escaped = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    for json in [ascii(&json), ascii(&escaped), json, escaped] {
        told(&json, "escaped");
        // JSON within a text of JSON: what a program says, in a line of a log.
        told(&inner(&serde_json::Value::from(json).to_string()), "escaped");
    }
    let percent = utf8_percent_encode(secret, RESERVED).to_string();
    let control = secret.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let forms = [
        inner(&format!("{secret:?}")),
        // Between apostrophes, or in quotes that need no escape, as Python and many more write texts.
        control.replace('\'', "\\'"),
        control,
        secret.escape_default().to_string(),
        lowercase_escapes(&percent),
        percent.replace("%20", "+"),
        percent,
        // In a command for a shell, between apostrophes.
        secret.replace('\'', "'\\''"),
        xml.replace('"', "&quot;").replace('\'', "&apos;"),
        xml.replace('"', "&#34;").replace('\'', "&#39;"),
        xml,
    ];
    for form in forms.iter().filter(|form| *form != secret) {
        told(form, "escaped");
    }
}

/// The secret in encodings, also somewhere within what is encoded as a whole.
fn encoded(secret: &str, told: &mut dyn FnMut(&str, &'static str)) {
    let bytes = secret.as_bytes();
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        // It begins at any of three places in a group, and the digits that it shares with its neighbours say nothing.
        for before in 0..3 {
            let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
            let digits = engine.encode(&padded);
            let first = if before == 0 { 0 } else { before + 1 };
            told(digits.get(first..padded.len() * 8 / 6).unwrap_or_default(), "base64");
        }
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    told(&hex.to_uppercase(), "hex");
    told(&hex, "hex");
}

/// A text in parts that are looked for one by one.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > PART {
        let mut end = PART;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, tail) = rest.split_at(end);
        parts.push(part);
        rest = tail;
    }
    // A short end would not be looked for: it goes with what is before it.
    match parts.last_mut() {
        Some(last) if rest.chars().count() < LONG_ENOUGH => {
            *last = text.get(text.len() - rest.len() - last.len()..).unwrap_or(last);
        }
        _ => parts.push(rest),
    }
    parts
}

/// What stands between the quotes.
fn inner(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(quoted).to_owned()
}

/// JSON with nothing but ASCII in it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character.is_ascii() {
            true => text.push(character),
            false => text.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    text
}

/// `%2F` as `%2f`.
fn lowercase_escapes(percent: &str) -> String {
    let mut text = String::with_capacity(percent.len());
    let mut digits = 0;
    for character in percent.chars() {
        text.push(if digits > 0 { character.to_ascii_lowercase() } else { character });
        digits = if character == '%' { 2 } else { digits - usize::from(digits > 0) };
    }
    text
}
