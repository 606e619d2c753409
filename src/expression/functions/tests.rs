//! That the list of functions is complete, and that the tables test each of them.

use std::collections::BTreeMap;
use std::path::Path;

use super::{exists, names};

/// All that `terraform metadata functions -json` lists (1.11), `core::` twins left out.
const TERRAFORM: &str = "abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 \
    base64sha512 basename bcrypt can ceil chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce \
    coalescelist compact concat contains csvdecode dirname distinct element endswith ephemeralasnull file \
    filebase64 filebase64sha256 filebase64sha512 fileexists filemd5 fileset filesha1 filesha256 filesha512 flatten \
    floor format formatdate formatlist indent index issensitive join jsondecode jsonencode keys length log lookup \
    lower matchkeys max md5 merge min nonsensitive one parseint pathexpand plantimestamp pow range regex regexall \
    replace reverse rsadecrypt sensitive setintersection setproduct setsubtract setunion sha1 sha256 sha512 signum \
    slice sort split startswith strcontains strrev substr sum templatefile templatestring textdecodebase64 \
    textencodebase64 timeadd timecmp timestamp title tobool tolist tomap tonumber toset tostring transpose trim \
    trimprefix trimspace trimsuffix try upper urlencode uuid uuidv5 values yamldecode yamlencode zipmap";

/// Those that Terraform does not have.
const OURS: [&str; 3] = ["convert", "tomldecode", "tomlencode"];

#[test]
fn names_are_those_of_terraform_and_ours() {
    let mut expected: Vec<&str> = TERRAFORM.split_whitespace().chain(OURS).collect();
    expected.sort_unstable();
    assert_eq!(expected.len(), 121);
    assert_eq!(names().collect::<Vec<_>>(), expected);
    assert!(exists("core::upper") && exists("try") && !exists("core::nosuch") && !exists("type"));
}

#[test]
fn each_function_has_three_rows_in_the_tables() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/expressions");
    let mut rows: BTreeMap<&str, usize> = names().map(|name| (name, 0)).collect();
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        for line in fs_err::read_to_string(path).unwrap().lines() {
            let Some(expression) = line.strip_prefix("> ") else { continue };
            for (name, count) in &mut rows {
                let called = expression.match_indices(&format!("{name}(")).any(|(at, _)| {
                    // Not the end of a longer name.
                    !expression[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
                });
                *count += usize::from(called);
            }
        }
    }
    let few: Vec<_> = rows.into_iter().filter(|(_, count)| *count < 3).collect();
    assert!(few.is_empty(), "too few rows in the tables: {few:?}");
}
