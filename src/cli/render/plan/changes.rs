//! Each change in full: attributes, reasons, what forces what.

use std::collections::BTreeSet;

use retrue_provider_api::{Path, Type, Value};

use super::{MANY, Screen, paint, sign};
use crate::address::Address;
use crate::cli::render::difference::{Difference, differences, shown_at};
use crate::cli::render::text::{bold, count, dim, visible, yellow};
use crate::cli::render::value::{inline, named, veil};
use crate::health::Severity;
use crate::plan::{Action, Change, ObjectKey, OnDestroy, OutputChange, Plan, PlanKind};

/// The order of the sections: what takes away comes first.
const ORDER: &[Action] = &[
    Action::Delete,
    Action::Replace,
    Action::Forget,
    Action::Update,
    Action::Import,
    Action::Adopt,
    Action::Create,
    Action::Read,
    Action::NoOp,
];

/// Shows all changes.
pub(super) fn show(screen: &mut Screen, plan: &Plan) {
    let changing = plan.changes.iter().filter(|change| change.action != Action::NoOp).count();
    let short = changing > MANY && !screen.detail.all;
    let optional = plan.optional();
    let restored = restored(plan);
    let mut left_out = 0;
    for action in ORDER {
        let changes: Vec<&Change> = plan.changes.iter().filter(|change| change.action == *action).collect();
        for (position, change) in changes.iter().enumerate() {
            let listed = matches!(action, Action::Create | Action::Delete | Action::Forget | Action::Read);
            let brief = short && listed && !restores(change);
            if change.action == Action::NoOp && change.moved_from.is_none() {
                continue;
            }
            if position == 0 || !brief {
                screen.blank();
            }
            let restored = restored.contains(&(&change.address, &change.object));
            title(screen, change, restored, change.object.is_current() && optional.contains(&change.address));
            if brief {
                left_out += 1;
            } else {
                body(screen, change);
            }
        }
    }
    if left_out > 0 {
        screen.blank();
        screen.words(
            "",
            &format!("The attributes of {} are left out; `-v` shows them.", count(left_out, "change", "changes")),
        );
    }
}

fn title(screen: &mut Screen, change: &Change, restored: bool, optional: bool) {
    let word = match change.action {
        Action::Replace => replacing(change),
        Action::NoOp => "move",
        Action::Forget if restored => "restore, and forget",
        other => other.word(),
    };
    let sign = if change.action == Action::NoOp { ">" } else { sign(change.action) };
    let address = visible(&change.name());
    let word = paint(change.action, word);
    let optional = if optional { dim(", optional: the run goes on if it fails") } else { String::new() };
    screen.line(&format!("{} {}  {word}{optional}", paint(change.action, sign), bold(&address)));
    if let Some(from) = &change.moved_from {
        screen.words("    ", &format!("moved from {from}"));
    }
    if let Some(id) = &change.import {
        screen.words("    ", &format!("imported by its id {}", visible(id)));
    }
    // That something declared is made needs no reason.
    let told = change.action != Action::Create || screen.detail.all;
    for reason in change.reasons.iter().filter(|_| told) {
        screen.words(&format!("    {} ", dim("because")), &visible(reason));
    }
    if let Some(reason) = change.reversible.reason() {
        let word = if change.reversible.word() == "no" { "cannot be undone:" } else { "is undone only in part:" };
        screen.words(&format!("    {} ", yellow(word)), &visible(reason));
    }
    for warning in &change.warnings {
        screen.words(&format!("    {} ", yellow("warning:")), &visible(warning));
    }
}

fn body(screen: &mut Screen, change: &Change) {
    let columns = screen.detail.width.saturating_sub(4).max(16);
    let lines = match change.action {
        Action::Create | Action::Read => listed(&change.after, columns),
        _ if restores(change) => differing(change, columns),
        Action::Delete | Action::Forget => briefly(&change.before, columns),
        Action::Replace if change.before.is_null() => listed(&change.after, columns),
        _ => differing(change, columns),
    };
    for line in lines {
        screen.line(&format!("    {line}"));
    }
}

/// A replacement in a few words.
fn replacing(change: &Change) -> &'static str {
    match (change.create_before_destroy, change.old) {
        (true, Some(OnDestroy::Restore)) => "replace, the new one first; the old one is restored and stays",
        (true, Some(OnDestroy::Forget)) => "replace, the new one first; the old one stays",
        (true, _) => "replace, the new one first",
        (false, Some(OnDestroy::Restore)) => "replace; the old one is restored and stays",
        (false, Some(OnDestroy::Forget)) => "replace; the old one stays",
        (false, _) => Action::Replace.word(),
    }
}

/// Whether a value is worth a line: nothing, or no blocks of a kind, is not.
fn says_something(value: &Value) -> bool {
    let of_blocks = |kind: Type| matches!(kind, Type::List(of) | Type::Set(of) if matches!(*of, Type::Object(..)));
    let none = value.as_items().is_some_and(<[Value]>::is_empty) && of_blocks(value.kind());
    !(value.is_null() || none && value.marks().is_empty())
}

