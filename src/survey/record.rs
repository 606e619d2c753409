//! The record, as a survey sees it: opened, and with renames carried out.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::{Address, BlockAddress, InstanceKey, Mode};
use crate::config::{Moved, Repetition, Stack};
use crate::rest::{Seal, UnsealError};
use crate::saga::{RecordedObject, State};

/// The renames of a stack, with those that go without saying: where `count` comes to a block without one, its object
/// is the first of them, and where `count` goes, the first stays. (Terraform does so, too.) Without it, one more of
/// something would destroy what is there.
pub fn moves(stack: &Stack, state: &State) -> Vec<Moved> {
    let mut moves = stack.moved.clone();
    let said: BTreeSet<Address> = moves.iter().map(|moved| moved.from.clone()).collect();
    for (address, block) in stack.blocks.iter().filter(|(address, _)| address.mode == Mode::Managed) {
        let (one, first) = (address.instance(None), address.instance(Some(InstanceKey::Index(0))));
        let (from, to) = match block.repetition {
            Repetition::Count(_) => (one, first),
            Repetition::One => (first, one),
            Repetition::ForEach(_) => continue,
        };
        // A rename that is written may end at it.
        let matters = state.addresses.contains_key(&from) || !said.is_empty();
        if matters && !said.contains(&from) {
            moves.push(Moved { from, from_span: block.span, to, to_span: block.span });
        }
    }
    moves
}

/// What is recorded for one address.
#[derive(Debug, Default)]
pub struct Entry {
    /// The last generation.
    pub generation: u64,
    /// The object that the address stands for.
    pub current: Option<RecordedObject>,
    /// Objects that were replaced and are still there.
    pub deposed: BTreeMap<String, RecordedObject>,
    /// The address that it had.
    pub moved_from: Option<Address>,
    /// Whether the current object names others by addresses that they had.
    pub outdated: bool,
    /// Whether the current object has been given the type of its new address, where that is another one.
    pub is_turned: bool,
}

impl Entry {
    /// All its objects.
    pub fn objects(&self) -> impl Iterator<Item = &RecordedObject> {
        self.current.iter().chain(self.deposed.values())
    }

    fn is_empty(&self) -> bool {
        self.current.is_none() && self.deposed.is_empty()
    }
}

/// All that is recorded, by the address that it has now.
#[derive(Debug, Default)]
pub struct Records(pub BTreeMap<Address, Entry>);

impl Records {
    /// Opens what is recorded and carries out the renames, whatever their order.
    pub fn open(state: &State, moved: &[Moved], seal: &dyn Seal) -> Result<Self, UnsealError> {
        let renames = Renames::new(moved);
        let mut records = BTreeMap::new();
        for (address, entry) in &state.addresses {
            let deposed = entry
                .deposed
                .iter()
                .map(|(key, object)| {
                    let mut object = object.wake(seal)?;
                    renames.within(&mut object);
                    Ok((key.clone(), object))
                })
                .collect::<Result<_, UnsealError>>()?;
            let mut current = entry.current.as_ref().map(|object| object.wake(seal)).transpose()?;
            let outdated = current.as_mut().is_some_and(|object| renames.within(object));
            let opened =
                Entry { generation: entry.generation, current, deposed, moved_from: None, outdated, is_turned: false };
            records.insert(address.clone(), opened);
        }
        let mut records = Records(records);
        records.rename(&renames);
        Ok(records)
    }

    /// The address that the renames give to another one, whether anything is recorded there or not.
    pub fn renamed(address: &Address, moved: &[Moved]) -> Option<Address> {
        Renames::new(moved).end(address).map(|(_, now)| now)
    }

    /// Whether something is recorded at an address, so that nothing else can be given its name.
    pub fn holds(&self, address: &Address) -> bool {
        self.0.get(address).is_some_and(|entry| !entry.is_empty())
    }

    fn rename(&mut self, renames: &Renames<'_>) {
        if renames.is_empty() {
            return;
        }
        // Of several that end at one address, what is nearest to it comes first.
        let mut moves: Vec<(usize, Address, Address)> = self
            .0
            .iter()
            .filter(|(_, entry)| !entry.is_empty())
            .filter_map(|(from, _)| renames.end(from).map(|(steps, to)| (steps, from.clone(), to)))
            .collect();
        moves.sort();
        for (_, from, to) in moves {
            if self.holds(&to) {
                // What is recorded at the new address is what the configuration means by it. That the other one would
                // end is told where the ends are planned.
                continue;
            }
            let Some(mut entry) = self.0.remove(&from) else { continue };
            // The old address keeps its counter: a generation is never used twice.
            self.0.insert(from.clone(), Entry { generation: entry.generation, ..Entry::default() });
            let before = self.0.get(&to).map_or(0, |entry| entry.generation);
            entry.generation = entry.generation.max(before);
            entry.moved_from = Some(from);
            self.0.insert(to, entry);
        }
    }
}

