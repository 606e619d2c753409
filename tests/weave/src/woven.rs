//! A file with all of its mutants in it, each behind a switch.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::mutant::Mutant;
use crate::sites::{Kind, Site, sites};

/// What is added to the library: `crate::mutant(N)` tells whether a mutant is on.
pub const SWITCH: &str = r#"
/// Whether a mutant is on.
pub fn mutant(number: usize) -> bool {
    static ON: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var("RETRUE_MUTANT").ok()?.parse().ok()) == Some(number)
}
"#;

struct File<'s> {
    source: &'s str,
    sites: Vec<Site>,
    /// By site, the mutants that change it, with their numbers.
    mutants: BTreeMap<usize, Vec<(usize, &'s Mutant)>>,
}

/// Weaves the mutants of a file into it. Returns the text, and the numbers of those that found no place.
pub fn weave<'s>(source: &'s str, mutants: impl Iterator<Item = (usize, &'s Mutant)>) -> (String, Vec<usize>) {
    let mut file = File { source, sites: sites(source), mutants: BTreeMap::new() };
    let mut left = Vec::new();
    for (number, mutant) in mutants {
        match file.place(mutant) {
            Some(site) => file.mutants.entry(site).or_default().push((number, mutant)),
            None => left.push(number),
        }
    }
    (file.text(0..source.len(), None), left)
}

impl File<'_> {
    fn place(&self, mutant: &Mutant) -> Option<usize> {
        let range = mutant.range(self.source);
        let fits = |site: &Site| match (&site.kind, mutant.genre.as_str()) {
            (Kind::Body { opaque }, "FnValue") => {
                site.range.start < range.start
                    && range.end <= site.range.end
                    && (!opaque || mutant.replacement.ends_with("iter::empty()"))
            }
            (Kind::Binary { operator, chain, .. }, "BinaryOperator") => *operator == range && !chain,
            (Kind::Unary { operator, .. }, "UnaryOperator") => operator.start == range.start,
            (Kind::Arm { .. }, "MatchArm") => site.range.start == range.start,
            (Kind::Guard, "MatchArmGuard") => site.range == range,
            (Kind::Struct { fields }, "StructField") => fields.iter().any(|field| field.start == range.start),
            _ => false,
        };
        let fitting = self.sites.iter().enumerate().filter(|(_, site)| fits(site));
        fitting.min_by_key(|(_, site)| site.range.len()).map(|(index, _)| index)
    }

    /// A part of the file, with what is changed in it; but for the site that asks for it.
    fn text(&self, range: Range<usize>, but: Option<usize>) -> String {
        let mut text = String::new();
        let mut at = range.start;
        loop {
            let inside = self.mutants.keys().filter(|index| Some(**index) != but).filter_map(|index| {
                let site = &self.sites[*index].range;
                (at <= site.start && site.end <= range.end).then_some((site.start, std::cmp::Reverse(site.end), *index))
            });
            let Some((start, end, index)) = inside.min() else { break };
            text.push_str(&self.source[at..start]);
            text.push_str(&self.site(index));
            at = end.0;
        }
        text.push_str(&self.source[at..range.end]);
        text
    }

    fn site(&self, index: usize) -> String {
        let site = &self.sites[index];
        let mutants = &self.mutants[&index];
        let part = |range: &Range<usize>| self.text(range.clone(), Some(index));
        let number = mutants[0].0;
        match &site.kind {
            Kind::Body { opaque } => {
                let rest = self.text(site.range.start + 1..site.range.end, Some(index));
                if *opaque {
                    return format!("{{ ({{{rest}).filter(|_| !crate::mutant({number})) }}");
                }
                let early = mutants.iter().map(|(number, mutant)| {
                    format!("if crate::mutant({number}) {{ return {}; }} ", mutant.replacement)
                });
                format!("{{{}{rest}", early.collect::<String>())
            }
            Kind::Binary { left, operator, right, .. } => {
                let (left, right) = (part(left), part(right));
                match &self.source[operator.clone()] {
                    // Either is lazy, and the mutant is the other one.
                    "&&" => format!(
                        "({{ let l: bool = {left}; if l != crate::mutant({number}) {{ {right} }} else {{ l }} }})"
                    ),
                    "||" => format!(
                        "({{ let l: bool = {left}; if l != crate::mutant({number}) {{ l }} else {{ {right} }} }})"
                    ),
                    operator @ ("==" | "!=") if mutants.len() == 1 => {
                        format!("(({left} {operator} {right}) != crate::mutant({number}))")
                    }
                    operator => {
                        let others = mutants.iter().map(|(number, mutant)| {
                            format!("if crate::mutant({number}) {{ {left} {} {right} }} else ", mutant.replacement)
                        });
                        format!("({}{{ {left} {operator} {right} }})", others.collect::<String>())
                    }
                }
            }
            Kind::Unary { operator, operand } => {
                let operand = part(operand);
                match &self.source[operator.clone()] {
                    "!" => format!("((!{operand}) != crate::mutant({number}))"),
                    operator => format!("(if crate::mutant({number}) {{ {operand} }} else {{ {operator}{operand} }})"),
                }
            }
            Kind::Arm { pattern, guard, body } => {
                let guard = guard.as_ref().map_or(String::new(), |guard| format!(" && ({})", part(guard)));
                format!("{} if !crate::mutant({number}){guard} => {}", &self.source[pattern.clone()], part(body))
            }
            Kind::Guard => {
                mutants.iter().fold(format!("({})", part(&site.range)), |text, (number, mutant)| {
                    match mutant.replacement.as_str() {
                        "true" => format!("(crate::mutant({number}) || {text})"),
                        _ => format!("(!crate::mutant({number}) && {text})"),
                    }
                })
            }
            Kind::Struct { fields } => {
                let without = mutants.iter().map(|(number, mutant)| {
                    let start = mutant.range(self.source).start;
                    let end = fields.iter().find(|field| field.start == start).map_or(start, |field| field.end);
                    let comma = self.source[end..].find(',').map_or(end, |comma| end + comma + 1);
                    let (before, after) = (site.range.start..start, comma..site.range.end);
                    format!("if crate::mutant({number}) {{ {}{} }} else ", part(&before), part(&after))
                });
                format!("({}{{ {} }})", without.collect::<String>(), part(&site.range))
            }
        }
    }
}
