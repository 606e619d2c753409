//! Types whose objects hold data that no attribute holds.

use std::sync::LazyLock;

/// A line for each type; `*` stands for anything.
const TABLE: &str = include_str!("data_types.txt");

/// Whether a delete of an object of the type loses data, by what is shipped.
pub(crate) fn holds_data(type_name: &str) -> bool {
    static PATTERNS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    });
    PATTERNS.iter().any(|pattern| fits(pattern, type_name))
}

pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| fits(after, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_table() {
        for name in ["aws_s3_bucket", "aws_elasticache_cluster", "azurerm_mssql_database"] {
            assert!(holds_data(name), "{name}");
        }
        for name in ["aws_vpc", "null_resource", "aws_s3_bucket_policy", "azurerm_database"] {
            assert!(!holds_data(name), "{name}");
        }
    }
}