/// Renames, to be followed to their ends.
struct Renames<'m> {
    /// Of blocks with all their instances.
    blocks: BTreeMap<&'m BlockAddress, &'m BlockAddress>,
    /// Of single instances.
    instances: BTreeMap<&'m Address, &'m Address>,
}

impl<'m> Renames<'m> {
    fn new(moved: &'m [Moved]) -> Self {
        let whole = |rename: &Moved| rename.from.key.is_none() && rename.to.key.is_none();
        Renames {
            blocks: moved
                .iter()
                .filter(|rename| whole(rename))
                .map(|rename| (&rename.from.block, &rename.to.block))
                .collect(),
            instances: moved.iter().filter(|rename| !whole(rename)).map(|rename| (&rename.from, &rename.to)).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.instances.is_empty()
    }

    fn next(&self, address: &Address) -> Option<Address> {
        match self.instances.get(address) {
            Some(to) => Some((*to).clone()),
            None => self.blocks.get(&address.block).map(|to| to.instance(address.key.clone())),
        }
    }

    /// Where a chain of renames ends, and after how many; `None` when nothing is renamed.
    fn end(&self, from: &Address) -> Option<(usize, Address)> {
        let mut seen = BTreeSet::from([from.clone()]);
        let mut end = None;
        while let Some(next) = self.next(end.as_ref().unwrap_or(from)) {
            // Circles are refused when the stack is loaded.
            if !seen.insert(next.clone()) {
                break;
            }
            end = Some(next);
        }
        end.map(|end| (seen.len() - 1, end))
    }

    /// What the instances of a block are under now.
    fn ends_of(&self, block: &BlockAddress) -> BTreeSet<BlockAddress> {
        let mut ends = BTreeSet::new();
        // Any key that has no rename of its own goes the way of the block.
        let first = block.instance(None);
        let single = self.instances.range::<&Address, _>(&first..).take_while(|(from, _)| from.block == *block);
        ends.extend(single.filter_map(|(from, _)| self.end(from)).map(|(_, to)| to.block));
        let mut whole = block;
        let mut left = self.blocks.len();
        while let Some(next) = self.blocks.get(whole).filter(|_| left > 0) {
            whole = next;
            left -= 1;
        }
        ends.insert(whole.clone());
        ends
    }

    /// Gives what an object names of others the addresses of now; whether that changed anything.
    fn within(&self, object: &mut RecordedObject) -> bool {
        if self.is_empty() {
            return false;
        }
        let dependencies: BTreeSet<BlockAddress> =
            object.dependencies.iter().flat_map(|block| self.ends_of(block)).collect();
        let mut changed = !dependencies.iter().eq(&object.dependencies);
        if changed {
            object.dependencies = dependencies.into_iter().collect();
        }
        for (address, _) in object.provenance.values_mut() {
            if let Some((_, now)) = self.end(address) {
                *address = now;
                changed = true;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn ends(moved: &[(&str, &str)], from: &str) -> Option<String> {
        let moved: Vec<Moved> = moved
            .iter()
            .map(|(from, to)| Moved {
                from: from.parse().unwrap(),
                from_span: Span::default(),
                to: to.parse().unwrap(),
                to_span: Span::default(),
            })
            .collect();
        Renames::new(&moved).end(&from.parse().unwrap()).map(|(_, to)| to.to_string())
    }

    #[test]
    fn chains_are_followed_to_their_ends_in_any_order() {
        for moved in [[("t.a", "t.b"), ("t.b", "t.c")], [("t.b", "t.c"), ("t.a", "t.b")]] {
            assert_eq!(ends(&moved, "t.a").as_deref(), Some("t.c"));
            assert_eq!(ends(&moved, "t.a[\"x\"]").as_deref(), Some("t.c[\"x\"]"));
            assert_eq!(ends(&moved, "t.c"), None);
        }
        let keyed = [("t.b", "t.c"), ("t.a[0]", "t.b[\"x\"]")];
        assert_eq!(ends(&keyed, "t.a[0]").as_deref(), Some("t.c[\"x\"]"));
        assert_eq!(ends(&keyed, "t.a[1]"), None);
    }
}
