//! A stack is a transaction: all of it, or the machine as it was before.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;

use crate::environment::tree::Tree;
use crate::environment::{Environment, stack};

const STACK: &str = r#"
[stack]
schema = 1
name = "shop"

[resource.local_file.adopted]
path = "adopted.bin"
content = "in true now\n"
mode = "0640"

[resource.local_directory.site]
path = "site"
mode = "0750"

[resource.local_file.page]
for_each = ["a", "b", "c"]
path = "${local_directory.site.path}/${each.key}.html"
content = "page ${each.key}\n"

[resource.local_symlink.index]
path = "${local_directory.site.path}/index.html"
target = "a.html"
depends_on = ["local_file.page"]

[resource.local_command.gate]
create = "test -e open || { echo the gate is shut >&2; exit 7; }"
delete = "true"
depends_on = ["local_symlink.index", "local_file.adopted"]
"#;

/// A machine with a file that no text editor could have written, long ago, by somebody else.
fn machine() -> Environment {
    let place = Environment::with_stack(STACK);
    let bytes: Vec<u8> = (0..40_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(std::str::from_utf8(&bytes).is_err());
    place.write("adopted.bin", bytes);
    let file = place.path("adopted.bin");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(1234), Some(2345)).unwrap();
    } else {
        println!("SKIPPED: only root can give a file to somebody else; owners are compared all the same");
    }
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(978_310_861, 123_456_789);
    fs_err::OpenOptions::new().write(true).open(&file).unwrap().set_modified(long_ago).unwrap();
    place
}

const MADE: [&str; 7] =
    ["adopted.bin", "retrue.toml", "site", "site/a.html", "site/b.html", "site/c.html", "site/index.html"];

#[test]
fn what_fails_is_taken_back_at_once() {
    let place = machine();
    let before = place.tree();
    let shown = place.run(&["apply", "--yes", "--on-failure", "compensate", "--parallelism", "1"]).ends(3);
    assert_snapshot!(shown.screen());
    place.tree().is(&before, "after the compensation");
    // Nothing of it is recorded, and nothing is left to unwind.
    assert_eq!(place.run(&["state", "list", "--json"]).ends(0).stdout, "[]\n");
    assert_eq!(place.run(&["compensate", "--yes"]).ends(0).stdout, "nothing to compensate\n");
    place.tree().is(&before, "after nothing was compensated");
}

#[test]
fn what_fails_stays_until_it_is_taken_back() {
    let place = machine();
    let before = place.tree();
    let shown = place.run(&["apply", "--yes", "--parallelism", "1"]).ends(1);
    assert_snapshot!("what_fails_stays", shown.screen());
    assert_eq!(place.tree().names(), MADE);
    assert_eq!(place.read("adopted.bin"), "in true now\n");
    assert_ne!(place.tree(), before);

    let shown = place.run(&["compensate", "--yes", "--parallelism", "1"]).ends(0);
    assert_snapshot!("and_is_taken_back", shown.screen());
    place.tree().is(&before, "after the compensation");
    assert_snapshot!("nothing_to_compensate", place.run(&["compensate", "--yes"]).ends(0).screen());
    place.tree().is(&before, "after the second one");
    assert_eq!(place.run(&["state", "list", "--json"]).ends(0).stdout, "[]\n");
}

#[test]
fn a_failed_apply_goes_on_where_it_stopped() {
    let place = machine();
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(1);
    let half = place.tree();
    place.write("open", "");
    let shown = place.run(&["apply", "--yes"]).ends(0);
    assert!(shown.stdout.starts_with("shop: 1 to create"), "{}", shown.screen());
    place.tree().keep(|name| name != "open").is(&half, "what was made is not made again");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);

    // Both runs had effects, so both are unwound, the newest first.
    for _ in 0..2 {
        place.run(&["compensate", "--yes"]).ends(0);
    }
    assert_eq!(place.run(&["compensate", "--yes"]).ends(0).stdout, "nothing to compensate\n");
    place.tree().keep(|name| name != "open").is(&before, "after both were unwound");
}

#[test]
fn all_of_it_back_through_the_first_run() {
    let place = machine();
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(1);
    let runs = place.run(&["runs", "list", "--json"]).ends(0).json();
    let first = runs[0]["run_id"].as_str().unwrap().to_owned();
    place.write("open", "");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--through", &first, "--yes"]).ends(0);
    place.tree().keep(|name| name != "open").is(&before, "after all was unwound");
}

#[test]
fn what_somebody_changed_since_is_not_overwritten() {
    let place = machine();
    place.run(&["apply", "--yes", "--parallelism", "1"]).ends(1);
    place.write("site/b.html", "by hand\n");
    let shown = place.run(&["compensate", "--yes", "--parallelism", "1"]).ends(4);
    assert_snapshot!(shown.screen());
    // The branches that are not stuck went on; what holds the stuck one stays with it.
    assert_eq!(place.tree().names(), ["adopted.bin", "retrue.toml", "site", "site/b.html"]);
    assert_eq!(place.read("site/b.html"), "by hand\n");
    // As it was left by the run, it can be unwound.
    place.write("site/b.html", "page b\n");
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["adopted.bin", "retrue.toml"]);
}

