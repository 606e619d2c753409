//! What the names in a module mean in the stack.

use std::collections::BTreeMap;

use super::Repeated;
use super::instances::Own;

/// The names of one module.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Scope {
    /// The directory, as `path.module` has it.
    pub(in crate::migrate) place: String,
    /// What stands before the names of what is in it; nothing for the root.
    pub(in crate::migrate) prefix: String,
    /// Names in the stack, by the word before them (`var`, `local`, `TYPE`, `data.TYPE`) and the name.
    pub(super) names: BTreeMap<(String, String), String>,
    /// What it calls.
    pub(in crate::migrate) modules: BTreeMap<String, Outputs>,
    /// Its instances, which may be those of the one that calls it.
    pub(in crate::migrate) repeated: Option<Repeated>,
    /// Where it has instances: those of its resources and data that have some of their own, by word and name.
    pub(super) keyed: BTreeMap<(String, String), Own>,
}

/// What a module gives to the one that calls it.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Outputs {
    /// The locals that the outputs became.
    pub(in crate::migrate) names: BTreeMap<String, String>,
    /// The instances that its own call makes.
    pub(in crate::migrate) own: Option<Own>,
}

impl Scope {
    /// The name that something has in the stack, where it is another one.
    pub(in crate::migrate) fn name(&self, word: &str, name: &str) -> Option<&str> {
        self.names.get(&(word.to_owned(), name.to_owned())).map(String::as_str)
    }

    /// The instances that a resource or data has of its own, where the module has some as well.
    pub(in crate::migrate) fn keyed(&self, word: &str, name: &str) -> Option<&Own> {
        self.keyed.get(&(word.to_owned(), name.to_owned()))
    }
}

impl Outputs {
    /// All of them as one object, or one for each instance; `around` is the key of the instance of the module
    /// around.
    pub(in crate::migrate) fn all(&self, around: Option<&str>) -> String {
        let object = |key: Option<&str>| {
            let key = key.map(|key| format!("[{key}]")).unwrap_or_default();
            let entries: Vec<String> =
                self.names.iter().map(|(name, local)| format!("{name} = local.{local}{key}")).collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        };
        match &self.own {
            Some(own) => own.whole(around, |key| object(Some(key))),
            None => object(around),
        }
    }
}
