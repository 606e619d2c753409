//! Bad input: each mistake ends in its code, at its place, several at once; nothing is half-done.

use insta::assert_snapshot;

use crate::environment::{Environment, Shown, stack};

/// Every verb that reads the stack refuses it in the same way, and nothing is changed.
#[track_caller]
fn refused(place: &Environment, code: &str) -> Shown {
    let before = place.tree();
    for verb in [&["validate"][..], &["plan"], &["apply", "--yes"], &["reconcile"], &["graph"]] {
        place.run(verb).ends(1).tells(code, &[]);
    }
    place.tree().is(&before, "refused");
    place.run(&["validate"])
}

/// The same for what only planning finds.
#[track_caller]
fn refused_by_plan(place: &Environment, code: &str) -> Shown {
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(1).tells(code, &[]);
    place.tree().is(&before, "refused");
    assert!(place.recorded().is_empty());
    place.run(&["plan"]).ends(1).tells(code, &[])
}

#[test]
fn wrong_toml() {
    let place = Environment::with("\n[local]\na = \"x\n\n[variable.a]\nd = = 3\n\n[variable.b\ne = 1\n");
    place.write("more.retrue.toml", "[local]\nf = 1e\n");
    assert_snapshot!(refused(&place, "RT0101").screen());
}

#[test]
fn unknown_keys_have_their_nearest_known_one_named() {
    let place = Environment::with(
        "[outptu.a]\nvalue = 1\n\n[variable.v]\ntyp = \"string\"\n\n[resource.local_file.f]\npath = \"f\"\nconten = \"x\"\n\n[resource.local_file.f.lifecycle]\nprevent_destory = true\n\n[resource.local_fiel.g]\npath = \"g\"\n",
    );
    place.run(&["validate"]).ends(1);
    let shown = refused(&place, "RT0110");
    assert_snapshot!(shown.screen());
    for near in ["output", "type", "prevent_destroy"] {
        assert!(shown.stderr.contains(&format!("did you mean `{near}`")), "{near}: {}", shown.screen());
    }
    // What belongs to providers is known once the rest is right.
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"f\"\nconten = \"x\"\n\n[resource.local_fiel.g]\npath = \"g\"\n",
    );
    for near in ["`content`", "`local_file`"] {
        place.run(&["validate"]).ends(1).tells("RT0151", &[near]).tells("RT0150", &[]);
    }
}

#[test]
fn wrong_types() {
    let place = Environment::with(
        "[variable.n]\ntype = 1\nsensitive = \"yes\"\n\n[resource.local_file.f]\npath = \"f\"\ndepends_on = \"local_file.g\"\n\n[resource.local_file.f.lifecycle]\nprevent_destroy = 1\non_existing = \"ask\"\n\n[stack.store]\npath = 3\n",
    );
    assert_snapshot!("wrong_types_of_keys", refused(&place, "RT0112").screen());
    let place = Environment::with(
        "[variable.n]\ntype = \"number\"\ndefault = \"many\"\n\n[resource.local_file.f]\npath = [\"f\"]\ncontent = { a = 1 }\n\n[resource.local_file.g]\ncontent = \"${1 + [2]}\"\nsha256 = \"x\"\n\n[resource.local_file.h]\npath = \"h\"\ncount = \"three\"\n",
    );
    assert_snapshot!("wrong_types_of_values", place.run(&["validate"]).ends(1).screen());
    let json = place.run(&["validate", "--json"]).ends(1).json();
    let first = &json[0];
    for field in ["code", "severity", "message", "file", "line", "column", "hint"] {
        assert!(first.get(field).is_some(), "{field}: {first}");
    }
    assert_eq!((&first["severity"], &first["file"]), (&"error".into(), &"retrue.toml".into()));
}

#[test]
fn missing_references() {
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"${local.no}\"\ncontent = \"${var.no} ${local_file.no.path} ${data.local_file.no.content} ${nothing(1)}\"\ndepends_on = [\"local_file.gone\"]\nprovider = \"nobody\"\n",
    );
    assert_snapshot!(refused(&place, "RT0130").screen());
}

