//! The rules for plans and results that providers must keep, as Terraform has them.
//!
//! Providers that are made with the first SDK break them all the time, and say so: for them a broken rule is
//! only noted.

use std::collections::BTreeMap;
use std::fmt;

use retrue_provider_api::{
    Attribute, AttributeKind, Block, Category, Data, Entries, Nesting, Path, PathStep, ProviderError, Value,
};

use crate::client::Client;

/// A rule that was broken, without the values, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    path: Path,
    what: &'static str,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.what)
    }
}

impl Mistake {
    pub(crate) fn into_error(self, client: &Client, operation: &str) -> ProviderError {
        let what = match operation {
            "plan" => "an invalid plan",
            _ => "a result that is not what was planned",
        };
        let error = client.error(Category::Unknown, operation, format!("{what}, which is a mistake in it: {self}"));
        ProviderError { retry: false, ..error }.at(self.path)
    }
}

/// What of a plan is not allowed: what is configured must be planned as it is, or stay as it was; only what the
/// provider computes may be filled in.
pub(crate) fn plan_mistakes(block: &Block, prior: &Value, config: &Value, planned: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let (Some(planned), Some(config)) = (planned.as_entries(), config.as_entries()) else {
        mistakes.push(Mistake { path: Path::root(), what: "it is planned to be nothing" });
        return mistakes;
    };
    plan_of_block(block, prior.as_entries(), config, planned, &Path::root(), &mut mistakes);
    mistakes
}

fn plan_of_block(
    block: &Block,
    prior: Option<&Entries>,
    config: &Entries,
    planned: &Entries,
    path: &Path,
    mistakes: &mut Vec<Mistake>,
) {
    plan_of_attributes(&block.attributes, prior, config, planned, path, mistakes);
    for (name, nested) in &block.blocks {
        let name = name.as_str();
        let (Some(configured), Some(then)) = (config.get(name), planned.get(name)) else { continue };
        let path = path.child(PathStep::Attribute(name.into()));
        if !configured.is_known() || !then.is_known() {
            if configured.is_known() {
                mistakes.push(Mistake { path, what: "a block that is configured is planned as unknown" });
            }
            continue;
        }
        let before = prior.and_then(|prior| prior.get(name));
        let Some(pairs) = pair(nested.nesting, before, configured, then) else {
            mistakes.push(Mistake { path, what: "the number of blocks is not what is configured" });
            continue;
        };
        for (step, before, configured, then) in pairs {
            let path = step.map_or_else(|| path.clone(), |step| path.child(step));
            if let (Some(configured), Some(then)) = (configured.as_entries(), then.as_entries()) {
                plan_of_block(&nested.block, before.and_then(Value::as_entries), configured, then, &path, mistakes);
            }
        }
    }
}

fn plan_of_attributes(
    attributes: &BTreeMap<String, Attribute>,
    prior: Option<&Entries>,
    config: &Entries,
    planned: &Entries,
    path: &Path,
    mistakes: &mut Vec<Mistake>,
) {
    for (name, attribute) in attributes {
        let name = name.as_str();
        let (Some(configured), Some(then)) = (config.get(name), planned.get(name)) else { continue };
        let path = path.child(PathStep::Attribute(name.into()));
        if attribute.write_only {
            if !then.is_null() {
                mistakes.push(Mistake { path, what: "what is never recorded is planned" });
            }
            continue;
        }
        let before = prior.and_then(|prior| prior.get(name));
        let fine = then.same(configured)
            || !configured.is_wholly_known()
            || attribute.computed && configured.is_null()
            // Another way to write the same: the provider keeps what was there.
            || !configured.is_null() && before.is_some_and(|before| !before.is_null() && before.same(then));
        if fine {
            continue;
        }
        if let (AttributeKind::Nested(nesting, inner), false, true) =
            (&attribute.kind, configured.is_null(), then.is_known())
        {
            let Some(pairs) = pair(*nesting, before, configured, then) else {
                mistakes.push(Mistake { path, what: "the number of items is not what is configured" });
                continue;
            };
            for (step, before, configured, then) in pairs {
                let path = step.map_or_else(|| path.clone(), |step| path.child(step));
                if let (Some(configured), Some(then)) = (configured.as_entries(), then.as_entries()) {
                    let before = before.and_then(Value::as_entries);
                    plan_of_attributes(inner, before, configured, then, &path, mistakes);
                }
            }
            continue;
        }
        let what = if configured.is_null() {
            "a value is planned for what is not configured and not computed"
        } else {
            "the planned value is neither what is configured nor what was there"
        };
        mistakes.push(Mistake { path, what });
    }
}

type Pair<'v> = (Option<PathStep>, Option<&'v Value>, &'v Value, &'v Value);

