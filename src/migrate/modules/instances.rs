//! Instances of modules, and of what is inside of them.
//!
//! An instance of something that stands inside of instances has a key that leads to it: `module.fleet["a"].TYPE.NAME[0]`
//! is `TYPE.fleet_NAME["a/0"]`. Where keys hold a `/` themselves so that two would be one, the stack says so.

use crate::address::InstanceKey;

/// What stands between the keys that lead to an instance.
const BETWEEN: &str = "/";

/// All instances of a module, each with its key.
#[derive(Clone, Debug)]
pub(in crate::migrate) struct Repeated {
    /// By number, and not by key.
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

/// The instances that a call or a resource makes of itself.
#[derive(Clone, Debug)]
pub(in crate::migrate) struct Own {
    /// By `count`, and not by `for_each`.
    pub(in crate::migrate) counted: bool,
    /// The local that holds the number or the collection; inside of instances, one for each of those.
    pub(in crate::migrate) local: String,
    /// Whether it stands inside of instances.
    pub(in crate::migrate) inside: bool,
}

/// What stands for the instance that an expression is about.
#[derive(Clone, Debug, Default)]
pub(in crate::migrate) struct Here {
    /// The key of the instance of the module that names belong to.
    pub(in crate::migrate) module: Option<String>,
    /// What `each.key` or `count.index`, and `each.value`, are written as, where they are written otherwise.
    pub(in crate::migrate) each: Option<(String, String)>,
    /// Whether `each.key` is the key that leads to the instance, as it is in a resource that has some of its own.
    pub(in crate::migrate) is_keyed: bool,
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

impl Own {
    /// The key of one, as an expression: `own` is written in quotes already.
    pub(in crate::migrate) fn key(&self, around: Option<&str>, own: &str) -> String {
        match around.filter(|_| self.inside) {
            Some(around) => format!("\"${{{around}}}{BETWEEN}{own}\""),
            None => format!("\"{own}\""),
        }
    }

    /// All of them as Terraform has them: a list by number, or an object by key. `element` is what one of them is, by
    /// the expression of its key.
    pub(in crate::migrate) fn whole(&self, around: Option<&str>, element: impl FnOnce(&str) -> String) -> String {
        let Own { counted, local, inside } = self;
        let (of, key) = match around.filter(|_| *inside) {
            Some(around) => (format!("[{around}]"), self.key(Some(around), "${at}")),
            None => (String::new(), "at".to_owned()),
        };
        let element = element(&key);
        match counted {
            true => format!("[for at in range(local.{local}{of}) : {element}]"),
            false => format!("{{ for at, it in local.{local}{of} : at => {element} }}"),
        }
    }

    /// All that stand inside of all instances, by the keys that lead to them: each with the `module` that it stands
    /// in, its own `key` and its `value`.
    pub(in crate::migrate) fn all(&self) -> String {
        let local = &self.local;
        let made = match self.counted {
            true => "[for key in range(made) : { module = module, key = key }]",
            false => "[for key, value in made : { module = module, key = key, value = value }]",
        };
        let all = format!("flatten([for module, made in local.{local} : {made}])");
        format!("{{ for one in {all} : \"${{one.module}}{BETWEEN}${{one.key}}\" => one }}")
    }
}

impl Here {
    /// In a resource or data of a module, or in its checks.
    pub(in crate::migrate) fn in_block(repeated: Option<&Repeated>, own: Option<&Own>) -> Here {
        let of_own = |name: &str| format!("each.value.{name}");
        match (repeated, own) {
            (None, _) => Here::default(),
            (Some(_), Some(_)) => {
                Here { module: Some(of_own("module")), each: Some((of_own("key"), of_own("value"))), is_keyed: true }
            }
            (Some(repeated), None) => Here {
                module: Some(if repeated.counted { "count.index" } else { "each.key" }.to_owned()),
                ..Here::default()
            },
        }
    }

    /// In what each instance of a module has its own of, written as one for all of them.
    pub(in crate::migrate) fn in_locals(repeated: Option<&Repeated>) -> Here {
        Here { module: repeated.map(|repeated| repeated.bound.key.clone()), ..Here::default() }
    }

    /// In what a call gives to a module with these instances; names are those of the caller.
    pub(in crate::migrate) fn in_call(caller: Option<&Repeated>, own: Option<&Own>, module: Option<&Repeated>) -> Here {
        let (Some(own), Some(Repeated { bound: Bound { key, value }, .. })) = (own, module) else {
            return Here::in_locals(caller);
        };
        match own.inside {
            true => Here {
                module: Some(format!("{value}.module")),
                each: Some((format!("{value}.key"), format!("{value}.value"))),
                is_keyed: false,
            },
            false => Here { module: None, each: Some((key.clone(), value.clone())), is_keyed: false },
        }
    }
}

/// The key that these keys lead to, the outermost first.
pub(super) fn leading(keys: &[&InstanceKey]) -> Option<InstanceKey> {
    match keys {
        [] => None,
        [one] => Some((*one).clone()),
        several => {
            let texts = several.iter().map(|key| match key {
                InstanceKey::Index(index) => index.to_string(),
                InstanceKey::Name(name) => name.to_string(),
            });
            Some(InstanceKey::Name(texts.collect::<Vec<_>>().join(BETWEEN).into()))
        }
    }
}