#[test]
fn circles_are_shown_edge_by_edge() {
    let place = Environment::with(
        "[resource.local_file.a]\npath = \"a\"\ncontent = \"${local_file.b.path}\"\n\n[resource.local_file.b]\npath = \"b\"\ncontent = \"${local.c}\"\n\n[local]\nc = \"${local_file.a.path}\"\n",
    );
    assert_snapshot!(refused(&place, "RT0301").screen());
}

#[test]
fn duplicates_are_shown_at_both_places() {
    let place = Environment::with("[resource.local_file.a]\npath = \"a\"\ncontent = \"x\"\n\n[variable.v]\n");
    place.write("more.retrue.toml", "[variable.v]\n\n[resource.local_file.a]\npath = \"b\"\ncontent = \"x\"\n");
    assert_snapshot!(refused(&place, "RT0109").screen());
    // In one file it is TOML itself that refuses.
    let place = Environment::with("[resource.local_file.a]\npath = \"a\"\n\n[resource.local_file.a]\npath = \"b\"\n");
    assert_snapshot!("duplicates_in_one_file", place.run(&["validate"]).ends(1).screen());
}

#[test]
fn for_each_over_what_is_not_known() {
    let place = Environment::with(
        "[resource.local_command.names]\ncreate = \"echo '[\\\"a\\\"]'\"\ndelete = \"true\"\n\n[resource.local_file.f]\nfor_each = \"${toset(local_command.names.output)}\"\npath = \"${each.key}\"\ncontent = \"x\"\n",
    );
    assert_snapshot!(refused_by_plan(&place, "RT0410").screen());
    let place = Environment::with("[resource.local_file.f]\nfor_each = [\"a\", \"a\", 3]\npath = \"x\"\n");
    place.run(&["plan"]).ends(1);
}

#[test]
fn wrong_regexes_and_functions() {
    let place = Environment::with(
        "[local]\na = '${regex(\"(\", \"x\")}'\nb = '${replace(\"x\", \"/[/\", \"\")}'\nc = '${jsondecode(\"{\")}'\nd = '${element([], 1)}'\n\n[output.all]\nvalue = \"${[local.a, local.b, local.c, local.d]}\"\n",
    );
    let shown = refused_by_plan(&place, "RT0207");
    assert_snapshot!(shown.screen());
}

#[test]
fn files_that_are_no_text() {
    let place = Environment::with("[local]\na = 1\n");
    place.write("more.retrue.toml", b"[local]\nb = \"\xff\xfe\"\n");
    refused(&place, "RT0105").tells("RT0105", &["`more.retrue.toml`", "line 2"]);
    let place = Environment::new();
    place.write("retrue.toml", [stack("# ").into_bytes(), vec![b'x'; 16 << 20]].concat());
    refused(&place, "RT0106").tells("RT0106", &["16 MiB"]);
    let place = Environment::new();
    fs_err::create_dir(place.path("retrue.toml")).unwrap();
    refused(&place, "RT0103");
    refused(&Environment::new(), "RT0102");
    let place = Environment::with("[local]\na = \"\u{0}\"\n");
    refused(&place, "RT0101");
}

