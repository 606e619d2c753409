//! The functions that expressions may call.
//!
//! Each function is a row in a table: its parameters, the type of its result, and a body. What all
//! of them share is done once, in `specification`: the number of arguments, their conversion, the
//! refusal of null, unknown arguments, and marks. The names, types and results are those of
//! Terraform's functions, with `tomlencode` and `tomldecode` besides.
//!
//! Architecture Invariant: bodies are pure. All they learn of files, clock, randomness and home
//! directory comes through [`Host`].

mod codepages;
mod collections;
mod convert;
mod crypto;
mod csv;
mod encoding;
mod filesystem;
mod format;
mod host;
mod json;
mod lists;
mod maps;
mod network;
mod numbers;
mod provided;
mod regex;
mod rsa;
mod sets;
mod specification;
mod strings;
mod time;
mod toml;
mod wildcards;
mod yaml_decode;
mod yaml_encode;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use retrue_provider_api::Value;

pub use host::{FileKind, Host, directory_names, file_kind};
pub use provided::call_provided;
use specification::Function;
pub use specification::FunctionError;

/// Those that need the evaluator itself, because their arguments are expressions or templates.
const EVALUATED_ELSEWHERE: [&str; 4] = ["can", "templatefile", "templatestring", "try"];

static TABLE: LazyLock<BTreeMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let families: [&'static [Function]; 17] = [
        collections::FUNCTIONS,
        convert::FUNCTIONS,
        crypto::FUNCTIONS,
        csv::FUNCTIONS,
        encoding::FUNCTIONS,
        filesystem::FUNCTIONS,
        format::FUNCTIONS,
        json::FUNCTIONS,
        lists::FUNCTIONS,
        maps::FUNCTIONS,
        network::FUNCTIONS,
        numbers::FUNCTIONS,
        regex::FUNCTIONS,
        sets::FUNCTIONS,
        strings::FUNCTIONS,
        time::FUNCTIONS,
        toml::FUNCTIONS,
    ];
    let mut table: BTreeMap<_, _> = families.into_iter().flatten().map(|function| (function.name, function)).collect();
    table.extend(yaml_encode::FUNCTIONS.iter().map(|function| (function.name, function)));
    table.extend(yaml_decode::FUNCTIONS.iter().map(|function| (function.name, function)));
    table
});

/// The names of all functions, sorted, those included that [`call`] leaves to the evaluator.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&'static str> = TABLE.keys().copied().chain(EVALUATED_ELSEWHERE).collect();
    names.sort_unstable();
    names.into_iter()
}

/// Whether there is such a function. `core::NAME` is another way to write `NAME`.
pub fn exists(name: &str) -> bool {
    let name = plain(name);
    TABLE.contains_key(name) || EVALUATED_ELSEWHERE.contains(&name)
}

/// Calls a function.
///
/// `can`, `try`, `templatestring` and `templatefile` are not called here: they get expressions.
///
/// # Errors
/// There is no such function, or it refuses its arguments. Messages quote no sensitive argument.
pub fn call(name: &str, arguments: &[Value], host: &dyn Host) -> Result<Value, FunctionError> {
    match TABLE.get(plain(name)) {
        Some(function) => function.call(arguments, host),
        None => Err(FunctionError::new(format!("there is no function named `{name}`"))),
    }
}

fn plain(name: &str) -> &str {
    name.strip_prefix("core::").unwrap_or(name)
}