/// The items that belong together; `None` when their number or their keys differ. Items of sets are not paired.
fn pair<'v>(
    nesting: Nesting,
    prior: Option<&'v Value>,
    config: &'v Value,
    planned: &'v Value,
) -> Option<Vec<Pair<'v>>> {
    if config.is_null() || planned.is_null() {
        return (config.is_null() == planned.is_null()).then(Vec::new);
    }
    match nesting {
        Nesting::Single | Nesting::Group => Some(vec![(None, prior, config, planned)]),
        Nesting::List => {
            let (configured, then) = (config.as_items()?, planned.as_items()?);
            let before = prior.and_then(Value::as_items).unwrap_or_default();
            (configured.len() == then.len()).then(|| {
                let items = configured.iter().zip(then).enumerate();
                items.map(|(index, (c, t))| (Some(PathStep::Index(index)), before.get(index), c, t)).collect()
            })
        }
        Nesting::Map => {
            let (configured, then) = (config.as_entries()?, planned.as_entries()?);
            let before = prior.and_then(Value::as_entries);
            configured.keys().eq(then.keys()).then(|| {
                let items = configured.iter().zip(then.values());
                items
                    .map(|((key, c), t)| {
                        (Some(PathStep::Key(key.clone())), before.and_then(|before| before.get(key)), c, t)
                    })
                    .collect()
            })
        }
        Nesting::Set => {
            let (configured, then) = (config.as_items()?, planned.as_items()?);
            let sure = config.is_wholly_known() && planned.is_wholly_known();
            (configured.len() == then.len() || !sure).then(Vec::new)
        }
    }
}

/// What of a result is not as it was planned: all that was known must have come true.
pub(crate) fn result_mistakes(planned: &Value, actual: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    compare(planned, actual, &Path::root(), &mut mistakes);
    mistakes
}

fn compare(planned: &Value, actual: &Value, path: &Path, mistakes: &mut Vec<Mistake>) {
    let mut mistake = |what| mistakes.push(Mistake { path: path.clone(), what });
    if !planned.is_known() {
        return;
    }
    if planned.is_null() != actual.is_null() {
        mistake(if actual.is_null() { "it was planned, and is not there" } else { "it was not planned, and is there" });
        return;
    }
    match (planned.data(), actual.data()) {
        (Data::Set(_, wanted), Data::Set(_, got)) => {
            let sure = wanted.iter().all(Value::is_wholly_known);
            let missing = wanted
                .iter()
                .filter(|wanted| wanted.is_wholly_known())
                .any(|wanted| !got.iter().any(|got| got.same(wanted)));
            if missing || sure && wanted.len() != got.len() {
                mistake("the set is not the one that was planned");
            }
        }
        (Data::List(_, wanted) | Data::Tuple(wanted), Data::List(_, got) | Data::Tuple(got)) => {
            if wanted.len() != got.len() {
                mistake("it has another length than was planned");
                return;
            }
            for (index, (wanted, got)) in wanted.iter().zip(got.iter()).enumerate() {
                compare(wanted, got, &path.child(PathStep::Index(index)), mistakes);
            }
        }
        (Data::Map(_, wanted), Data::Map(_, got)) => {
            if !wanted.keys().eq(got.keys()) {
                mistake("it has other keys than were planned");
                return;
            }
            for ((key, wanted), got) in wanted.iter().zip(got.values()) {
                compare(wanted, got, &path.child(PathStep::Key(key.clone())), mistakes);
            }
        }
        (Data::Object(wanted), Data::Object(got)) => {
            for (name, wanted) in wanted.iter() {
                match got.get(name) {
                    Some(got) => compare(wanted, got, &path.child(PathStep::Attribute(name.clone())), mistakes),
                    None => mistake_at(path, name, mistakes),
                }
            }
        }
        _ if planned.same(actual) => {}
        _ => mistake("its value is not the one that was planned"),
    }
}

fn mistake_at(path: &Path, name: &std::sync::Arc<str>, mistakes: &mut Vec<Mistake>) {
    let path = path.child(PathStep::Attribute(name.clone()));
    mistakes.push(Mistake { path, what: "it was planned, and is not there" });
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::Type;

    use super::*;

    fn block() -> Block {
        Block {
            attributes: [
                ("name".into(), Attribute::required(Type::String, "")),
                ("note".into(), Attribute::optional(Type::String, "")),
                ("id".into(), Attribute::computed(Type::String, "")),
            ]
            .into(),
            ..Block::default()
        }
    }

    fn object(name: &str, note: Option<&str>, id: Value) -> Value {
        Value::object([
            ("name", Value::from(name)),
            ("note", note.map_or(Value::null(Type::String), Value::from)),
            ("id", id),
        ])
    }

    #[test]
    fn rules_for_plans() {
        let unknown = || Value::unknown(Type::String);
        let null = || Value::null(Type::String);
        let nothing = Value::null(Type::Dynamic);
        let check = |prior: &Value, config: Value, planned: Value| {
            let mistakes = plan_mistakes(&block(), prior, &config, &planned);
            mistakes.iter().map(|mistake| mistake.path.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(check(&nothing, object("a", None, null()), object("a", None, unknown())), "");
        assert_eq!(check(&nothing, object("a", None, null()), object("b", Some("x"), null())), "name note");
        let prior = object("A", None, Value::from("i"));
        assert_eq!(check(&prior, object("a", None, null()), object("A", None, Value::from("i"))), "");
        assert_eq!(check(&prior, object("a", None, null()), null()), "", "reported at the root");
    }

    #[test]
    fn rules_for_results() {
        let planned = object("a", None, Value::unknown(Type::String));
        assert_eq!(result_mistakes(&planned, &object("a", None, Value::from("i"))), []);
        assert_eq!(result_mistakes(&planned, &object("b", Some("x"), Value::from("i"))).len(), 2);
        let set = |items: &[&str]| Value::set(Type::String, items.iter().map(|&item| Value::from(item)));
        assert_eq!(result_mistakes(&set(&["a", "b"]), &set(&["b", "a"])), []);
        assert_eq!(result_mistakes(&set(&["a"]), &set(&["b"])).len(), 1);
    }
}
