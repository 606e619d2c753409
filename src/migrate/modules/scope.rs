//! What the names in a module mean in the stack.

use std::collections::BTreeMap;

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
}

/// What a module gives to the one that calls it.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Outputs {
    /// The locals that the outputs became.
    pub(in crate::migrate) names: BTreeMap<String, String>,
    /// Its instances, where its own call makes them.
    pub(in crate::migrate) repeated: Option<Repeated>,
}

/// The instances of a module.
#[derive(Clone, Debug)]
pub(in crate::migrate) struct Repeated {
    /// By `count`, and not by `for_each`.
    pub(in crate::migrate) counted: bool,
    /// The local that holds the number or the collection.
    pub(in crate::migrate) local: String,
    /// What a `for` over it calls an instance.
    pub(in crate::migrate) bound: Bound,
}

/// The names that a `for` over the instances of a module binds.
#[derive(Clone, Debug)]
pub(in crate::migrate) struct Bound {
    pub(in crate::migrate) key: String,
    pub(in crate::migrate) value: String,
}

impl Scope {
    /// The name that something has in the stack, where it is another one.
    pub(in crate::migrate) fn name(&self, word: &str, name: &str) -> Option<&str> {
        self.names.get(&(word.to_owned(), name.to_owned())).map(String::as_str)
    }
}

impl Repeated {
    /// An expression for each instance, as one.
    pub(in crate::migrate) fn each(&self, expression: &str) -> String {
        let Repeated { counted, local, bound: Bound { key, value } } = self;
        match counted {
            true => format!("[for {key} in range(local.{local}) : {expression}]"),
            false => format!("{{ for {key}, {value} in local.{local} : {key} => {expression} }}"),
        }
    }
}

impl Outputs {
    /// All of them as one object, or one for each instance. `key` picks the instance of the module around.
    pub(in crate::migrate) fn all(&self, key: &str) -> String {
        let key = self.repeated.as_ref().map_or_else(|| key.to_owned(), |repeated| format!("[{}]", repeated.bound.key));
        let entries: Vec<String> =
            self.names.iter().map(|(name, local)| format!("{name} = local.{local}{key}")).collect();
        let object = if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) };
        match &self.repeated {
            Some(repeated) => format!("({})", repeated.each(&object)),
            None => format!("({object})"),
        }
    }
}