/// Copies an example, without what an earlier try of it may have left.
fn example(name: &str) -> Environment {
    let place = Environment::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let ignored = fs_err::read_to_string(from.join(".gitignore")).unwrap_or_default();
    for entry in walkdir::WalkDir::new(&from).min_depth(1) {
        let entry = entry.unwrap();
        let below = entry.path().strip_prefix(&from).unwrap().display().to_string();
        let top = format!("/{}", below.split('/').next().unwrap());
        let made = top == "/.retrue" || ignored.lines().any(|line| line.trim_end_matches('/') == top);
        if entry.file_type().is_file() && !made {
            place.write(&below, fs_err::read(entry.path()).unwrap());
        }
    }
    place
}

#[test]
fn every_example_is_applied_once_and_taken_back() {
    let mut examples = Vec::new();
    for entry in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        examples.push(entry.unwrap().file_name().into_string().unwrap());
    }
    examples.sort();
    assert_eq!(examples, ["adopt", "quickstart", "release"]);
    for name in examples {
        for back in [&["destroy", "--yes"][..], &["compensate", "--yes"]] {
            let place = example(&name);
            let before = place.tree();
            place.run(&["validate"]).ends(0);
            place.run(&["plan", "--detailed-exitcode"]).ends(2);
            place.run(&["apply", "--yes"]).ends(0);
            let made = place.tree();
            assert_ne!(made, before, "{name}");
            place.run(&["plan", "--detailed-exitcode"]).ends(0);
            place.run(&["apply", "--yes"]).ends(0);
            place.tree().is(&made, &format!("{name}, applied twice"));
            place.run(&["reconcile"]).ends(0);
            place.run(back).ends(0);
            place.tree().is(&before, &format!("{name}, after {back:?}"));
            assert_eq!(place.run(&["state", "list", "--json"]).ends(0).stdout, "[]\n", "{name} {back:?}");
        }
    }
}

#[test]
fn quickstart_as_the_readme_walks_through_it() {
    let place = example("quickstart");
    let mut tour = String::new();
    let mut step = |arguments: &[&str], code: i32| {
        let arguments = [arguments, &["--parallelism", "1"]].concat();
        tour += &format!("$ retrue {}\n{}\n", arguments.join(" "), place.run(&arguments).ends(code).screen());
    };
    step(&["apply", "--yes"], 0);
    let made = place.tree().timeless();
    step(&["apply", "--yes"], 0);
    // Somebody edits a page, and takes away the link.
    let page = place.read("site/shop.html").replace("hubs", "rims");
    place.write("site/shop.html", page);
    fs_err::remove_file(place.path("site/index.html")).unwrap();
    step(&["reconcile"], 2);
    step(&["reconcile", "--fix", "--yes"], 0);
    step(&["reconcile"], 0);
    place.tree().timeless().is(&made, "after the fix");
    step(&["output", "pages"], 0);
    // The fix is a run of its own, and so is unwound first: then the drift shows again.
    step(&["compensate", "--yes"], 0);
    step(&["reconcile"], 2);
    step(&["reconcile", "--fix", "--yes", "-q"], 0);
    step(&["runs", "list"], 0);
    assert_snapshot!(tour);
    place.tree().timeless().is(&made, "after the second fix");
}

#[test]
fn quickstart_is_taken_back() {
    let place = example("quickstart");
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.run(&["compensate", "--yes"]).ends(0).stdout, "nothing to compensate\n");
    place.tree().is(&before, "after the compensation");
}

#[test]
fn a_new_release_is_taken_back_to_the_old_one() {
    let place = example("release");
    place.run(&["apply", "--yes"]).ends(0);
    let first = place.tree();
    assert_eq!(fs_err::read_link(place.path("current")).unwrap(), Path::new("releases/1.0.0"));
    place.run(&["apply", "--yes", "--var", "version=1.1.0"]).ends(0);
    assert_eq!(fs_err::read_link(place.path("current")).unwrap(), Path::new("releases/1.1.0"));
    assert!(!place.path("releases/1.0.0").exists());
    place.run(&["compensate", "--yes"]).ends(0);
    Tree::of(&place.work()).is(&first, "after the newer release was taken back");
}

#[test]
fn through_the_first_run_past_a_fix_of_what_somebody_drifted() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n");
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(0);
    let first = place.runs()[0].clone();
    place.write("f", "by hand");
    place.run(&["reconcile", "--fix", "--yes"]).ends(0);
    place.run(&["compensate", "--through", &first, "--yes"]).ends(0);
    place.tree().is(&before, "all the way back");
}

#[test]
fn compensate_passes_over_a_run_that_had_no_effect() {
    let file = "[resource.local_file.f]\npath = \"f\"\ncontent = \"x\"\n";
    let place = Environment::with(file);
    place.run(&["apply", "--yes"]).ends(0);
    place.write(
        "retrue.toml",
        stack(&format!("{file}\n[resource.local_command.bad]\ncreate = \"exit 3\"\ndelete = \"true\"\n")),
    );
    place.run(&["apply", "--yes"]).ends(1);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(place.tree().names(), ["retrue.toml"]);
}