#[test]
fn twenty_thousand_levels() {
    let nested =
        |open: &str, close: &str, core: &str| [open.repeat(20_000), core.to_owned(), close.repeat(20_000)].concat();
    for (value, code) in [
        (nested("[", "]", ""), "RT0107"),
        (nested("{a=", "}", "1"), "RT0107"),
        (format!("'${{{}}}'", nested("(", ")", "1")), "RT0202"),
        (format!("'${{{}}}'", nested("[", "]", "1")), "RT0202"),
        (format!("'${{{}}}'", nested("{a=", "}", "1")), "RT0202"),
        (format!("'${{{}}}'", nested("!", "", "true")), "RT0202"),
        (format!("'${{{}}}'", nested("-", "", "1")), "RT0202"),
        (format!("'${{{}}}'", nested("abs(", ")", "1")), "RT0202"),
        (format!("'${{{}}}'", nested("true ? 1 : ", "", "1")), "RT0202"),
        (format!("'{}'", nested("%{if true}", "%{endif}", "x")), "RT0202"),
    ] {
        let place = Environment::with(&format!("[local]\na = {value}\n"));
        place.run(&["validate"]).ends(1).tells(code, &["retrue.toml:5:"]);
        place.run(&["apply", "--yes"]).ends(1).tells(code, &[]);
    }
    for header in [format!("[{}]", vec!["a"; 20_000].join(".")), format!("{} = 1", vec!["a"; 20_000].join("."))] {
        let place = Environment::with_stack(&format!("{header}\n"));
        let shown = place.run(&["validate"]).ends(1);
        assert!(shown.stderr.contains("error[RT"), "{}", &shown.screen()[..500]);
    }
    // From the command line.
    let place = Environment::with("");
    place.run(&["eval", &nested("(", ")", "1")]).ends(1).tells("RT0202", &[]);
    place.run(&["apply", "--yes", "--target", &nested("a[", "]", "0")]);
    let place = Environment::with("[variable.v]\ntype = \"any\"\n");
    let shown = place.run(&["plan", "--var", &format!("v={}", nested("[", "]", "1"))]).ends(1);
    assert!(shown.stderr.contains("error[RT"), "{}", shown.screen());
    let shown = place.run(&["eval", &format!("jsondecode(\"{}\")", nested("[", "]", ""))]).ends(1);
    assert!(shown.stderr.contains("error[RT"), "{}", shown.screen());
    let place = Environment::with(&format!("[variable.v]\ntype = \"{}\"\n", nested("list(", ")", "string")));
    let shown = place.run(&["validate"]).ends(1);
    assert!(shown.stderr.contains("error[RT"), "{}", shown.screen());
}

#[test]
fn wrong_usage_is_told_before_anything_is_read() {
    let place = Environment::with_stack("no TOML [");
    for arguments in
        [&["plan", "--nope"][..], &["apply", "--var", "x"], &["resolve", "local_file.a"], &["show", "a", "b"]]
    {
        place.run(arguments).ends(64).tells("RT0801", &[]);
    }
}

#[test]
fn values_of_variables() {
    let block = "[variable.n]\ntype = \"number\"\n\n[variable.s]\ntype = \"string\"\nvalidation = [{ condition = '${length(var.s) > 3}', message = \"longer, please\" }]\n\n[variable.f]\ntype = \"string\"\nfrom = \"file:gone.txt\"\n";
    let place = Environment::with(block);
    assert_snapshot!("variables_without_values", place.run(&["plan"]).ends(1).screen());
    let shown = place.run(&["plan", "--var", "n=x", "--var", "s=ab", "--var", "f=x", "--var", "other=1"]).ends(1);
    assert_snapshot!("variables_with_wrong_values", shown.screen());
}

#[test]
fn a_plan_file_that_was_edited() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"content\"\n");
    place.run(&["plan", "-o", "p"]).ends(0);
    let text = place.read("p");
    for (edited, code) in [
        (text.replace("content", "CONTENT"), "RT0415"),
        (text.replace("\"f\"", "\"g\""), "RT0415"),
        (text[..text.len() / 2].to_owned(), "RT0415"),
        (String::new(), "RT0415"),
        ("{}".to_owned(), "RT0415"),
        ("[".repeat(20_000), "RT0415"),
        (text.replace("retrue.plan/1", "retrue.plan/2"), "RT0416"),
    ] {
        place.write("p", &edited);
        for verb in [&["apply", "p", "--yes"][..], &["show", "./p"]] {
            let shown = place.run(verb).ends(1);
            assert!(shown.stderr.contains(&format!("error[{code}]")), "{}", shown.screen());
        }
        assert!(!place.path("f").exists() && !place.path("g").exists());
    }
    place.write("p", b"\xff\xfe\0");
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0415", &[]);
    place.run(&["apply", "nowhere", "--yes"]).ends(1).tells("RT0902", &["nowhere"]);
    place.write("p", text);
    place.run(&["apply", "p", "--yes"]).ends(0);
}

#[test]
fn mistakes_of_all_kinds_are_told_at_once() {
    let place = Environment::with(
        "[resource.local_file.f]\npath = \"${local.no}\"\nconten = \"x\"\n\n[resource.local_file.g]\npath = \"g\"\ncontent = \"${nothing(1)}\"\n\n[outptu.a]\nvalue = 1\n",
    );
    let shown = place.run(&["validate"]).ends(1);
    for code in ["RT0110", "RT0131", "RT0151", "RT0206"] {
        assert!(shown.stderr.contains(code), "{code}: {}", shown.screen());
    }
}
