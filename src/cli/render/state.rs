//! What is recorded.

use retrue_provider_api::{Marks, Value};

use super::plan::{Detail, Screen};
use super::text::{bold, dim, red, visible};
use super::value::{named, veil};
use crate::address::Address;
use crate::rest::RestingValue;
use crate::saga::{AddressState, ObjectStatus, RecordedOutput, RestingObject, State};

/// A value as it rests, with what a person must not see marked.
pub(crate) fn marked(value: &RestingValue) -> Value {
    value.value.0.clone().with_marked_paths(value.hidden().map(|path| (path, Marks::SENSITIVE)))
}

/// Everything that is recorded.
pub(crate) fn state(state: &State, detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    for (address, entry) in &state.addresses {
        show(&mut screen, address, entry);
    }
    if !state.outputs.is_empty() {
        screen.separate();
        screen.line(&bold("Outputs:"));
        for line in outputs(state, detail.width.saturating_sub(2)) {
            screen.line(&format!("  {line}"));
        }
    }
    screen.finish()
}

/// What is recorded at one address.
pub(crate) fn resource(address: &Address, entry: &AddressState, detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    show(&mut screen, address, entry);
    screen.finish()
}

/// The outputs, one by one.
pub(crate) fn outputs(state: &State, columns: usize) -> Vec<String> {
    let padding = state.outputs.keys().map(String::len).max().unwrap_or(0).min(columns / 3);
    let lines = |(name, output): (&String, &RecordedOutput)| named(name, padding, &marked(&output.value), columns);
    state.outputs.iter().flat_map(lines).collect()
}

fn show(screen: &mut Screen, address: &Address, entry: &AddressState) {
    if let Some(object) = &entry.current {
        body(screen, &visible(&address.to_string()), object);
    }
    for (key, object) in &entry.deposed {
        body(screen, &format!("{} (set aside, {key})", visible(&address.to_string())), object);
    }
}

fn body(screen: &mut Screen, title: &str, object: &RestingObject) {
    screen.separate();
    let tainted = match object.status() {
        ObjectStatus::Ok => String::new(),
        ObjectStatus::Tainted => red("  unfinished, is replaced next time"),
    };
    screen.line(&format!("{}{tainted}", bold(title)));
    let columns = screen.width().saturating_sub(4).max(16);
    let value = marked(object.attributes());
    let Some(attributes) = value.as_entries().filter(|_| veil(&value).is_none()) else { return };
    let set: Vec<_> = attributes.iter().filter(|(_, value)| !value.is_null()).collect();
    let padding = set.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(columns / 3);
    for line in set.into_iter().flat_map(|(name, value)| named(name, padding, value, columns)) {
        screen.line(&format!("    {line}"));
    }
    screen.line(&dim(&format!("    (run {})", object.run())));
}
