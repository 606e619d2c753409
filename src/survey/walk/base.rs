//! What a plan rests on: everything that, when it has moved, makes the plan another one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use retrue_provider_api::{Findable, canonical_bytes};

use crate::address::{Address, BlockAddress};
use crate::config::Parts;
use crate::graph::Node;
use crate::plan::compare::{fingerprint, fingerprint_attributes};
use crate::plan::decide::World;
use crate::plan::{Base, BaseEntry, ExistingObject, ObjectKey, OutputChange, Step, StepEffect};
use crate::survey::record::Entry;
use crate::survey::turned::is_turned;

use super::*;

impl<'a> Walk<'a> {
    /// The blocks that outputs which change are made of.
    pub(super) fn blocks_of_outputs(&self, outputs: &[OutputChange]) -> BTreeSet<BlockAddress> {
        let changing = outputs.iter().filter(|output| output.after.is_some() && output.changes());
        changing.flat_map(|output| self.graph.blocks_behind(&Node::Output(Arc::clone(&output.name)))).cloned().collect()
    }

    /// All that the plan rests on, given what it touches, and what that refers to.
    pub(super) fn base(&self, steps: &[Step], touched: &BTreeSet<Address>, read: &BTreeSet<BlockAddress>) -> Base {
        let seal = self.request.seal;
        let keyed = |hashes: BTreeMap<String, String>| -> BTreeMap<String, String> {
            let keyed = |hash: String| if hash.is_empty() { hash } else { seal.keyed_hash(hash.as_bytes()) };
            hashes.into_iter().map(|(name, hash)| (name, keyed(hash))).collect()
        };
        let host = &self.known.host;
        let mut base = Base {
            lineage: self.request.lineage.to_owned(),
            config: String::new(),
            parts: keyed_parts(&self.request.stack.parts, seal),
            files: keyed(self.named(host.reads())),
            paths: self.named(host.looks()),
            directories: keyed(self.named(host.listings())),
            environment: keyed(self.known.environment_reads()),
            functions: host.functions().results(&|bytes| seal.keyed_hash(bytes)),
            data: self.data_read.clone(),
            resources: self.resources(steps, touched, read),
        };
        base.config = self.config_digest(&base);
        base
    }

    /// Paths as seen from the directory of the stack, so that a plan does not depend on where it was called.
    fn named(&self, paths: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let directory = &self.request.stack.directory;
        let name = |path: String| -> PathBuf {
            let path = directory.join(path);
            path.strip_prefix(directory).map(FilePath::to_owned).unwrap_or(path)
        };
        paths.into_iter().map(|(path, content)| (name(path).display().to_string(), content)).collect()
    }

    /// The resources that are touched or read, by the addresses that they are recorded under.
    fn resources(
        &self,
        steps: &[Step],
        touched: &BTreeSet<Address>,
        read: &BTreeSet<BlockAddress>,
    ) -> BTreeMap<Address, BaseEntry> {
        let mut resources: BTreeMap<Address, BaseEntry> = BTreeMap::new();
        let referred = self.records.0.keys().filter(|address| read.contains(&address.block));
        for address in touched.iter().filter(|address| address.is_managed()).chain(referred) {
            let entry = self.records.0.get(address);
            let under = entry.and_then(|entry| entry.moved_from.as_ref()).unwrap_or(address);
            // What it was of another type can be held against nothing.
            let observed = entry.filter(|entry| !is_turned(entry.moved_from.as_ref(), address));
            let observed = observed.and_then(|entry| self.observed(address, entry));
            for name in [address, under] {
                let entry = resources.entry(name.clone()).or_default();
                entry.generation = self.request.state.generation(name);
                entry.recorded = self.request.state.generations_at(name);
            }
            if let (Some((observed, observed_of)), Some(entry)) = (observed, resources.get_mut(under)) {
                entry.observed = observed;
                entry.observed_of = observed_of;
            }
        }
        // What is not recorded: it was not there, or it becomes ours as it was found.
        for step in steps {
            let recorded = self.records.0.get(&step.id.address).is_some_and(|entry| entry.current.is_some());
            let Some(entry) = resources.get_mut(&step.id.address).filter(|_| !recorded) else { continue };
            if step.adopts {
                entry.observed = step.fingerprint.clone();
                entry.observed_of = step.fingerprint_of.clone();
            } else if self.was_looked_for(step) {
                entry.observed = BaseEntry::ABSENT.to_owned();
            }
        }
        resources
    }

    /// Whether planning looked for what a step creates, and found nothing.
    fn was_looked_for(&self, step: &Step) -> bool {
        let Some(configured) = self.providers.get(&step.provider) else { return false };
        let config = step.config.value.clone().unmark_deep().0;
        step.id.effect == StepEffect::Create
            && step.existing == ExistingObject::Absent
            && !step.late
            && configured.provider.capability(&step.type_name, &config).findable == Findable::ByIdentity
    }

    /// The fingerprint of what was observed of a recorded object, and what it is made of; `None` when
    /// nobody looked.
    fn observed(&self, address: &Address, entry: &Entry) -> Option<(String, Vec<Arc<str>>)> {
        // Without looking, the record only repeats itself; what is stale is found when a step begins.
        let object = entry.current.as_ref().filter(|_| self.request.refresh)?;
        match self.worlds.get(&(address.clone(), ObjectKey::Current))? {
            World::Absent => Some((BaseEntry::ABSENT.to_owned(), Vec::new())),
            World::Present(observed) => {
                let configured = self.providers.get(&object.provider.instance)?;
                let schema = configured.schema.resources.get(address.type_name())?;
                let config = object.config.clone().unmark_deep().0;
                let used = self.used_attributes.get(&address.block).map_or(&[][..], Vec::as_slice);
                let names = fingerprint_attributes(&schema.block, &observed.state, &config, used);
                Some((fingerprint(&names, &observed.state, self.request.seal), names))
            }
            _ => None,
        }
    }

    /// The digest of everything that the configuration is made of, and of what was read for it.
    fn config_digest(&self, base: &Base) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |name: &str, content: &[u8]| {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(&(content.len() as u64).to_le_bytes());
            hasher.update(content);
        };
        let maps = [
            ("part", &base.parts),
            ("file", &base.files),
            ("path", &base.paths),
            ("directory", &base.directories),
            ("env", &base.environment),
            ("function", &base.functions),
        ];
        for (kind, map) in maps {
            for (name, content) in map {
                part(&format!("{kind}.{name}"), content.as_bytes());
            }
        }
        // What is ephemeral may be another when the plan is applied.
        for (name, value) in self.request.variables.iter().filter(|(_, value)| !value.marks_deep().ephemeral) {
            part(&format!("var.{name}"), &canonical_bytes(value));
        }
        for (address, read) in &base.data {
            part(&address.to_string(), read.observed.as_bytes());
        }
        part("environment", self.request.environment.as_bytes());
        self.request.seal.keyed_hash(hasher.finalize().as_bytes())
    }
}

/// What a stack consists of, as plans hold it.
pub fn keyed_parts(parts: &Parts, seal: &dyn Seal) -> BTreeMap<String, String> {
    parts.iter().map(|(name, part)| (name.clone(), seal.keyed_hash(part.hash.as_bytes()))).collect()
}
