//! TOML that is none.

use proptest::prelude::*;

use super::{loaded, shown, table};
use crate::config::load;

#[test]
fn one_error_for_each_broken_statement() {
    snapshot!(table(&[
        "[local]\na = 1 2\n",
        "[local]\na = [1, 2\nb = 3\nc = \"x\"\n[s]\nd = 1\n",
        "[local]\na = \"abc\nb = 3\n[oops]\nc = 1\n",
        "[local]\na = {x = 1\nb = 3\n[s]\nc = 2\n",
        "[resource.a\nx = 1\n[b]\ny = 2\n",
        "[local]\na = tru\nb = = 3\nc\n[oops]\nd = 1\n",
        "[local]\na = \"\"\"x\n[b]\n",
        "[local]\na = 'x\\q'\nb = \"\\q\"\n",
        "]]]]\n[[[[\n= = =\n",
    ]));
}

#[test]
fn a_duplicate_is_reported_at_both_places() {
    snapshot!(table(&[
        "[local]\na = 1\nb = 2\na = 3\n",
        "[variable.x]\ntype = \"string\"\n[variable.y]\n[variable.x]\ntype = \"number\"\ndefault = 1\n",
        "[local]\na.b = 1\na = 2\n",
        "[[moved]]\nfrom = \"a.b\"\nfrom = \"a.c\"\n[[moved]]\nfrom = \"a.d\"\n[moved.x]\n",
        "[resource.a.b]\nx = 1\n[resource.a]\nb = 2\n[resource.a.b.x]\ny = 1\n",
    ]));
}

#[test]
fn syntax_of_toml_1_1_is_refused() {
    snapshot!(table(&[
        "[local]\na = {x = 1,\n y = 2}\nb = \"\\e\"\n",
        "[local]\na = {x = 1,}\nt = 10:30\nd = \"\\x41\"\n",
    ]));
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for open in ["[", "{a=", "[[", "{a.b.c="] {
        let failed = loaded(&format!("stack.schema = 1\n[local]\na = {}", open.repeat(20_000))).unwrap_err();
        assert_eq!(failed.diagnostics.len(), 1, "{}", shown(&failed.sources, &failed.diagnostics));
    }
    for depth in 60..110 {
        let text = format!("stack.schema = 1\n[local]\na = {}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(loaded(&text).is_ok(), depth < 81, "{depth}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "[\\[\\]{}=.\"'#\\\\a-c1-3,$% \n\u{e9}]{0,80}") {
        let _ = loaded(&text);
        let _ = loaded(&format!("stack.schema = 1\n[resource.a.b]\n{text}"));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().unwrap();
        fs_err::write(directory.path().join("retrue.toml"), bytes).unwrap();
        let _ = load(directory.path());
    }

    #[test]
    fn no_mixture_of_lines_panics(lines in prop::collection::vec(prop::sample::select(&LINES), 0..12)) {
        let _ = loaded(&lines.join("\n"));
    }
}

const LINES: [&str; 24] = [
    "[stack]",
    "schema = 1",
    "schema = 'x'",
    "[resource.a.b]",
    "[resource.a.b.lifecycle]",
    "[[resource.a.b.rule]]",
    "[resource.a]",
    "[resource]",
    "[variable.x]",
    "default = [1, {a = '${var.x}'}]",
    "type = 'map(list(string))'",
    "validation = [{ condition = true }]",
    "validation = 3",
    "for_each = ['a', 'a']",
    "count = -1",
    "provider = 7",
    "depends_on = ['a.b', 'data.a.b[\"x\"]', '']",
    "lifecycle.timeout = '1h'",
    "lifecycle = 2",
    "[[moved]]",
    "from = 'a.b'",
    "to = 'a.b[0]'",
    "[output.o]",
    "value = '${a.b.c}'",
];
