//! What is secret in this process, and texts without it.
//!
//! A value cannot get a mark without being known here: [`Value::with_marks`] tells it, wherever the mark comes from (a
//! variable, a schema, `sensitive()`, what was sealed at rest and is opened). So nobody who writes a text has to know
//! which secrets may stand in it: whatever leaves the process as words, or is laid to rest as words, goes through
//! [`masked`], and nothing else has to be remembered.
//!
//! Texts alone are masked, never values: what a value may show is said by its marks.

mod forms;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::value::Value;

/// What stands in a text in place of a secret.
pub const HIDDEN: &str = "(sensitive value)";

/// Secrets of fewer characters than this are not looked for in every text: they would stand everywhere.
pub const LONG_ENOUGH: usize = 6;

/// Secrets of fewer characters than this are not even looked for in what is said of the object that they belong to.
pub const LONG_ENOUGH_NEARBY: usize = 3;

/// What is searched for is at most so many bytes, so that large secrets do not make a large automaton. What follows is
/// compared where that is found.
const HEAD: usize = 32;

static ALL: LazyLock<Secrets> = LazyLock::new(Secrets::default);

/// Takes all of a value for secret: its texts and its numbers. Truth values are not, and neither are the keys of maps.
pub fn learn(value: &Value) {
    ALL.learn(value);
}

/// A text without the secrets that are known in this process, in whatever form they stand in it.
pub fn masked(text: &str) -> Cow<'_, str> {
    ALL.masked(text, &[])
}

/// The same for a text about an object with these values: what is marked in them is hidden also where it is so short
/// that it is not looked for everywhere.
pub fn masked_near(text: &str, values: &[&Value]) -> String {
    let mut short: BTreeSet<String> = BTreeSet::new();
    for value in values.iter().filter(|value| !value.marks_deep().is_empty()) {
        let (plain, marked) = (*value).clone().unmark_with_paths();
        for part in marked.keys().filter_map(|path| path.get(&plain)) {
            // A value that was read from elsewhere with its marks is known only from here on.
            learn(part);
            each_text(part, &mut |secret| {
                let length = secret.chars().count();
                if (LONG_ENOUGH_NEARBY..LONG_ENOUGH).contains(&length) {
                    short.insert(secret.to_string());
                }
            });
        }
    }
    ALL.masked(text, &short.into_iter().collect::<Vec<_>>()).into_owned()
}

/// Where the secrets that are known stand in a text: parts in order, which may overlap.
pub fn standing_in(text: &str) -> Vec<Range<usize>> {
    let mut hidden = ALL.find(text);
    hidden.sort_by_key(|part| (part.start, part.end));
    hidden
}

/// Tells each form in which a secret is looked for in texts, and a word for what form it is; none where it is too short.
pub fn each_form(secret: &str, told: &mut dyn FnMut(&str, &'static str)) {
    forms::each(secret, told);
}

/// The texts and the numbers in a value.
fn each_text(value: &Value, told: &mut dyn FnMut(Arc<str>)) {
    value.visit(&mut |_, leaf| {
        if let Some(number) = leaf.as_number() {
            told(number.to_string().into());
        } else if let Some(text) = leaf.as_shared_str() {
            told(Arc::clone(text));
        }
        true
    });
}

/// The secrets that are known so far.
#[derive(Default)]
struct Secrets(RwLock<Known>);

#[derive(Default)]
struct Known {
    texts: BTreeSet<Arc<str>>,
    /// Those that no layer has yet: most are never looked for, so nothing is made for them before a text comes.
    fresh: Vec<Arc<str>>,
    /// The larger ones first. Each holds more than twice what the next one does, so that a secret is built into an
    /// automaton only a few times, however many come one by one.
    layers: Vec<Layer>,
}

/// Some secrets, and what finds them.
struct Layer {
    texts: Vec<Arc<str>>,
    /// What is searched for, and what begins with it; by the number of the pattern.
    needles: Vec<Vec<Box<str>>>,
    /// None where it could not be made: then nothing is shown at all.
    automaton: Option<AhoCorasick>,
}

impl Secrets {
    fn learn(&self, value: &Value) {
        let mut found: Vec<Arc<str>> = Vec::new();
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            each_text(value, &mut |text| {
                // No form of it is longer than it is in bytes where that is too short already.
                if text.len() >= LONG_ENOUGH && !known.texts.contains(&text) {
                    found.push(text);
                }
            });
        }
        if found.is_empty() {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for text in found {
            if known.texts.insert(Arc::clone(&text)) {
                known.fresh.push(text);
            }
        }
    }

    fn masked<'t>(&self, text: &'t str, short: &[String]) -> Cow<'t, str> {
        let mut hidden = self.find(text);
        for secret in short {
            hidden.extend(text.match_indices(secret.as_str()).map(|(at, _)| at..at + secret.len()));
        }
        without(text, hidden)
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if !known.fresh.is_empty() {
            drop(known);
            self.0.write().unwrap_or_else(PoisonError::into_inner).build();
            known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        }
        let mut hidden: Vec<Range<usize>> = Vec::new();
        for layer in &known.layers {
            layer.find(text, &mut hidden);
        }
        hidden
    }
}

impl Known {
    fn build(&mut self) {
        let mut texts = std::mem::take(&mut self.fresh);
        if texts.is_empty() {
            return;
        }
        while let Some(last) = self.layers.pop_if(|last| last.texts.len() <= texts.len().saturating_mul(2)) {
            texts.extend(last.texts);
        }
        self.layers.push(Layer::new(texts));
    }
}

impl Layer {
    fn new(texts: Vec<Arc<str>>) -> Self {
        let mut heads: BTreeMap<String, BTreeSet<Box<str>>> = BTreeMap::new();
        for text in &texts {
            forms::each(text, &mut |form, _| {
                let mut end = form.len().min(HEAD);
                while !form.is_char_boundary(end) {
                    end -= 1;
                }
                let head = form.get(..end).unwrap_or(form);
                heads.entry(head.to_owned()).or_default().insert(form.into());
            });
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(heads.keys())
            .ok();
        Layer { texts, needles: heads.into_values().map(|forms| forms.into_iter().collect()).collect(), automaton }
    }

    fn find(&self, text: &str, hidden: &mut Vec<Range<usize>>) {
        let Some(automaton) = &self.automaton else {
            hidden.push(0..text.len());
            return;
        };
        for found in automaton.find_overlapping_iter(text) {
            let Some(rest) = text.get(found.start()..) else { continue };
            let forms = self.needles.get(found.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
            // Where the text is cut off within a secret, what is left of it is hidden, too.
            let there = |form: &&str| rest.starts_with(form) || form.starts_with(rest);
            if let Some(length) =
                forms.iter().map(AsRef::as_ref).filter(there).map(|form| form.len().min(rest.len())).max()
            {
                hidden.push(found.start()..found.start() + length);
            }
        }
    }
}

/// A text without some parts of it. Parts that overlap, or touch, are hidden as one; what is hidden already stays.
fn without(text: &str, mut hidden: Vec<Range<usize>>) -> Cow<'_, str> {
    let before: Vec<Range<usize>> = match hidden.is_empty() {
        true => return Cow::Borrowed(text),
        false => text.match_indices(HIDDEN).map(|(at, _)| at..at + HIDDEN.len()).collect(),
    };
    hidden.retain(|part| !before.iter().any(|done| done.start <= part.start && part.end <= done.end));
    hidden.sort_by_key(|part| (part.start, part.end));
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for part in hidden {
        if part.start > at || at == 0 {
            shown.push_str(text.get(at..part.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        at = at.max(part.end);
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests;
