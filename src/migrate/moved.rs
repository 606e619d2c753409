//! Moves of modules as a whole. A stack has no modules, so what is recorded moves while it is taken over.

use std::collections::BTreeSet;

use super::convert::{Findings, of_kind, reference_text};
use super::modules::Modules;
use super::source::{Block, Value};
use super::state::Recorded;
use crate::address::{Address, InstanceKey};

/// The steps of the address of a module.
type Steps = Vec<(std::sync::Arc<str>, Option<InstanceKey>)>;

/// One move of a module.
struct Move<'m> {
    block: &'m Block,
    /// How many modules are around of the file that says it.
    depth: usize,
    /// Those that are around of it, by name.
    around: &'m [String],
    from: Steps,
    to: Steps,
    shown: (String, String),
    count: usize,
}

/// Carries out the moves of modules that Terraform has not carried out yet.
pub(super) fn carry_out(modules: &Modules, recorded: &mut Recorded, findings: &mut Findings<'_>) {
    let mut moves: Vec<Move<'_>> = Vec::new();
    for module in &modules.all {
        for block in module.files.iter().flat_map(|file| of_kind(&file.body, "moved")) {
            let end = |name: &str| block.body.attribute(name).map(|attribute| &attribute.value);
            let (Some(from), Some(to)) = (end("from"), end("to")) else { continue };
            let (Some(of), Some(to_steps)) = (steps(from), steps(to)) else { continue };
            let shown = (reference_text(from), reference_text(to));
            let around = module.path.as_slice();
            moves.push(Move { block, depth: around.len(), around, from: of, to: to_steps, shown, count: 0 });
        }
    }
    if moves.is_empty() {
        return;
    }
    let mut there: BTreeSet<(Address, Option<String>)> =
        recorded.objects.iter().map(|object| (object.address.clone(), object.deposed.clone())).collect();
    for object in &mut recorded.objects {
        // One move may lead to where another one begins, each once.
        for _ in 0..moves.len() {
            let mut address = object.address.clone();
            let found = moves.iter_mut().find_map(|one| {
                address.block.modules = one.moved(&object.address.block.modules)?;
                Some(one)
            });
            let Some(found) = found else { break };
            // What is there already stays, and so does this: Terraform moves nothing onto another thing.
            if !there.insert((address.clone(), object.deposed.clone())) {
                break;
            }
            there.remove(&(object.address.clone(), object.deposed.clone()));
            object.address = address;
            // A configuration that the module has itself is named with it.
            if let Some((path, provider)) = object.provider.split_once(".provider[")
                && let Some(path) = steps_of(path).and_then(|path| found.moved(&path))
            {
                let path = path.iter().map(|(name, _)| format!("module.{name}")).collect::<Vec<_>>().join(".");
                object.provider = format!("{path}.provider[{provider}");
            }
            found.count += 1;
        }
        for dependency in &mut object.dependencies {
            for _ in 0..moves.len() {
                let Some(moved) = moves.iter().find_map(|one| one.moved(&dependency.modules)) else { break };
                dependency.modules = moved.into_iter().map(|(name, _)| (name, None)).collect();
            }
        }
    }
    for Move { block, shown: (from, to), count, .. } in moves {
        let message = match count {
            0 => format!("the move of `{from}` to `{to}` is left out: it is carried out already"),
            count => format!("the move of `{from}` to `{to}` is carried out ({count} in the state)"),
        };
        findings.differs(block.span, message, "nothing is to be done");
    }
}

impl Move<'_> {
    /// Where what is in these modules is then, where it moves at all.
    fn moved(&self, modules: &[(std::sync::Arc<str>, Option<InstanceKey>)]) -> Option<Steps> {
        let (around, inside) = modules.split_at_checked(self.depth)?;
        if !around.iter().map(|(name, _)| &**name).eq(self.around.iter().map(String::as_str)) {
            return None;
        }
        let (of, rest) = inside.split_at_checked(self.from.len())?;
        let ((last, before), (last_of, before_of)) = (self.from.split_last()?, of.split_last()?);
        let (to_last, to_before) = self.to.split_last()?;
        // Without keys all instances move, each with its key; onto a key, only what has none.
        let instance = match (&last.1, &to_last.1) {
            (None, None) => last.0 == last_of.0,
            _ => last == last_of,
        };
        if before != before_of || !instance {
            return None;
        }
        let key = match (&last.1, &to_last.1) {
            (None, None) => last_of.1.clone(),
            (_, key) => key.clone(),
        };
        let to = to_before.iter().cloned().chain([(to_last.0.clone(), key)]);
        let moved: Steps = around.iter().cloned().chain(to).chain(rest.iter().cloned()).collect();
        (moved != modules).then_some(moved)
    }
}

/// The steps to a module that stands there as a whole, or an instance of one.
fn steps(value: &Value) -> Option<Steps> {
    steps_of(&reference_text(value))
}

fn steps_of(text: &str) -> Option<Steps> {
    if text.parse::<Address>().is_ok() {
        return None;
    }
    let inside: Address = format!("{text}.a.b").parse().ok()?;
    Some(inside.block.modules)
}