/// What is forgotten, and before that restored to what it was when it was adopted; whether that changes anything or not.
pub(super) fn restored(plan: &Plan) -> BTreeSet<(&Address, &ObjectKey)> {
    let restores: BTreeSet<_> =
        plan.steps.iter().filter(|step| step.restores).map(|step| (&step.id.address, &step.id.object)).collect();
    let forgotten = plan.changes.iter().filter(|change| change.action == Action::Forget);
    forgotten.map(|change| (&change.address, &change.object)).filter(|one| restores.contains(one)).collect()
}

/// Whether what is forgotten differs from what it was when it was adopted, and becomes that again.
fn restores(change: &Change) -> bool {
    change.action == Action::Forget && !change.after.is_null() && plain(&change.after) != plain(&change.before)
}

/// All attributes that are set.
fn listed(value: &Value, columns: usize) -> Vec<String> {
    let Some(attributes) = value.as_entries().filter(|_| veil(value).is_none()) else { return vec![inline(value)] };
    let set: Vec<_> = attributes.iter().filter(|(_, value)| says_something(value)).collect();
    let padding = set.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(columns / 3);
    set.into_iter().flat_map(|(name, value)| named(name, padding, value, columns)).collect()
}

/// All attributes that are set, one line each: what goes is only to be recognised.
fn briefly(value: &Value, columns: usize) -> Vec<String> {
    let Some(attributes) = value.as_entries().filter(|_| veil(value).is_none()) else { return Vec::new() };
    let set: Vec<_> = attributes.iter().filter(|(_, value)| says_something(value)).collect();
    let padding = set.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(columns / 3);
    let line = |name: &str, value: &Value| {
        let text = format!("{name:padding$} = {}", shown_at(&Path::root(), value));
        dim(&crate::cli::render::text::truncate(&text, columns))
    };
    set.into_iter().map(|(name, value)| line(name, value)).collect()
}

/// The attributes that change, and for each what was recorded, where something else was found.
fn differing(change: &Change, columns: usize) -> Vec<String> {
    let found = differences(&change.before, &change.after);
    let mut lines = Vec::new();
    for difference in &found {
        let forces = change
            .replace_because
            .iter()
            .any(|path| path.is_prefix_of(&difference.path) || difference.path.is_prefix_of(path));
        lines.extend(difference.lines(forces.then_some("forces the replacement"), columns));
        lines.extend(recorded(change, difference, columns));
    }
    for path in &change.replace_because {
        if !found.iter().any(|one| path.is_prefix_of(&one.path) || one.path.is_prefix_of(path)) {
            lines.push(format!("{} {path} {}", yellow("~"), yellow("forces the replacement")));
        }
    }
    let same = change.before.as_entries().map_or(0, |attributes| {
        let touched = |name: &str| found.iter().any(|difference| difference.path.first_attribute() == Some(name));
        attributes.iter().filter(|(name, value)| !value.is_null() && !touched(name)).count()
    });
    if same > 0 {
        lines.push(dim(&format!("  {}", count(same, "attribute stays", "attributes stay"))));
    }
    lines
}

/// The third side: what we last wrote down, where somebody else has changed it since.
fn recorded(change: &Change, difference: &Difference<'_>, columns: usize) -> Option<String> {
    let recorded = change.recorded.as_ref()?;
    let was = difference.path.get(recorded);
    if was.map(plain) == difference.before.map(plain) {
        return None;
    }
    let text = format!("changed outside; recorded: {}", shown_at(&difference.path, recorded));
    Some(dim(&crate::cli::render::text::truncate(&format!("    {text}"), columns)))
}

fn plain(value: &Value) -> Value {
    value.clone().unmark_deep().0
}

/// Shows what becomes of the outputs.
pub(super) fn outputs(screen: &mut Screen, plan: &Plan) {
    let changing: Vec<&OutputChange> = plan.outputs.iter().filter(|output| output.changes()).collect();
    if changing.is_empty() {
        return;
    }
    screen.blank();
    screen.line(&bold("Outputs:"));
    let columns = screen.detail.width.saturating_sub(2).max(16);
    for output in changing {
        let path = Path::attribute(output.name.clone());
        let after = output.after.as_ref().map(|after| &after.value);
        for line in (Difference { path, before: output.before.as_ref(), after }).lines(None, columns) {
            screen.line(&format!("  {line}"));
        }
    }
}

/// Shows what is looked at afterwards.
pub(super) fn checks(screen: &mut Screen, plan: &Plan) {
    if plan.checks.is_empty() || plan.is_empty() || plan.kind != PlanKind::Apply {
        return;
    }
    let names = plan.checks.iter().map(|check| {
        let warning = if check.definition.severity == Severity::Warning { ", only a warning" } else { "" };
        format!("{} ({}{warning})", visible(&check.definition.name), check.definition.probe.word())
    });
    screen.blank();
    screen.words(&bold("Checks afterwards: "), &names.collect::<Vec<_>>().join(", "));
}
