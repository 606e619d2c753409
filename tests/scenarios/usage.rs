//! The command line itself.

use insta::assert_snapshot;

use crate::environment::Environment;

#[test]
fn help() {
    assert_snapshot!(Environment::new().run(&["-h"]).ends(0).screen());
}

#[test]
fn help_of_plan() {
    assert_snapshot!(Environment::new().run(&["plan", "-h"]).ends(0).screen());
}

#[test]
fn version() {
    let shown = Environment::new().run(&["--version"]).ends(0);
    assert_eq!(shown.stdout, format!("retrue {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn unknown_flag() {
    assert_snapshot!(Environment::new().run(&["plan", "--detailed-exit-code"]).ends(64).screen());
}

#[test]
fn unknown_verb() {
    assert_snapshot!(Environment::new().run(&["aply"]).ends(64).screen());
}

#[test]
fn no_verb() {
    Environment::new().run(&[]).ends(64);
}

#[test]
fn wrong_values() {
    for arguments in [
        &["plan", "--parallelism", "0"][..],
        &["plan", "--var", "x"],
        &["plan", "--refresh=maybe"],
        &["apply", "--on-failure", "pray"],
        &["reconcile", "--every", "soon"],
        &["reconcile", "--every", "0s"],
        &["-C", "a", "plan", "-C", "b"],
        &["resolve", "a.b"],
        &["resolve", "a.b", "--absent", "--applied"],
        &["apply", "p", "--target", "a.b"],
        &["apply", "p", "--destroy"],
        &["compensate", "r", "--through", "s"],
        &["reconcile", "--yes"],
        &["reconcile", "--fix", "--accept-all"],
        &["state"],
        &["completions", "tcsh"],
    ] {
        let shown = Environment::new().run(arguments).ends(64);
        assert!(shown.stderr.starts_with("error[RT0801]: ") || arguments == ["state"], "{}", shown.screen());
        assert_eq!(shown.stdout, "", "{arguments:?}");
    }
}
